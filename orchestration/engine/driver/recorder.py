"""Write what workers report into the store, once, and notify the observer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from eval.report import MetricReport
from orchestration.cells.cell import PlannedCell
from orchestration.engine.observer import RunObserver
from orchestration.store.contract import AttemptRecord, ErrorClass, Results, TrainingRecord
from orchestration.store.provenance import provenance_of
from trainers.job import JobResult, TrainSummary


class Recorder:
    """The only writer of results. Calls are made under the driver's lock."""

    def __init__(self, store: Results, observer: RunObserver) -> None:
        self._store = store
        self._observer = observer
        self._trained: set[tuple[str, str]] = set()
        # Apart: what is written with its training is still reported to the observer, once.
        self._written: set[tuple[str, str, str]] = set()
        self._reported: set[tuple[str, str, str]] = set()
        self.attempts = 0

    def training(self, cell: PlannedCell, summary: TrainSummary, reports: Iterable[MetricReport] = ()) -> None:
        """Record a finished training, and reports on it that are there already; the observer still hears of those one by one."""
        identity = (cell.train_key, summary.checkpoint_sha256)
        if identity in self._trained:
            return
        self._trained.add(identity)
        record = TrainingRecord(train_key=cell.train_key, summary=summary, provenance=provenance_of(cell))
        good = [report for report in reports if report.error is None]
        self._store.record_cell(record, good)
        self._written.update((*identity, report.benchmark_key) for report in good)
        self._observer.training_recorded(cell, record)

    def report(self, cell: PlannedCell, checkpoint_sha256: str, report: MetricReport) -> None:
        """Record a successful report; of one that was refused or failed only the observer hears, with its reason."""
        identity = (cell.train_key, checkpoint_sha256, report.benchmark_key)
        if identity in self._reported:
            return
        self._reported.add(identity)
        if report.error is None and identity not in self._written:
            self._store.record_report(cell.train_key, checkpoint_sha256, report)
        self._observer.report_recorded(cell, checkpoint_sha256, report)

    def result(self, cell: PlannedCell, result: JobResult) -> None:
        """Record what of a finished job was not recorded while it ran."""
        self.training(cell, result.training, result.reports)
        for report in result.reports:
            self.report(cell, result.training.checkpoint_sha256, report)

    def attempt(
        self,
        cell: PlannedCell,
        *,
        number: int,
        error_class: ErrorClass,
        message: str,
        started_at: float,
        decision: str,
        context: Mapping[str, Any],
    ) -> None:
        """Record a failed attempt and report what follows from it."""
        record = AttemptRecord(
            train_key=cell.train_key,
            attempt=number,
            error_class=error_class,
            message=message,
            started_at=started_at,
            ended_at=time.time(),
            context=context,
        )
        self.attempts += 1
        self._store.record_attempt(record)
        self._observer.attempt_failed(cell, record, decision)
