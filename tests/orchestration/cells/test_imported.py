"""Other suites' files as cells: named, refused where they contradict what is said of them, shown beside ours with a mark."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from eval.exchange.suites import export_results
from eval.report import BenchmarkOutcome, MetricValue
from eval.tables.formats.registry import render
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.load import load_sweep
from orchestration.cells.resolved import ResolvedSweep
from orchestration.cli.main import main
from orchestration.errors import InputError
from orchestration.planning.plan import make_plan
from orchestration.results.exchange import recorded_outcomes
from orchestration.results.imported import import_file
from orchestration.results.table import recorded_tables
from orchestration.store.contract import ResultsStore
from orchestration.store.open import open_store
from tests.fakes.records import make_report, make_training

OPENOOD = """,FPR@95,AUROC,AUPR_IN,AUPR_OUT,ACC
cifar100,50.00 ± 4.10,86.00 ± 0.30,84.00 ± 0.50,85.00 ± 0.20,94.50 ± 0.25
nearood,50.00 ± 4.10,86.00 ± 0.30,84.00 ± 0.50,85.00 ± 0.20,94.50 ± 0.25
svhn,26.00 ± 3.80,92.00 ± 0.80,82.00 ± 2.10,95.00 ± 0.40,94.50 ± 0.25
"""
SWEEP = """
name: beside
title: Ours beside theirs
base: {method: baseline, dataset: cifar-10, model: wrn-16-4, recipe: cifar}
axes:
  cells:
    - {row: Ours}
    - {row: Theirs, imported: X%s}
seeds: [0, 1]
benchmarks: {ood: {sets: [svhn, cifar-100]}}
table: {columns: [clean/error, clean/ece, ood/auroc, ood/auroc/cifar-100], baseline: Ours}
"""


@pytest.fixture
def store() -> ResultsStore:
    return open_store("memory:")


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, name: str = "theirs.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def resolved(path: Path) -> ResolvedSweep:
    return load_sweep(str(path))


def record_ours(store: ResultsStore, cells: tuple[ResolvedCell, ...]) -> None:
    for cell in cells[:2]:
        store.record_training(make_training(cell.train_key))
        for request in cell.benchmarks:
            values = {"clean": {"error": 0.06, "ece": 0.02}, "ood": {"auroc": 0.85}}[request.name]
            rows = ({"set": "cifar-100", "auroc": 0.8},) if request.name == "ood" else ()
            outcome = BenchmarkOutcome(metrics={name: MetricValue(v, 10_000) for name, v in values.items()}, rows=rows)
            report = make_report(request, outcome)
            store.record_report(cell.train_key, "d" * 64, report)


def test_the_mean_over_sets_leaves_the_averages_of_the_file_out(store: ResultsStore, write: Write) -> None:
    (cell,) = import_file(write(OPENOOD), "openood", name="X", dataset="cifar-10", store=store)
    assert cell.means == pytest.approx({"ood/auroc": 0.89, "ood/aupr": 0.90, "ood/fpr95": 0.38})
    assert list(cell.means) == ["ood/fpr95", "ood/auroc", "ood/aupr"]
    result = store.result(cell.key)
    assert result is not None
    ood = next(report.outcome for report in result.reports.values() if report.benchmark == "ood")
    assert ood is not None
    assert [row["set"] for row in ood.rows] == ["cifar100", "svhn"]
    assert ood.notes["left_out"]["nearood"] == "the mean of other lines"


def test_what_is_of_a_part_of_the_images_keeps_that_mark_and_goes_out_as_imported(
    store: ResultsStore, write: Write
) -> None:
    text = "dataset,FPR@95,AUROC,ACC (part of the images)\ncifar100 (part of the images),50,86,94\nsvhn,26,92,94\n"
    (cell,) = import_file(write(text), "openood", name="X", dataset="cifar-10", store=store)
    (table,) = recorded_tables(resolved(write(SWEEP % "", "beside.yaml")), store)

    marks = {key: table.entry("Theirs", key).marks for key in ("clean/error", "ood/auroc", "ood/auroc/cifar-100")}  # type: ignore[union-attr]
    assert set(marks.values()) == {frozenset({"imported", "limited"})}
    outcomes, about = recorded_outcomes(cell.key, store)
    assert about.name == "X (imported)"
    again = export_results("openood", outcomes, about).splitlines()
    assert again[0].endswith(",ACC (part of the images)")
    assert again[1].startswith("cifar100 (part of the images),")


def test_a_file_about_two_networks_makes_two_cells(store: ResultsStore, write: Write) -> None:
    text = "model,dataset,test/cls/Acc\nA,cifar10,0.95\nB,cifar10,0.90\n"
    cells = import_file(write(text), "torch-uncertainty", name="TU", dataset="cifar-10", store=store)
    assert [cell.name for cell in cells] == ["TU A", "TU B"]
    assert [cell.network.numbers[0].value for cell in cells] == pytest.approx([0.05, 0.1])
    assert len(store.train_keys()) == 2


@pytest.mark.parametrize(
    ("suite", "text", "dataset", "model", "message"),
    [
        ("torch-uncertainty", "model,dataset,test/cls/Acc\nA,cifar100,0.9\n", "cifar-10", None, "is 'cifar100', and"),
        ("robustbench", '{"clean_acc": "90", "dataset": "imagenet"}', "cifar-10", None, "is 'imagenet', and"),
        ("robustbench", '{"clean_acc": "90", "architecture": "WRN"}', "cifar-10", "resnet-18", "leave --model out"),
        ("openood", OPENOOD, "cifar-100", None, "makes 'cifar-100' an outlier set"),
    ],
)
def test_what_the_options_deny_of_a_file_is_refused_and_nothing_recorded(
    suite: str, text: str, dataset: str, model: str | None, message: str, store: ResultsStore, write: Write
) -> None:
    with pytest.raises(InputError, match=message):
        import_file(write(text), suite, name="X", dataset=dataset, model=model, store=store)
    assert store.train_keys() == ()


@pytest.mark.parametrize("name", ["", " X", "X\u200b", "two\nlines"])
def test_a_name_that_no_table_could_print_is_refused(name: str, store: ResultsStore, write: Write) -> None:
    with pytest.raises(InputError, match="--name: a label must"):
        import_file(write(OPENOOD), "openood", name=name, dataset="cifar-10", store=store)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_file_in_another_encoding_is_refused_with_the_first_byte_at_fault(
    encoding: str, store: ResultsStore, tmp_path: Path
) -> None:
    path = tmp_path / "theirs.csv"
    path.write_bytes(OPENOOD.encode(encoding))
    with pytest.raises(
        InputError, match=r"must be text in UTF-8, but byte \d+ is not; save it as uncompressed 'CSV UTF-8'"
    ):
        import_file(path, "openood", name="X", dataset="cifar-10", store=store)


def test_a_name_belongs_to_one_file(store: ResultsStore, write: Write) -> None:
    path = write(OPENOOD)
    (first,) = import_file(path, "openood", name="X", dataset="cifar-10", store=store)
    (again,) = import_file(path, "openood", name="X", dataset="cifar-10", store=store)
    assert (first.is_new, again.is_new, again.key) == (True, False, first.key)
    with pytest.raises(InputError, match="is already the name of cell"):
        import_file(write(OPENOOD.replace("86.00", "87.00")), "openood", name="X", dataset="cifar-10", store=store)
    (other,) = import_file(path, "openood", name="X", dataset="fashion-mnist", store=store)
    assert other.key != first.key


def test_an_imported_row_stands_beside_ours_with_its_mark_its_spread_and_no_rank(
    store: ResultsStore, write: Write
) -> None:
    import_file(write(OPENOOD), "openood", name="X", dataset="cifar-10", store=store)
    sweep = resolved(write(SWEEP % "", "beside.yaml"))
    record_ours(store, sweep.cells)

    (table,) = recorded_tables(sweep, store)

    error, far = table.entry("Theirs", "clean/error"), table.entry("Theirs", "ood/auroc/cifar-100")
    assert error is not None
    assert far is not None
    assert (error.summary.mean, error.summary.spread, error.summary.n) == (pytest.approx(0.055), 0.0025, 0)
    assert (far.summary.mean, far.summary.spread) == (pytest.approx(0.86), pytest.approx(0.003))
    assert table.entry("Theirs", "clean/ece") is None
    assert error.marks == {"imported"}
    assert table.ranks() == {}, "their definitions differ, so theirs wins nothing"
    assert any("OpenOOD file theirs.csv; means over cifar100, svhn" in note for note in table.notes)
    assert not any("Confounded" in note for note in table.notes)
    for form in ("markdown", "latex", "csv", "html", "json"):
        text = render(table, form)  # type: ignore[arg-type]
        assert "Theirs" in text
        assert ("imported" if form == "csv" else "imported from another suite") in text
    assert json.loads(render(table, "json"))["entries"][1][0]["n"] is None


@pytest.mark.parametrize("mode", ["cached", "force", "retry"])
def test_nothing_of_an_imported_row_is_ever_run(mode: str, store: ResultsStore, write: Write) -> None:
    import_file(write(OPENOOD), "openood", name="X", dataset="cifar-10", store=store)
    sweep = resolved(write(SWEEP % "", "beside.yaml"))
    plan = make_plan(sweep, store=store, mode=mode)  # type: ignore[arg-type]
    assert [cell.cell.row for cell in plan.to_run] == ["Ours", "Ours"]
    (theirs,) = [cell for cell in plan.cells if cell.cell.row == "Theirs"]
    assert theirs.is_done
    assert sorted(request.name for request in theirs.benchmarks) == ["clean", "ood"]


def test_a_row_of_what_was_not_imported_is_refused_by_the_plan(store: ResultsStore, write: Write) -> None:
    sweep = resolved(write(SWEEP % "", "beside.yaml"))
    with pytest.raises(InputError, match="nothing of that name was imported for cifar-10; import it with"):
        make_plan(sweep, store=store)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (", method: pixmix", "so it cannot set method; leave it out"),
        (", train: {epochs: 2}", "so it cannot set train.epochs"),
        ("}\n    - {row: More, method: oe, init_from: {imported: X}", "needs weights, but 'X' was imported"),
    ],
)
def test_a_row_that_wants_more_of_an_imported_network_than_its_numbers_is_a_mistake(
    more: str, message: str, write: Write
) -> None:
    with pytest.raises(InputError, match=message):
        resolved(write(SWEEP % more, "beside.yaml"))


def test_the_command_line_names_what_is_left_out_and_asks_for_an_unknown_unit(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--format", "openood", "--name", "X", "--dataset", "cifar-10", "--storage", str(tmp_path / "results")]
    assert main(["import", str(write(OPENOOD)), *options]) == 0
    printed = capsys.readouterr().out
    assert "left out: nearood (the mean of other lines)" in printed
    assert "mean of these sets" in printed
    assert ["svhn", "FPR@95", "ood/fpr95/svhn", "26.00", "%", "3.80", "%"] in map(str.split, printed.splitlines())
    fractions = write("dataset,AUROC\nsvhn,0.91\n", "fractions.csv")
    assert main(["import", str(fractions), *options]) == 2
    assert "--unit percent or --unit fraction" in capsys.readouterr().err
    assert main(["import", str(fractions), *options, "--unit", "permille"]) == 2
    assert "must be percent or fraction" in capsys.readouterr().err
