"""What a run tells while it goes on; the progress display and the tracker listen.

Observers never hold a run up: their methods return at once and must not raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from eval.report import MetricReport
    from orchestration.cells.cell import Plan, PlannedCell
    from orchestration.store.contract import AttemptRecord, TrainingRecord
    from trainers.job import EpochRow

CellState = Literal["waiting", "leased-elsewhere", "running", "done", "failed", "skipped"]


class RunObserver:
    """Listens to a run and does nothing; subclasses override what they need."""

    def run_started(self, plan: Plan) -> None:
        """The plan is made and work begins."""

    def cell_state(self, cell: PlannedCell, state: CellState, detail: str = "") -> None:
        """A cell changed its state."""

    def cell_progress(self, cell: PlannedCell, stage: str, done: int, total: int) -> None:
        """A running cell moved: steps of training, or images of a benchmark."""

    def epoch_ended(self, cell: PlannedCell, row: EpochRow) -> None:
        """A running cell finished an epoch."""

    def training_recorded(self, cell: PlannedCell, record: TrainingRecord) -> None:
        """A training was recorded in the store (or found there)."""

    def report_recorded(self, cell: PlannedCell, checkpoint_sha256: str, report: MetricReport) -> None:
        """A report was recorded in the store (or refused, with its reason)."""

    def attempt_failed(self, cell: PlannedCell, attempt: AttemptRecord, decision: str) -> None:
        """An attempt at a cell failed; the decision says what follows."""

    def message(self, text: str) -> None:
        """Something a person should know."""

    def run_ended(self, plan: Plan, status: Literal["complete", "failed", "stopped", "interrupted"]) -> None:
        """The run is over."""


class Observers(RunObserver):
    """Passes everything on to several observers, in order."""

    def __init__(self, observers: Sequence[RunObserver]) -> None:
        self._observers = tuple(observers)

    def run_started(self, plan: Plan) -> None:
        for observer in self._observers:
            observer.run_started(plan)

    def cell_state(self, cell: PlannedCell, state: CellState, detail: str = "") -> None:
        for observer in self._observers:
            observer.cell_state(cell, state, detail)

    def cell_progress(self, cell: PlannedCell, stage: str, done: int, total: int) -> None:
        for observer in self._observers:
            observer.cell_progress(cell, stage, done, total)

    def epoch_ended(self, cell: PlannedCell, row: EpochRow) -> None:
        for observer in self._observers:
            observer.epoch_ended(cell, row)

    def training_recorded(self, cell: PlannedCell, record: TrainingRecord) -> None:
        for observer in self._observers:
            observer.training_recorded(cell, record)

    def report_recorded(self, cell: PlannedCell, checkpoint_sha256: str, report: MetricReport) -> None:
        for observer in self._observers:
            observer.report_recorded(cell, checkpoint_sha256, report)

    def attempt_failed(self, cell: PlannedCell, attempt: AttemptRecord, decision: str) -> None:
        for observer in self._observers:
            observer.attempt_failed(cell, attempt, decision)

    def message(self, text: str) -> None:
        for observer in self._observers:
            observer.message(text)

    def run_ended(self, plan: Plan, status: Literal["complete", "failed", "stopped", "interrupted"]) -> None:
        for observer in self._observers:
            observer.run_ended(plan, status)
