"""A sweep as if it had been run: recorded in a storage with every training and report, without training anything."""

from __future__ import annotations

from eval.report import BenchmarkOutcome, MetricValue
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.resolved import ResolvedSweep
from orchestration.planning.sweep_records import record_sweep
from orchestration.store.files import FileStore
from tests.fakes.records import make_report, make_training


def record_as_run(resolved: ResolvedSweep, store: FileStore) -> None:
    """Record a sweep, and of each of its cells a training and a report for every benchmark that it wants."""
    record_sweep(resolved, store)
    for cell in resolved.cells:
        record_cell(cell, store)


def record_cell(cell: ResolvedCell, store: FileStore) -> None:
    """Record a training of a cell and a report for every benchmark that it wants; the error is a thousandth of the seed."""
    digest = cell.train_key
    store.record_training(make_training(cell.train_key, checkpoint_sha256=digest, recorded_at=1000.0))
    outcome = BenchmarkOutcome(metrics={"error": MetricValue(cell.config.seed / 1000, 100)})
    for request in cell.benchmarks:
        store.record_report(cell.train_key, digest, make_report(request, outcome))
