"""Pass what happens on to the observer from one thread only: the one that waits for events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from orchestration.engine.observer import RunObserver

if TYPE_CHECKING:
    from eval.report import MetricReport
    from orchestration.cells.cell import Plan, PlannedCell
    from orchestration.engine.observer import CellState
    from orchestration.store.contract import AttemptRecord, TrainingRecord
    from trainers.job import EpochRow


class Relay(RunObserver):
    """Remembers calls from any thread, in order, and makes them when `flush` is called.

    Ray Tune asks for cells in a thread of its own, whose output goes to the log; what an observer prints must not.
    """

    def __init__(self, observer: RunObserver) -> None:
        self._observer = observer
        self._calls: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()

    def flush(self) -> None:
        """Make the calls that were remembered."""
        while self._calls:
            call, arguments = self._calls.popleft()
            call(*arguments)

    def run_started(self, plan: Plan) -> None:
        self._calls.append((self._observer.run_started, (plan,)))

    def cell_state(self, cell: PlannedCell, state: CellState, detail: str = "") -> None:
        self._calls.append((self._observer.cell_state, (cell, state, detail)))

    def cell_progress(self, cell: PlannedCell, stage: str, done: int, total: int) -> None:
        self._calls.append((self._observer.cell_progress, (cell, stage, done, total)))

    def epoch_ended(self, cell: PlannedCell, row: EpochRow) -> None:
        self._calls.append((self._observer.epoch_ended, (cell, row)))

    def training_recorded(self, cell: PlannedCell, record: TrainingRecord) -> None:
        self._calls.append((self._observer.training_recorded, (cell, record)))

    def report_recorded(self, cell: PlannedCell, checkpoint_sha256: str, report: MetricReport) -> None:
        self._calls.append((self._observer.report_recorded, (cell, checkpoint_sha256, report)))

    def attempt_failed(self, cell: PlannedCell, attempt: AttemptRecord, decision: str) -> None:
        self._calls.append((self._observer.attempt_failed, (cell, attempt, decision)))

    def message(self, text: str) -> None:
        self._calls.append((self._observer.message, (text,)))

    def run_ended(self, plan: Plan, status: Literal["complete", "failed", "stopped", "interrupted"]) -> None:
        self._calls.append((self._observer.run_ended, (plan, status)))
