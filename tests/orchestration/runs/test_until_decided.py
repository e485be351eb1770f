"""`run --until-decided` as users run it, with an engine that records made-up values in place of training."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from eval.report import BenchmarkOutcome, MetricValue
from orchestration.cells.cell import Plan, PlannedCell
from orchestration.cli import main
from orchestration.engine.options import RunOutcome
from orchestration.store.contract import ResultsStore
from orchestration.store.open import open_store
from tests.fakes.records import make_report, make_training

SWEEP = """
name: demo
title: One claim
base: {dataset: digits, model: wrn-10-1, recipe: digits, mixing_set: fractals}
axes:
  cells: [{row: Baseline, method: baseline}, {row: PixMix, method: pixmix}]
seeds: [0, 1, 2]
table:
  columns: [c-generated/error]
  baseline: Baseline
"""
GAINS = (0.020, 0.050, 0.035, 0.030, 0.034, 0.033)
"""What PixMix gains, by seed. Three seeds pass a one-sided t-test at 0.05 (p = 0.028) but not at 0.01; four do (p = 0.006)."""

Verb = Callable[..., str]


def record(store: ResultsStore, cell: PlannedCell) -> None:
    seed = cell.config.seed
    config = {
        "dataset": "digits",
        "model": "wrn-10-1",
        "method": cell.config.method,
        "recipe": {"epochs": 1, "train_images": 100},
    }
    store.record_training(make_training(cell.train_key, wall_s=36.0, device_s=36.0, config=config, recorded_at=1.0))
    error = 0.3 + 0.01 * seed - (GAINS[seed] if cell.config.method == "pixmix" else 0.0)
    for request in cell.missing:
        outcome = BenchmarkOutcome(metrics={"error": MetricValue(error, 100)}, forward_passes=1000)
        report = make_report(request, outcome, wall_s=18.0)
        store.record_report(cell.train_key, "d" * 64, report)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verb:
    """Run the sweep with further options and return what was said on stderr."""

    def execute(plan: Plan, *, store: ResultsStore, options: Any, observer: Any) -> RunOutcome:
        observer.run_started(plan)
        for cell in plan.to_run:
            record(store, cell)
        observer.run_ended(plan, "complete")
        keys = tuple(cell.train_key for cell in plan.to_run)
        return RunOutcome(status="complete", done=keys, computed=keys, failed={}, unfinished=())

    monkeypatch.setattr("orchestration.runs.run.execute", execute)
    path = tmp_path / "demo.yaml"
    path.write_text(SWEEP)

    def made(*options: str) -> str:
        common = ["--storage", str(tmp_path / "storage"), "--data-root", str(tmp_path), "--tracking-uri", "none"]
        assert main(["run", str(path), *common, "--until-decided", *options]) == 0
        return capsys.readouterr().err

    return made


def seeds_of(folder: Path) -> Mapping[str, int]:
    """Return method -> recorded cells."""
    store = open_store(folder / "storage")
    found: dict[str, int] = {}
    for result in store.results(store.train_keys()).values():
        method = str(result.training.provenance.config["method"])
        found[method] = found.get(method, 0) + 1
    return found


def test_an_undecided_verdict_gets_seeds_until_it_is_decided(run: Verb, tmp_path: Path) -> None:
    said = run("--looks", "5")

    assert re.search(r"look 1 of 5: undecided: .*PixMix \(1 verdict, 3 seeds\).*; adding seeds", said)
    assert "every verdict is decided after look 2" in said
    assert seeds_of(tmp_path) == {"baseline": 4, "pixmix": 4}


def test_one_planned_look_may_use_the_whole_level(run: Verb, tmp_path: Path) -> None:
    said = run("--looks", "1")

    assert "every verdict is decided after look 1" in said
    assert seeds_of(tmp_path) == {"baseline": 3, "pixmix": 3}


def test_the_budget_ends_it_before_seeds_are_added(run: Verb, tmp_path: Path) -> None:
    said = run("--looks", "5", "--budget-hours", "0.001")

    assert "more device-hours would exceed the budget" in said
    assert "PixMix (1 verdict, 3 seeds)" in said
    assert seeds_of(tmp_path) == {"baseline": 3, "pixmix": 3}


def test_the_limit_of_seeds_ends_it(run: Verb, tmp_path: Path) -> None:
    said = run("--looks", "50", "--max-seeds", "4")

    assert "still undecided after 4 seeds a row" in said
    assert seeds_of(tmp_path) == {"baseline": 4, "pixmix": 4}


def test_what_was_added_is_reused_by_the_next_call(run: Verb, tmp_path: Path) -> None:
    run("--looks", "5")
    again = run("--looks", "5", "--budget-hours", "0.000001")

    assert "every verdict is decided after look 2" in again
    assert seeds_of(tmp_path) == {"baseline": 4, "pixmix": 4}
