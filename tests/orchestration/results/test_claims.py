"""Claims on what is recorded: rows of other sweeps, stand-ins of small sizes, the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.report import BenchmarkOutcome, MetricValue
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.load import SWEEPS, load_sweep
from orchestration.cells.resolved import ResolvedSweep
from orchestration.cli import main
from orchestration.results.claims import EvaluatedClaim, evaluate_claims
from orchestration.results.imported import import_file
from orchestration.store.contract import ResultsStore
from orchestration.store.open import open_store
from orchestration.sweeps.model import Overrides, Size
from tests.fakes.records import make_report, make_training

DIGEST = "d" * 64


def loaded(
    name: str, size: Size = "full", seeds: tuple[int, ...] = (0, 1, 2)
) -> tuple[ResolvedSweep, list[ResolvedCell]]:
    sweep = load_sweep(name, size=size, overrides=Overrides(seeds=seeds))
    return sweep, list(sweep.cells)


def record(
    store: ResultsStore,
    cell: ResolvedCell,
    *,
    goodness: float,
    device_s: float = 100.0,
    environment: dict[str, object] | None = None,
) -> None:
    """Record a cell whose every value is the better the higher its goodness is, with a little noise by seed."""
    lower = 0.5 - goodness + 0.001 * cell.config.seed * (1 + goodness)
    store.record_training(
        make_training(
            cell.train_key,
            wall_s=device_s,
            device_s=device_s + cell.config.seed,
            environment=environment or {},
            config={"dataset": cell.config.dataset, "recipe": {"epochs": 1, "train_images": 100}},
        )
    )
    for request in cell.benchmarks:
        names = ("error", "mce", "mfr", "mt5d", "rms", "rms-reference", "mfr-normalised", "mt5d-normalised")
        metrics = {name: MetricValue(lower, 100) for name in names}
        metrics |= {name: MetricValue(1.0 - lower, 100) for name in ("auroc", "aupr")}
        report = make_report(request, BenchmarkOutcome(metrics=metrics, forward_passes=1))
        store.record_report(cell.train_key, DIGEST, report)


@pytest.fixture
def store() -> ResultsStore:
    return open_store("memory:")


def verdicts(store: ResultsStore, *sweeps: ResolvedSweep) -> dict[str, EvaluatedClaim]:
    evaluated = evaluate_claims(sweeps, store=store)
    return {each.claim.name: each for each in evaluated}


@pytest.mark.parametrize("size", ["full", "small"])
def test_claims_hold_where_pixmix_is_best_and_fail_where_it_is_worst(size: Size, store: ResultsStore) -> None:
    sweep, cells = loaded("table-3", size)
    for cell in cells:
        record(store, cell, goodness={"PixMix": 0.2, "Baseline": 0.1}.get(cell.cell.row, 0.15))

    found = verdicts(store, sweep)

    for name in ("clean-kept", "better-corruption", "better-anomaly", "best-robustness", "near-pareto", "low-overhead"):
        assert found[name].ours.truth == "pass", found[name].ours.reason
    assert found["others-sacrifice"].ours.truth == "fail"
    assert found["better-corruption"].datasets == (("cifar-100",) if size == "full" else ("fashion-mnist",))
    assert found["better-corruption"].printed.truth == "pass"  # type: ignore[union-attr]


def test_without_results_nothing_is_checkable_and_the_missing_value_is_named(store: ResultsStore) -> None:
    sweep, _ = loaded("table-3")

    found = verdicts(store, sweep)

    assert {each.ours.truth for each in found.values()} == {"not checkable"}
    assert found["clean-kept"].ours.reason == "clean/error of PixMix is not recorded"


def test_rows_of_another_table_of_the_same_dataset_are_read_from_its_sweep(store: ResultsStore) -> None:
    sweep, cells = loaded("mixing-sets")
    _, others = loaded("table-3")
    for cell in [*cells, *others]:
        record(store, cell, goodness=0.2 if cell.cell.row in ("300K Random Images", "AutoAugment") else 0.1)

    assert verdicts(store, sweep)["random-images-clean"].ours.truth == "pass"


def test_rows_of_another_table_are_those_of_the_same_options(store: ResultsStore) -> None:
    """A row of three epochs is not compared with one of a hundred."""
    changed = Overrides(seeds=(0, 1, 2), settings={"train.epochs": 3})
    ours, theirs = (load_sweep(name, overrides=changed) for name in ("mixing-sets", "table-3"))
    _, of_usual_epochs = loaded("table-3")
    for cell in [*ours.cells, *of_usual_epochs]:
        record(store, cell, goodness=0.2 if cell.cell.row in ("300K Random Images", "AutoAugment") else 0.1)

    found = verdicts(store, ours)["random-images-clean"]
    assert (found.ours.truth, found.settings) == ("not checkable", ("train.epochs=3",))

    for cell in theirs.cells:
        record(store, cell, goodness=0.2 if cell.cell.row == "AutoAugment" else 0.1)
    assert verdicts(store, ours)["random-images-clean"].ours.truth == "pass"


@pytest.mark.parametrize("is_same", [True, False])
def test_a_users_own_file_borrows_rows_of_its_own_recipe_only(
    is_same: bool, store: ResultsStore, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    text = SWEEPS["mixing-sets"].read_text(encoding="utf-8").replace("name: mixing-sets", "name: mine")
    path.write_text(text if is_same else text.replace("base:\n", "base:\n  train: {epochs: 3}\n"), encoding="utf-8")
    sweep = load_sweep(str(path), overrides=Overrides(seeds=(0, 1, 2)))
    _, others = loaded("table-3")
    for cell in [*sweep.cells, *others]:
        record(store, cell, goodness=0.2 if cell.cell.row in ("300K Random Images", "AutoAugment") else 0.1)

    truth = verdicts(store, sweep)["random-images-clean"].ours.truth

    assert truth == ("pass" if is_same else "not checkable")


def test_a_row_of_another_suite_or_against_its_own_record_is_no_evidence(store: ResultsStore, tmp_path: Path) -> None:
    theirs, path = tmp_path / "theirs.csv", tmp_path / "beside.yaml"
    theirs.write_text("dataset,AUROC,ACC\nsvhn,91,99.5\n", encoding="utf-8")
    path.write_text(
        "name: beside\ntitle: Beside\nbase: {method: baseline, dataset: cifar-10, model: wrn-16-4, recipe: cifar}\n"
        "axes: {cells: [{row: Baseline}, {row: PixMix, imported: X}]}\n"
        "table: {columns: [clean/error], published: table-4}\n",
        encoding="utf-8",
    )
    import_file(theirs, "openood", name="X", dataset="cifar-10", store=store)
    sweep = load_sweep(str(path))
    record(store, sweep.cells[0], goodness=0.1)

    assert "PixMix is imported from another suite" in verdicts(store, sweep)["clean-kept"].ours.reason

    full, cells = loaded("table-3", seeds=(0,))
    for cell in cells:
        against = ["another method"] if cell.cell.row == "PixMix" else []
        record(store, cell, goodness=0.1, environment={"adopted_against": against})
    assert "its own record contradicts" in verdicts(store, full)["clean-kept"].ours.reason


def test_a_row_that_a_size_leaves_out_makes_its_claim_not_checkable(store: ResultsStore) -> None:
    sweep, _ = loaded("mixing-sets", "small")

    assert "no row '300K Random Images'" in verdicts(store, sweep)["random-images-clean"].ours.reason


def test_slower_training_is_shown_by_recorded_times(store: ResultsStore) -> None:
    sweep, cells = loaded("table-1")
    for cell in cells:
        record(store, cell, goodness=0.1, device_s=400.0 if cell.cell.row == "Iterative" else 100.0)

    assert verdicts(store, sweep)["iterative-slower"].ours.truth == "pass"


def test_a_union_is_evaluated_part_by_part(store: ResultsStore) -> None:
    sweep, _ = loaded("cifar-all", seeds=(0,))

    evaluated = evaluate_claims([sweep], store=store)

    assert {"table-1", "table-2", "table-3", "table-4", "table-10", "mixing-sets"} == {each.sweep for each in evaluated}


def test_the_verb_prints_one_line_per_claim_and_its_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, cells = loaded("table-10", seeds=(0, 1, 2))
    for cell in cells:
        record(open_store(str(tmp_path)), cell, goodness=0.1)
    options = ["table-10", "--seeds", "0-2", "--storage", str(tmp_path)]

    assert main(["claims", *options]) == 0
    text = capsys.readouterr().out
    assert main(["claims", *options, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    assert "stable-hyperparameters" in text
    assert "1 pass" in text
    assert document[0]["verdict"] == "pass"
    assert document[0]["published_numbers"] == "pass"
    assert document[0]["source"] == "supplement, Table 10"
    assert document[0]["settings"] == []

    assert main(["claims", *options, "--set", "train.epochs=3"]) == 0
    assert "other trainings or evaluations than the papers': train.epochs=3" in capsys.readouterr().err


def test_the_verb_says_how_to_get_evidence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "table-10", "--storage", str(tmp_path)]) == 0

    assert "dreamgrid run table-10" in capsys.readouterr().err


def test_what_is_not_checkable_is_said_once_for_each_claim(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "demo", "--storage", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    number = int(text.splitlines()[-1].split()[0])

    assert "clean-kept on demo: clean/error of PixMix is not recorded" in text.splitlines()
    assert text.count("not checkable") == number + 1  # its line of the table, and the counts


def test_an_unknown_sweep_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "tabel-10"]) == 2

    assert "did you mean 'table-10'?" in capsys.readouterr().err
