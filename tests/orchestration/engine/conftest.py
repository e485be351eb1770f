"""One private Ray for all engine tests of a process, and plans of made-up cells."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clusters.connect import connect
from eval.benchmarks.contract import BenchmarkRequest
from orchestration.cells.cell import Cell, Plan, PlannedCell
from orchestration.engine.observer import RunObserver
from orchestration.engine.options import LeaseTimings, RunOptions
from trainers.config import JobConfig, RecipeConfig
from trainers.job import JobPaths

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A private Ray with 2 CPUs whose workers can import this folder's `fake_jobs`."""
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *([path] if path else [])])
    with connect(num_cpus=2):
        yield
    if path is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = path


@pytest.fixture
def planned() -> Callable[..., PlannedCell]:
    """Build a cell that the fake job runs: what it does is in its method's parameters."""

    def build(
        seed: int, *, shards: int = 1, epochs: int = 1, benchmarks: tuple[str, ...] = ("clean",), **do: Any
    ) -> PlannedCell:
        requests = tuple(BenchmarkRequest(name=name, params={}, key=f"{name}-key") for name in benchmarks)
        config = JobConfig(
            method="baseline",
            method_params=do,
            dataset="digits",
            model="small-cnn",
            recipe=RecipeConfig(epochs=epochs, batch_shards=shards, train_images=100),
            seed=seed,
        )
        return PlannedCell(
            cell=Cell(seed=seed),
            train_key=f"{seed:012x}".ljust(64, "0"),
            config=config,
            dataset_identity="",
            benchmarks=requests,
            missing=requests,
            trained=False,
        )

    return build


@pytest.fixture
def options(tmp_path: Path) -> Callable[..., RunOptions]:
    """Build options for fake jobs with short timings."""

    def build(**changes: Any) -> RunOptions:
        fields: dict[str, Any] = {
            "paths": JobPaths(
                checkpoints=str(tmp_path / "checkpoints"), data_root=str(tmp_path), cache_dir=str(tmp_path / "cache")
            ),
            "job": "fake_jobs:run",
            "log_file": str(tmp_path / "ray.log"),
            "leases": LeaseTimings(heartbeat_s=0.5, poll_s=0.2),
            "num_cpus": 2,
            "canary": False,
            **changes,
        }
        return RunOptions(**fields)

    return build


@pytest.fixture
def plan_of() -> Callable[..., Plan]:
    """Build a plan of cells."""

    def build(*cells: PlannedCell) -> Plan:
        return Plan(sweep="made-up", cells=cells)

    return build


class Listener(RunObserver):
    """Remembers what a run told."""

    def __init__(self) -> None:
        self.states: list[tuple[str, str, str]] = []
        self.attempts: list[Any] = []
        self.epochs: list[tuple[str, int]] = []
        self.messages: list[str] = []
        self.status = ""

    def cell_state(self, cell: PlannedCell, state: Any, detail: str = "") -> None:
        """Remember a state."""
        self.states.append((cell.cell_id, state, detail))

    def attempt_failed(self, cell: PlannedCell, attempt: Any, decision: str) -> None:
        """Remember an attempt."""
        self.attempts.append(attempt)

    def epoch_ended(self, cell: PlannedCell, row: Any) -> None:
        """Remember an epoch."""
        self.epochs.append((cell.cell_id, row.epoch))

    def message(self, text: str) -> None:
        """Remember a message."""
        self.messages.append(text)

    def run_ended(self, plan: Plan, status: Any) -> None:
        """Remember the end."""
        self.status = status


@pytest.fixture
def listener() -> Listener:
    """An observer that remembers."""
    return Listener()
