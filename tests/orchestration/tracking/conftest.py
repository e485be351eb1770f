"""A small sweep with records in a store, and a tracking server that lives in memory and can be switched off."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eval.benchmarks.contract import BenchmarkRequest
from eval.report import BenchmarkOutcome, MetricReport, MetricValue
from orchestration.cells.cell import Cell, Plan, PlannedCell
from orchestration.store.contract import AttemptRecord, TrainingRecord
from orchestration.store.files import FileStore
from orchestration.store.open import open_store
from orchestration.tracking.driver.tracker import Tracker
from tests.fakes.records import make_training
from tests.fakes.tracking import FakeServer
from trainers.config import JobConfig, RecipeConfig
from trainers.job import EpochRow

BENCHMARKS = ("clean", "pgd")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Lab:
    """Makes plans and records whose content depends on the arguments alone."""

    @staticmethod
    def plan(sweep: str = "demo", methods: Sequence[str] = ("baseline", "pixmix"), seeds: int = 2) -> Plan:
        cells = tuple(Lab.cell(method, seed) for method in methods for seed in range(seeds))
        return Plan(sweep=sweep, cells=cells)

    @staticmethod
    def cell(method: str, seed: int, *, beta: float = 3.0) -> PlannedCell:
        wanted = tuple(BenchmarkRequest(name=name, params={}, key=digest(name)) for name in BENCHMARKS)
        config = JobConfig(
            method=method,
            method_params={"beta": beta} if method == "pixmix" else {},
            dataset="digits",
            model="wrn-10-1",
            recipe=RecipeConfig(epochs=2),
            seed=seed,
        )
        cell = Cell(seed=seed, row=method.title(), recipe="digits")
        return PlannedCell(
            cell=cell,
            train_key=digest(f"{method} {seed} {beta}"),
            config=config,
            dataset_identity="digits-1",
            benchmarks=wanted,
            missing=wanted,
            trained=False,
        )

    @staticmethod
    def epoch(number: int, at: float) -> EpochRow:
        values = {"loss": 1.0 / (number + 1), "accuracy": 0.5, "lr": 0.1, "images_per_s": 9.0, "data_wait_share": 0.0}
        return EpochRow(epoch=number, step=number, memory_mib=1.0, time=at, **values)

    @staticmethod
    def training(
        cell: PlannedCell, *, at: float = 2000.0, environment: Mapping[str, Any] | None = None
    ) -> TrainingRecord:
        return make_training(
            cell.train_key,
            checkpoint_sha256=digest(f"checkpoint {cell.train_key} {at}"),
            checkpoint_uri="/checkpoints/x",
            epochs=tuple(Lab.epoch(number, at - 10 + number) for number in range(2)),
            wall_s=12.0,
            device_s=24.0,
            environment=environment or {"torch": "2.14"},
            commit="c0ffee",
            dirty=True,
            config={"method": cell.config.method},
            config_hash=digest("config"),
            data_identity="digits-1",
            versions={"python": "3.11"},
            driver={"host": "here"},
            recorded_at=at,
        )

    @staticmethod
    def report(name: str, error: float = 0.25) -> MetricReport:
        rows = tuple({"severity": level, "error": error * level} for level in (1, 2))
        outcome = BenchmarkOutcome(
            metrics={"error": MetricValue(error, 100), "rms": MetricValue(0.1234567, 100)}, rows=rows
        )
        return MetricReport(benchmark=name, benchmark_key=digest(name), semantics=1, outcome=outcome, wall_s=3.0)

    @staticmethod
    def attempt(cell: PlannedCell, *, at: float = 1990.0, message: str = "loss is NaN") -> AttemptRecord:
        return AttemptRecord(
            train_key=cell.train_key, attempt=1, error_class="nan", message=message, started_at=at - 5, ended_at=at
        )

    @staticmethod
    def finish(store: FileStore, cell: PlannedCell, *, error: float = 0.25, at: float = 2000.0) -> None:
        training = Lab.training(cell, at=at)
        store.record_training(training)
        for name in BENCHMARKS:
            store.record_report(cell.train_key, training.summary.checkpoint_sha256, Lab.report(name, error))

    @staticmethod
    def show(
        tracker: Tracker, store: FileStore, plan: Plan, *, recorded: Callable[[PlannedCell], None] = lambda cell: None
    ) -> None:
        """Tell a tracker what a run tells it in which every cell is trained; `recorded` is called for each before it is done."""
        tracker.run_started(plan)
        for cell in plan.cells:
            tracker.cell_state(cell, "running")
            training = Lab.training(cell)
            for row in training.summary.epochs:
                tracker.epoch_ended(cell, row)
            Lab.finish(store, cell)
            tracker.training_recorded(cell, training)
            recorded(cell)
            tracker.cell_state(cell, "done")
        tracker.publish_grid(markdown="| grid |", html="<table></table>", csv="a,b", latex="x")
        tracker.run_ended(plan, "complete")

    @staticmethod
    def done(plan: Plan) -> Plan:
        return replace(plan, cells=tuple(replace(cell, missing=(), trained=True) for cell in plan.cells))


@pytest.fixture
def lab() -> type[Lab]:
    return Lab


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def another_server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return open_store(tmp_path / "storage")


@pytest.fixture(scope="module")
def lab_module() -> type[Lab]:
    return Lab
