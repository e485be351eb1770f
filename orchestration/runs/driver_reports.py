"""Writes into the storage what a driver does, so that `watch` shows it on any machine: one small object, every few seconds."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType

from clusters.storage.contract import StorageError
from clusters.temporary.owners import is_dead, owner_here
from eval.report import MetricReport
from orchestration.cells.cell import Plan, PlannedCell
from orchestration.engine.observer import CellState, RunObserver, RunStatus
from orchestration.engine.resources import Resources
from orchestration.runs.eta import RunProgress
from orchestration.store.contract import AttemptRecord, TrainingRecord
from orchestration.store.driver_report import DriverReport, Drivers, RunningCell, UseOfWorker
from orchestration.store.files import DEFAULT_LEASE_EXPIRY_S
from trainers.job import EpochRow, WorkerUse


@dataclass(slots=True)
class _Running:
    since: float
    stage: str = ""
    done: int = 0
    total: int = 0
    row: EpochRow | None = None
    workers: dict[int, WorkerUse] = field(default_factory=dict)

    def report(self, train_key: str, now: float) -> RunningCell:
        row = self.row
        return RunningCell(
            train_key=train_key,
            stage=self.stage,
            done=self.done,
            total=self.total,
            running_s=now - self.since,
            epoch=row.epoch + 1 if row else 0,
            loss=row.loss if row else None,
            accuracy=row.accuracy if row else None,
            images_per_s=row.images_per_s if row else None,
            workers=tuple(
                UseOfWorker(node=use.node, rank=rank, cpu_busy=use.cpu_busy, gpu_busy=use.gpu_busy)
                for rank, use in sorted(self.workers.items())
            ),
        )


class DriverReports(RunObserver):
    """Reports a run from the first event to the end of `with`, in a thread of its own: the run never waits for it.

    A storage that refuses a report is no matter of the run: the next report tries again.

    Args:
        sweep: Label of the sweep that is run.
        every_s: Seconds between reports.
    """

    def __init__(
        self, store: Drivers, sweep: str, *, every_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._sweep = sweep
        self._every_s = every_s
        self._clock = clock
        self._owner = owner_here()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, name="driver-reports", daemon=True)
        self._began = clock()
        self._first_cell: float | None = None
        self._stage, self._resources, self._log_file = "", "", ""
        self._estimates: Mapping[str, Mapping[str, float]] = {}
        self._progress = RunProgress(())
        self._running: dict[str, _Running] = {}
        self._changes = self._completed = self._beat = 0

    def __enter__(self) -> DriverReports:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        # With a limit: a storage that is away is waited for in that thread, and the run is over.
        self._thread.join(timeout=5.0)

    def report(self) -> DriverReport:
        """Return what the driver does now."""
        with self._lock:
            now = self._clock()
            self._beat += 1
            busy_s = now - (self._first_cell if self._first_cell is not None else now)
            return DriverReport(
                owner=self._owner,
                sweep=self._sweep,
                beat=self._beat,
                stage=self._stage,
                changes=self._changes,
                elapsed_s=now - self._began,
                cells_per_hour=3600 * self._completed / busy_s if self._completed and busy_s > 0 else None,
                share=self._progress.share_done() if self._progress.total else None,
                eta_s=self._progress.eta_s(now) if self._progress.total else None,
                resources=self._resources,
                log_file=self._log_file,
                cells=tuple(each.report(key, now) for key, each in self._running.items()),
            )

    def stage(self, text: str, *, is_brief: bool = False) -> None:
        with self._lock:
            self._stage = text

    def work_estimated(self, seconds: Mapping[str, Mapping[str, float]]) -> None:
        self._estimates = seconds

    def resources_known(self, resources: Resources) -> None:
        self._resources = str(resources)

    def log_opened(self, path: str) -> None:
        self._log_file = path

    def run_started(self, plan: Plan) -> None:
        with self._lock:
            self._stage = ""
            self._progress = RunProgress(plan.to_run, self._estimates)

    def cell_state(self, cell: PlannedCell, state: CellState, detail: str = "") -> None:
        with self._lock:
            now = self._clock()
            self._progress.state(cell.train_key, state, now)
            self._changes += 1
            was_running = self._running.pop(cell.train_key, None) is not None
            if state == "running":
                self._running[cell.train_key] = _Running(since=now)
                self._first_cell = now if self._first_cell is None else self._first_cell
            elif state == "done" and was_running:
                self._completed += 1

    def cell_progress(self, cell: PlannedCell, stage: str, done: int, total: int) -> None:
        with self._lock:
            self._progress.progress(cell.train_key, stage, done, total, self._clock())
            running = self._running.get(cell.train_key)
            if running is not None:
                running.stage, running.done, running.total = stage, done, total

    def epoch_ended(self, cell: PlannedCell, row: EpochRow) -> None:
        with self._lock:
            if cell.train_key in self._running:
                self._running[cell.train_key].row = row

    def worker_use(self, cell: PlannedCell, use: WorkerUse) -> None:
        with self._lock:
            if cell.train_key in self._running:
                self._running[cell.train_key].workers[use.rank] = use

    def training_recorded(self, cell: PlannedCell, record: TrainingRecord) -> None:
        self._changed()

    def report_recorded(self, cell: PlannedCell, checkpoint_sha256: str, report: MetricReport) -> None:
        self._changed()

    def attempt_failed(self, cell: PlannedCell, attempt: AttemptRecord, decision: str) -> None:
        self._changed()

    def run_ended(self, plan: Plan, status: RunStatus) -> None:
        with self._lock:
            self._running.clear()

    def _changed(self) -> None:
        with self._lock:
            self._changes += 1

    def _write(self) -> None:
        """Write reports until the run is over, then withdraw them; also those of drivers of this sweep that died."""
        seen: dict[str, int] = {}
        with contextlib.suppress(StorageError):
            seen = self._forget_dead({})
        looks_at = self._clock() + DEFAULT_LEASE_EXPIRY_S
        while True:
            with contextlib.suppress(StorageError):
                self._store.report_driver(self.report())
            if self._over.wait(self._every_s):
                break
            if seen and self._clock() >= looks_at:
                with contextlib.suppress(StorageError):
                    seen = self._forget_dead(seen)
        with contextlib.suppress(StorageError):
            self._store.forget_driver(self._owner)

    def _forget_dead(self, seen: Mapping[str, int]) -> dict[str, int]:
        """Withdraw reports of drivers of this sweep that are dead, or have been silent since an earlier look.

        Returns:
            Owner -> beat of those that may live.
        """
        found = {}
        for report in self._store.drivers():
            if report.sweep != self._sweep or report.owner == self._owner:
                continue
            if is_dead(report.owner) or seen.get(report.owner) == report.beat:
                self._store.forget_driver(report.owner)
            elif report.owner not in seen:
                found[report.owner] = report.beat
        return found
