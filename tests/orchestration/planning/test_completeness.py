"""A sweep whose wanted column is empty is not complete, wherever one looks: status, run, table, exit codes, tracking."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.report import BenchmarkOutcome, MetricValue
from orchestration.cells.load import load_sweep
from orchestration.cli import main
from orchestration.engine.observer import RunObserver
from orchestration.engine.options import RunOutcome
from orchestration.planning.plan import make_plan
from orchestration.runs.run import CheckedCompletion, run_sweep
from orchestration.settings import read_settings
from orchestration.store.open import open_store
from tests.conftest import Install
from tests.fakes.records import make_report, make_training
from tests.fakes.tracking import FakeServer

SWEEP = """
name: s
title: S
base: {dataset: digits, model: wrn-10-1, recipe: noop, method: baseline}
axes: {cells: [{row: Full}, {row: Hollow, train: {weight_decay: 0.1}}]}
table: {columns: [clean/error, mine/error, mine/rms]}
"""
PLUG_IN = """
from dataclasses import replace
from eval.benchmarks.registry import BENCHMARKS
MINE = replace(BENCHMARKS["clean"], name="mine", title="Mine")
"""
LINE = "column 'mine/rms' is empty though its benchmark is recorded: Hollow seed 0"


class Noted(RunObserver):
    """Keeps how a run ended."""

    def __init__(self) -> None:
        self.ends: list[str] = []
        self.messages: list[str] = []

    def run_ended(self, plan: object, status: str) -> None:
        self.ends.append(status)

    def message(self, text: str) -> None:
        self.messages.append(text)


@pytest.fixture
def storage(tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A storage in which every benchmark of the sweep is recorded, one of them without a metric that it declares."""
    install({"mine.py": PLUG_IN}, points="[dreamgrid.benchmarks]\nx = mine:MINE\n")
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))
    (tmp_path / "s.yaml").write_text(SWEEP)
    store = open_store(str(tmp_path / "storage"))
    sweep = load_sweep(str(tmp_path / "s.yaml"))
    for cell in sweep.cells:
        store.record_training(
            make_training(
                cell.train_key, config={"dataset": "digits", "model": "wrn-10-1", "method": "baseline", "recipe": {}}
            )
        )
        for request in cell.benchmarks:
            metrics = {"error": MetricValue(0.25, 300), "rms": MetricValue(0.125, 300)}
            if request.name == "mine" and cell.cell.row == "Hollow":
                del metrics["rms"]
            report = make_report(request, BenchmarkOutcome(metrics=metrics))
            store.record_report(cell.train_key, "d" * 64, report)
    return tmp_path / "storage"


def test_status_names_the_column_and_ends_with_the_code_of_failed_cells(
    storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = str(storage.parent / "s.yaml")

    assert main(["status", sweep, "--storage", str(storage), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["not_complete"] == [LINE]
    assert main(["status", sweep, "--storage", str(storage)]) == 1
    assert f"not complete: {LINE}" in capsys.readouterr().out
    assert main(["watch", sweep, "--storage", str(storage)]) == 1


def test_the_table_says_below_that_it_is_not_complete(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", str(storage.parent / "s.yaml"), "--storage", str(storage)]) == 0

    assert f"Not complete: {LINE}." in capsys.readouterr().out


def test_a_run_with_nothing_left_to_run_is_not_complete_either(
    storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", str(storage.parent / "s.yaml"), "--storage", str(storage), "--tracking-uri", "none", "--json"]

    assert main(arguments) == 1

    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert (document["status"], document["reason"]) == ("failed", LINE)
    assert f"ended early: {LINE}" in printed.err


def test_observers_are_told_what_the_outcome_says(storage: Path) -> None:
    noted, store = Noted(), open_store(str(storage))
    sweep = load_sweep(str(storage.parent / "s.yaml"))
    settings = read_settings(storage=str(storage), tracking_uri="none")

    made = run_sweep(sweep, settings=settings, store=store, observers=[noted])

    assert isinstance(made.outcome, RunOutcome)
    assert (made.outcome.status, noted.ends, noted.messages) == ("failed", ["failed"], [f"not complete: {LINE}"])


def test_a_run_that_was_interrupted_stays_that(storage: Path) -> None:
    noted, store = Noted(), open_store(str(storage))
    sweep = load_sweep(str(storage.parent / "s.yaml"))
    plan = make_plan(sweep, store=store)

    CheckedCompletion([noted], plan, store).run_ended(plan, "interrupted")

    assert noted.ends == ["interrupted"]


def test_the_run_of_the_sweep_on_a_tracking_server_is_partial(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration.tracking.projection import Projection
    from orchestration.tracking.sync import sync as replay

    ends: list[str] = []
    monkeypatch.setattr(Projection, "end_sweep", lambda _, status: ends.append(status))
    store = open_store(str(storage))
    for rows in ("[{row: Full}]", "[{row: Hollow, train: {weight_decay: 0.1}}]"):
        text = SWEEP.replace("[{row: Full}, {row: Hollow, train: {weight_decay: 0.1}}]", rows)
        (storage.parent / "part.yaml").write_text(text)
        plan = make_plan(load_sweep(str(storage.parent / "part.yaml")), store=store)
        replay(store, plan, "memory", client=FakeServer())  # type: ignore[arg-type]

    assert ends == ["complete", "partial"]
