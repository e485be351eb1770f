"""What is recorded of the cells of a workload, as values that are equal bit by bit or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestration.cells.cell import Mode, Plan
from orchestration.cells.load import load_sweep
from orchestration.planning.plan import make_plan
from orchestration.store.contract import CellResult
from orchestration.store.files import FileStore
from orchestration.store.open import open_store
from tests.faults.harness.workloads import use_plugin


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """All numbers of a cell.

    Attributes:
        weights: SHA-256 of the weights that it was trained to.
        metrics: "benchmark/metric" -> value and sample count.
        losses: Training loss of each epoch.
    """

    weights: str
    metrics: Mapping[str, tuple[float, int]]
    losses: tuple[float, ...]


def plan_of(sweep: Path, storage: str, mode: Mode = "read-only") -> tuple[Plan, FileStore]:
    """Return the plan of a sweep on a storage as it is now, from a store that remembers nothing."""
    use_plugin()
    store = open_store(storage)
    return make_plan(load_sweep(str(sweep)), store=store, mode=mode), store


def numbers_of(result: CellResult) -> Numbers:
    """Return the numbers of a recorded cell."""
    return Numbers(
        weights=result.training.summary.checkpoint_sha256,
        metrics={
            f"{report.benchmark}/{name}": (metric.value, metric.n)
            for report in result.reports.values()
            if report.outcome is not None
            for name, metric in report.outcome.metrics.items()
        },
        losses=tuple(row.loss for row in result.training.summary.epochs),
    )


def recorded_numbers(sweep: Path, storage: str) -> dict[str, Numbers]:
    """Return the numbers of all recorded cells of a sweep by train key."""
    plan, store = plan_of(sweep, storage)
    return {key: numbers_of(found) for key, found in store.results(cell.train_key for cell in plan.cells).items()}
