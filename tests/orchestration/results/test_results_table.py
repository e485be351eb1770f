"""From records to tables: values in their places, marks, published numbers, verdicts, and tidy rows for notebooks."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.registry import benchmark_for, default_params
from eval.report import BenchmarkOutcome, MetricValue
from eval.tables.column import Column
from eval.tables.grid import Table
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.load import SWEEPS, full_size, load_sweep
from orchestration.cells.resolved import ResolvedSweep
from orchestration.cli import main
from orchestration.results.compare import compared, evaluations, unstated
from orchestration.results.imported import import_file
from orchestration.results.notebook import LoadedSweep
from orchestration.results.notebook import load_sweep as load_for_notebook
from orchestration.results.notes import parameter_notes, table_notes
from orchestration.results.table import sweep_tables
from orchestration.store.contract import ResultsStore
from orchestration.store.open import open_store
from orchestration.sweeps.model import Overrides
from orchestration.sweeps.overrides import parse_overrides
from tests.fakes.records import make_report, make_training

DIGEST = "d" * 64


def loaded(name: str, size: str = "full", seeds: tuple[int, ...] = (0,)) -> ResolvedSweep:
    return load_sweep(name, size=size, overrides=Overrides(seeds=seeds))  # type: ignore[arg-type]


def record(
    store: ResultsStore,
    cell: ResolvedCell,
    values: dict[str, dict[str, float]],
    *,
    torch: str = "2",
    limited: bool = False,
    recipe: dict[str, object] | None = None,
    **environment: object,
) -> None:
    config = {
        "dataset": cell.config.dataset,
        "model": cell.config.model,
        "method": cell.config.method,
        "recipe": {"epochs": 1, **(recipe or {})},
    }
    store.record_training(
        make_training(
            cell.train_key, wall_s=100.0, device_s=100.0, environment={"torch": torch, **environment}, config=config
        )
    )
    for request in cell.benchmarks:
        if request.name in values:
            outcome = BenchmarkOutcome(
                metrics={name: MetricValue(value, 100) for name, value in values[request.name].items()},
                notes={"limited": {"used": 1, "of": 2}} if limited else {},
                forward_passes=100,
            )
            report = make_report(request, outcome, wall_s=1.0)
            store.record_report(cell.train_key, DIGEST, report)


@pytest.fixture
def store() -> ResultsStore:
    return open_store("memory:")


def results(store: ResultsStore, cells: tuple[ResolvedCell, ...]) -> dict[str, object]:
    return dict(store.results([cell.train_key for cell in cells]))


def test_seeds_of_a_row_become_mean_and_spread(store: ResultsStore) -> None:
    sweep = loaded("demo", seeds=(0, 1))
    for cell in sweep.cells[:2]:
        record(store, cell, {"clean": {"error": 0.1 + 0.1 * cell.cell.seed}})

    table = sweep_tables(sweep, results(store, sweep.cells))[0]  # type: ignore[arg-type]

    entry = table.entry("Baseline", "clean/error")
    assert entry is not None
    assert entry.summary.mean == pytest.approx(0.15)
    assert entry.summary.n == 2
    assert table.entry("PixMix", "clean/error") is None


def test_entries_say_what_a_reader_must_know(store: ResultsStore) -> None:
    sweep = loaded("demo", seeds=(0, 1, 2))
    record(store, sweep.cells[0], {"clean": {"error": 0.1}, "c-generated": {"error": 0.2}}, torch="2", limited=True)
    record(store, sweep.cells[1], {"clean": {"error": 0.1}, "c-generated": {"error": 0.2}}, torch="3")

    table = sweep_tables(sweep, results(store, sweep.cells))[0]  # type: ignore[arg-type]

    clean, corrupted = table.entry("Baseline", "clean/error"), table.entry("Baseline", "c-generated/error")
    assert clean is not None
    assert corrupted is not None
    assert clean.marks == {"limited", "mixed", "incomplete"}
    assert corrupted.marks == {"limited", "mixed", "incomplete", "generated"}


GPU = {"device_type": "cuda", "device": "NVIDIA L4"}
ERROR = {"clean": {"error": 0.1}}


def test_a_table_says_which_parameters_of_its_benchmarks_are_not_the_usual_ones() -> None:
    own = {"c-generated": {"kinds": ["fog", "snow"]}, "ood-generated": {"score": "max-logit"}}
    given = load_sweep("demo", overrides=Overrides(benchmarks=own))

    notes = table_notes(given, [Column.of(each) for each in ("c-generated/error", "pgd/error", "clean/error")], {})

    assert notes[:2] == (
        "C (generated): kinds fog, snow (of 15), severities 3 (of 1, 2, 3, 4, 5).",
        "PGD: steps 5 instead of 20.",
    )
    assert not any(note.startswith(("Clean", "OOD")) for note in notes)
    (note,) = [note for note in table_notes(given, [Column.of("ood-generated/auroc")], {}) if note.startswith("OOD")]
    assert note == "OOD (generated): score max-logit instead of msp."


def test_a_parameter_without_a_default_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Given:
        radius: float
        kinds: tuple[str, ...] = ("ring", "disc")
        max_images: int | None = None

    cell = load_sweep("demo").cells[0]
    spec = replace(benchmark_for("clean"), config=Given)
    monkeypatch.setattr("eval.benchmarks.registry.benchmark_for", lambda _: spec)
    request = BenchmarkRequest(name="clean", params={"radius": 3.0, "kinds": ["ring"], "max_images": None}, key="k")
    cell = replace(cell, benchmarks=(request,))

    assert default_params("clean") == {"kinds": ["ring", "disc"], "max_images": None}
    assert parameter_notes([Column.of("clean/error")], [cell]) == ("Clean: radius 3.0, kinds ring (of ring, disc).",)


def test_a_part_of_the_test_images_is_told_by_its_mark_alone() -> None:
    given = load_sweep("demo", overrides=Overrides(benchmarks={"clean": {"max_images": 100}}))

    assert not any(note.startswith("Clean") for note in table_notes(given, [Column.of("clean/error")], {}))


@pytest.mark.parametrize(
    ("first", "second", "is_mixed"),
    [
        ({**GPU, "precision": "tf32"}, {**GPU, "precision": "tf32"}, False),
        ({**GPU, "precision": "tf32"}, {**GPU, "precision": "fp32"}, True),
        # A record from before TF32 could be chosen says no precision: it was IEEE float32, or bf16 by its recipe.
        ({**GPU, "precision": "tf32"}, GPU, True),
        ({**GPU, "precision": "fp32"}, GPU, False),
        ({**GPU, "precision": "bf16"}, {**GPU, "recipe": {"precision": "bf16"}}, False),
        ({"device_type": "cpu", "precision": "fp32"}, {"device_type": "cpu"}, False),
    ],
)
def test_seeds_of_different_precisions_are_marked(
    store: ResultsStore, first: dict[str, Any], second: dict[str, Any], *, is_mixed: bool
) -> None:
    sweep = loaded("demo", seeds=(0, 1))
    for cell, environment in zip(sweep.cells[:2], (first, second), strict=True):
        record(store, cell, ERROR, **environment)

    table = sweep_tables(sweep, results(store, sweep.cells))[0]  # type: ignore[arg-type]

    entry = table.entry("Baseline", "clean/error")
    assert entry is not None
    assert ("mixed" in entry.marks) == is_mixed
    assert any(note.startswith("Trained in different precisions: ") for note in table.notes) == is_mixed


def test_rows_of_different_precisions_are_named_below_the_table(store: ResultsStore) -> None:
    sweep = loaded("demo")
    baseline, pixmix = sweep.cells[0], sweep.cells[-1]
    record(store, baseline, ERROR, **GPU)
    record(store, pixmix, ERROR, **GPU, precision="tf32")

    table = sweep_tables(sweep, results(store, sweep.cells))[0]  # type: ignore[arg-type]

    rows = baseline.cell.row, pixmix.cell.row
    assert f"Trained in different precisions: fp32 ({rows[0]}); tf32 ({rows[1]})." in table.notes


def test_a_matrix_has_one_factor_down_and_one_across(store: ResultsStore) -> None:
    sweep = loaded("table-10")
    for cell in sweep.cells:
        beta, rounds = cell.config.method_params["beta"], cell.config.method_params["max_rounds"]
        record(store, cell, {"clean": {"error": float(beta) / 100}, "c": {"error": float(rounds) / 100}})

    table = sweep_tables(sweep, results(store, sweep.cells))[0]  # type: ignore[arg-type]

    assert table.rows == ("5", "4", "3")
    shown = [[entry.summary.mean if entry else None for entry in row] for row in table.entries]
    assert shown[0] == pytest.approx([0.05, 0.02, 0.05, 0.03, 0.05, 0.04])


def test_a_table_has_the_name_of_its_sweep_and_what_options_set() -> None:
    changed = load_sweep("demo", size="smoke", overrides=parse_overrides(["train.epochs=2"], seeds="0,1"))

    (table,) = sweep_tables(changed, {})

    assert table.name == "demo-smoke train.epochs=2"


def test_a_union_has_one_table_for_each_part(store: ResultsStore) -> None:
    sweep = loaded("cifar-all", "smoke")

    tables = sweep_tables(sweep, results(store, sweep.cells))  # type: ignore[arg-type]

    assert [table.title for table in tables] == [f"{part.title}, smoke size (digits)" for part in sweep.sweep.parts]


def test_the_published_recipe_gets_a_verdict_and_its_unknowns_are_named(store: ResultsStore) -> None:
    sweep = loaded("table-3", seeds=(0, 1, 2))
    for cell in sweep.cells:
        if cell.cell.row in ("Baseline", "AugMix"):
            record(store, cell, {"clean": {"error": 0.2130 + 0.0001 * cell.cell.seed}})
    ours = sweep
    full = loaded("table-3")

    table = compared(sweep_tables(sweep, results(store, sweep.cells)), ours, full)[0]  # type: ignore[arg-type]

    baseline, augmix = table.entry("Baseline", "clean/error"), table.entry("AugMix", "clean/error")
    assert baseline is not None
    assert baseline.reference is not None
    assert augmix is not None
    assert augmix.reference is not None
    assert baseline.reference.value == pytest.approx(0.213)
    assert baseline.reference.verdict == "reproduced"
    assert "consistency loss" in augmix.reference.reason


def test_another_recipe_is_not_comparable_and_says_why(store: ResultsStore) -> None:
    sweep = loaded("table-3", "smoke")
    record(store, sweep.cells[0], {"clean": {"error": 0.213}})

    table = compared(
        sweep_tables(sweep, results(store, sweep.cells)),
        sweep,
        loaded("table-3"),  # type: ignore[arg-type]
    )[0]

    entry = table.entry("Baseline", "clean/error")
    assert entry is not None
    assert entry.reference is not None
    assert entry.reference.verdict == "not comparable"
    assert "dataset digits instead of cifar-100" in entry.reference.reason
    assert "epochs 1 instead of 100" in entry.reference.reason


def test_rows_that_differ_in_more_than_their_factor_are_told() -> None:
    sweep = loaded("table-3")

    notes = "\n".join(sweep_tables(sweep, {})[0].notes)

    assert "Mixup against Baseline): weight decay 0.0001 instead of 0.0005" in notes
    assert "OE against Baseline): epochs 10 instead of 100" in notes
    assert "PixMix against" not in notes


def test_the_matrix_finds_its_published_rows(store: ResultsStore) -> None:
    sweep = loaded("table-10", seeds=(0, 1, 2))
    for cell in sweep.cells:
        record(store, cell, {"clean": {"error": 0.2}})

    table = compared(
        sweep_tables(sweep, results(store, sweep.cells)),
        sweep,
        loaded("table-10"),  # type: ignore[arg-type]
    )[0]

    first = table.entries[0][0]
    assert first is not None
    assert first.reference is not None
    assert first.reference.value == pytest.approx(0.202)


def test_a_row_without_unknowns_is_the_published_recipe() -> None:
    resolved = loaded("table-3")

    assert unstated(resolved.cells[0]) == ()


def test_a_notebook_gets_tidy_rows_and_a_grid_that_shows_itself(tmp_path: Path) -> None:
    storage = str(tmp_path / "storage")
    resolved = loaded("demo", seeds=(0, 1))
    record(open_store(storage), resolved.cells[0], {"clean": {"error": 0.25, "rms": 0.1}})

    sweep = load_for_notebook("demo", storage=storage)
    frame = sweep.results()

    assert list(frame["metric"]) == ["error", "rms"]
    assert frame.iloc[0][["row", "seed", "method", "benchmark", "value"]].tolist() == [
        "Baseline",
        0,
        "baseline",
        "clean",
        0.25,
    ]
    assert "25.0" in sweep.table().to_latex()
    assert "<table" in sweep.table()._repr_html_()
    assert "25.0" in str(sweep.table())
    assert "clean" in sweep.table().to_csv()
    assert len(sweep.plan().to_run) == 10
    assert "brackets" in load_for_notebook("table-3", storage=storage).table(compare=True).to_markdown()


def test_the_tidy_rows_say_what_each_number_is_of(store: ResultsStore) -> None:
    sweep = load_sweep("demo", overrides=Overrides(precision="bf16"))
    record(store, sweep.cells[0], {"clean": {"error": 0.25}, "c-generated": {"error": 0.5}}, limited=True, released="x")

    lines = {line["benchmark"]: line for line in LoadedSweep(sweep, store).results().to_dict("records")}

    assert lines["clean"]["marks"] == "limited released"
    assert lines["clean"]["settings"] == "evaluated in bf16"
    assert lines["c-generated"]["marks"] == "limited generated released"
    assert lines["c-generated"]["settings"] == "severities 3 (of 1, 2, 3, 4, 5), evaluated in bf16"


def test_a_network_that_is_one_for_all_seeds_has_its_tidy_rows_once(store: ResultsStore, tmp_path: Path) -> None:
    theirs, path = tmp_path / "theirs.csv", tmp_path / "beside.yaml"
    theirs.write_text("dataset,AUROC,ACC\nsvhn,91,94.5\n", encoding="utf-8")
    path.write_text(
        "name: beside\ntitle: Beside\nbase: {method: baseline, dataset: cifar-10, model: wrn-16-4, recipe: cifar}\n"
        "axes: {cells: [{row: Ours}, {row: Theirs, imported: X}]}\nseeds: [0, 1, 2]\n"
        "table: {columns: [clean/error]}\n",
        encoding="utf-8",
    )
    import_file(theirs, "openood", name="X", dataset="cifar-10", store=store)

    frame = LoadedSweep(load_sweep(str(path)), store).results()

    assert frame[["row", "metric", "marks", "settings"]].to_numpy().tolist() == [["Theirs", "error", "imported", ""]]


def test_the_command_line_sets_the_published_numbers_beside_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = str(tmp_path / "storage")
    resolved = loaded("table-3")
    record(open_store(storage), resolved.cells[0], {"clean": {"error": 0.213}})

    assert main(["table", "table-3", "--compare", "--json", "--storage", storage]) == 0

    assert "0.213" in json.dumps(json.loads(capsys.readouterr().out))


def test_what_a_csv_has_no_room_for_is_told_next_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage = str(tmp_path / "storage")
    record(open_store(storage), loaded("demo").cells[0], {"c-generated": {"error": 0.213}})

    assert main(["table", "demo", "--format", "csv", "--storage", storage]) == 0

    printed = capsys.readouterr()
    assert "note: C (generated): severities 3 (of 1, 2, 3, 4, 5)." in printed.err
    assert "severities" not in printed.out


REPRODUCED = {"clean": {"error": 0.203}, "c": {"error": 0.305}, "pgd-reference": {"error": 0.929}}


def pixmix_next_to_the_paper(store: ResultsStore, sweep: ResolvedSweep, **environment: object) -> Table:
    for cell in sweep.cells:
        if cell.cell.row.casefold() == "pixmix":
            values = {
                name: {metric: value + 0.0001 * cell.cell.seed for metric, value in metrics.items()}
                for name, metrics in REPRODUCED.items()
            }
            record(store, cell, values, **environment)
    found = results(store, sweep.cells)
    return compared(sweep_tables(sweep, found), sweep, full_size(sweep))[0]  # type: ignore[arg-type]


def verdicts(table: Table, row: str = "PixMix") -> dict[str, str]:
    entries = {str(spec.column): table.entry(row, spec.key) for spec in table.columns}
    return {name: entry.reference.verdict for name, entry in entries.items() if entry and entry.reference}


def test_an_evaluation_with_other_parameters_than_the_published_one_gets_no_verdict(store: ResultsStore) -> None:
    own = {"c": {"severities": [1]}, "pgd-reference": {"steps": 1}, "clean": {"max_images": 100_000}}
    sweep = load_sweep("table-3", overrides=Overrides(seeds=(0, 1, 2), benchmarks=own))

    table = pixmix_next_to_the_paper(store, sweep)

    assert verdicts(table) == {
        "clean/error": "reproduced",
        "c/error": "not comparable",
        "pgd-reference/error": "not comparable",
    }
    assert "Not comparable (C): severities 1 (of 1, 2, 3, 4, 5)." in table.notes
    assert "Not comparable (PGD (reference)): steps 1 instead of 20." in table.notes


def test_an_evaluation_in_another_precision_gets_no_verdict(store: ResultsStore) -> None:
    sweep = load_sweep("table-3", overrides=Overrides(seeds=(0, 1, 2), precision="bf16"))

    assert set(verdicts(pixmix_next_to_the_paper(store, sweep)).values()) == {"not comparable"}


def test_one_corruption_is_as_published_whichever_others_are_evaluated() -> None:
    given = load_sweep("table-3", overrides=Overrides(benchmarks={"c": {"kinds": ["fog", "snow"]}}))
    differs_of = evaluations(given, loaded("table-3").by_row())

    assert differs_of("Baseline", Column.of("c/error/fog")) == ()
    assert differs_of("Baseline", Column.of("c/error")) == ("kinds fog, snow (of 15)",)


def test_a_checkpoint_that_contradicts_its_row_gets_no_verdict(store: ResultsStore) -> None:
    against = {"adopted_from": "x.pt", "adopted_against": ["the method is baseline there"]}

    table = pixmix_next_to_the_paper(store, loaded("table-3", seeds=(0, 1, 2)), **against)

    assert set(verdicts(table).values()) == {"not comparable"}


@pytest.mark.parametrize("row", ["PixMix", "pixmix"])
def test_a_users_own_file_is_compared_with_the_published_recipe_and_not_with_itself(
    row: str, store: ResultsStore, tmp_path: Path
) -> None:
    text = SWEEPS["table-3"].read_text(encoding="utf-8").replace("row: PixMix", f"row: {row}")
    same, short = tmp_path / "same.yaml", tmp_path / "short.yaml"
    same.write_text(text.replace("name: table-3", "name: same"), encoding="utf-8")
    short.write_text(
        text.replace("name: table-3", "name: short").replace("base:\n", "base:\n  train: {epochs: 3}\n"),
        encoding="utf-8",
    )
    seeds = Overrides(seeds=(0, 1, 2))

    as_published = pixmix_next_to_the_paper(store, load_sweep(str(same), overrides=seeds))
    shorter = pixmix_next_to_the_paper(store, load_sweep(str(short), overrides=seeds))

    assert verdicts(as_published, row)["clean/error"] == "reproduced"
    assert set(verdicts(shorter, row).values()) == {"not comparable"}
    assert any("epochs 3 instead of 100" in note for note in shorter.notes)
