"""A small sweep with records in a store, and a tracking server that lives in memory and can be switched off."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
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
from orchestration.tracking.contract import Point, RunStatus, TrackedRun, TrackingError
from tests.fakes.records import make_training
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
    def done(plan: Plan) -> Plan:
        return replace(plan, cells=tuple(replace(cell, missing=(), trained=True) for cell in plan.cells))


class FakeServer:
    """A tracking server in memory; `is_away` makes it refuse connections."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.experiment_tags: dict[str, dict[str, str]] = {}
        self.runs: dict[str, TrackedRun] = {}
        self.deleted: set[str] = set()
        self.points: dict[str, set[Point]] = {}
        self.artifacts: dict[tuple[str, str], str] = {}
        self.calls: list[tuple[str, ...]] = []
        self.is_away = False

    def experiment(self, name: str, artifacts: str | None, tags: Mapping[str, str]) -> str:
        self._answer("experiment", name)
        return self.names.setdefault(name, str(len(self.names) + 1))

    def experiments(self) -> Sequence[str]:
        self._answer("experiments")
        return list(self.names.values())

    def tag_experiment(self, experiment_id: str, tags: Mapping[str, str]) -> None:
        self._answer("tag_experiment", experiment_id)
        self.experiment_tags.setdefault(experiment_id, {}).update(tags)

    def find(
        self, experiment_ids: Sequence[str], tags: Mapping[str, str], *, deleted: bool = False
    ) -> Sequence[TrackedRun]:
        self._answer("find")
        found = [
            run
            for run in self.runs.values()
            if run.experiment_id in experiment_ids
            and (run.run_id in self.deleted) == deleted
            and tags.items() <= run.tags.items()
        ]
        return sorted(found, key=lambda run: (run.start_ms, run.run_id))

    def create(self, experiment_id: str, name: str, start_ms: int, tags: Mapping[str, str]) -> str:
        self._answer("create", name)
        run_id = f"run-{len(self.runs)}"
        self.runs[run_id] = TrackedRun(
            run_id=run_id, experiment_id=experiment_id, status="RUNNING", start_ms=start_ms, tags={"name": name, **tags}
        )
        return run_id

    def log(self, run_id: str, points: Sequence[Point], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        self._answer("log", run_id)
        run = self.runs[run_id]
        if run_id in self.deleted or any(run.params.get(name, value) != value for name, value in params.items()):
            raise TrackingError("refused", passing=False)
        self.points.setdefault(run_id, set()).update(points)
        ordered = sorted(self.points[run_id], key=lambda point: (point.step, point.time_ms, point.value))
        metrics = {point.key: point.value for point in ordered}  # as MLflow chooses the latest
        self.runs[run_id] = replace(
            run, params={**run.params, **params}, tags={**run.tags, **tags}, metrics={**run.metrics, **metrics}
        )

    def end(self, run_id: str, status: RunStatus, end_ms: int | None) -> None:
        self._answer("end", run_id, status)
        self.runs[run_id] = replace(self.runs[run_id], status=status)

    def delete(self, run_id: str) -> None:
        self._answer("delete", run_id)
        self.deleted.add(run_id)

    def restore(self, run_id: str) -> None:
        self._answer("restore", run_id)
        self.deleted.discard(run_id)

    def write_text(self, run_id: str, path: str, text: str) -> None:
        self._answer("write_text", run_id, path)
        self.artifacts[run_id, path] = text

    def of(self, cell: PlannedCell, sweep: str = "demo") -> TrackedRun:
        """The one active run of a cell."""
        (run,) = self.find([self.names[sweep]], {"cell_key": cell.train_key})
        return run

    def _answer(self, *call: str) -> None:
        if self.is_away:
            raise TrackingError("connection refused", passing=True)
        self.calls.append(call)


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
