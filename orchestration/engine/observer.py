"""What a run reports while it goes on; the progress display and the tracker listen.

Observers never hold a run up: their methods return at once and must not raise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from eval.report import MetricReport
from orchestration.cells.cell import Plan, PlannedCell
from orchestration.engine.resources import Resources
from orchestration.store.contract import AttemptRecord, TrainingRecord
from trainers.job import EpochRow, WorkerUse

CellState = Literal["waiting", "leased-elsewhere", "running", "done", "failed", "skipped"]
RunStatus = Literal["complete", "failed", "stopped", "interrupted"]


class RunObserver:
    """Listens to a run and does nothing; subclasses override what they need."""

    def stage(self, text: str, *, is_brief: bool = False) -> None:
        """What is done before the first cell runs: "starting Ray"; "" once that is over, or the run is.

        Args:
            is_brief: Whether it is over in a moment, so that only a line that moves needs to show it.
        """

    def work_estimated(self, seconds: Mapping[str, Mapping[str, float]]) -> None:
        """Train key -> stage -> estimated seconds is known, of which only ratios count; comes before `run_started`."""

    def run_started(self, plan: Plan) -> None:
        """The plan is made and work begins."""

    def resources_known(self, resources: Resources) -> None:
        """What each worker reserves is known; comes first of all, in runs that have something to do."""

    def cell_state(self, cell: PlannedCell, state: CellState, detail: str = "") -> None:
        """A cell changed its state."""

    def cell_progress(self, cell: PlannedCell, stage: str, done: int, total: int) -> None:
        """A running cell moved: steps of training, or images of a benchmark."""

    def epoch_ended(self, cell: PlannedCell, row: EpochRow) -> None:
        """A running cell finished an epoch."""

    def worker_use(self, cell: PlannedCell, use: WorkerUse) -> None:
        """A worker of a running cell says how busy it is."""

    def training_recorded(self, cell: PlannedCell, record: TrainingRecord) -> None:
        """A training was recorded in the store (or found there)."""

    def report_recorded(self, cell: PlannedCell, checkpoint_sha256: str, report: MetricReport) -> None:
        """A report was recorded in the store (or refused, with its reason)."""

    def attempt_failed(self, cell: PlannedCell, attempt: AttemptRecord, decision: str) -> None:
        """An attempt at a cell failed; the decision says what follows."""

    def log_opened(self, path: str) -> None:
        """Ray's log of this run is a file on the driver's machine."""

    def message(self, text: str) -> None:
        """Something a person should know."""

    def run_ended(self, plan: Plan, status: RunStatus) -> None:
        """The run is over."""


class ForwardingObserver(RunObserver, ABC):
    """Hands every event to `forward`; a subclass may override single events."""

    @abstractmethod
    def forward(self, event: str, *arguments: Any, **named: Any) -> None:
        """Do with an event what the subclass does with all.

        Args:
            event: Name of the method of `RunObserver`.
        """


def _forwarded(event: str) -> Callable[..., None]:
    def method(self: ForwardingObserver, *arguments: Any, **named: Any) -> None:
        self.forward(event, *arguments, **named)

    return method


for _event in (name for name in vars(RunObserver) if not name.startswith("_")):
    setattr(ForwardingObserver, _event, _forwarded(_event))


class Observers(ForwardingObserver):
    """Passes everything on to several observers, in order."""

    def __init__(self, observers: Sequence[RunObserver]) -> None:
        self._observers = tuple(observers)

    def forward(self, event: str, *arguments: Any, **named: Any) -> None:
        """Call every observer."""
        for observer in self._observers:
            getattr(observer, event)(*arguments, **named)


class QueuedObserver(ForwardingObserver):
    """Keeps events from any thread, in order, and passes them on when `flush` is called.

    Ray Tune asks for cells in its own thread, whose output goes to the log; what an observer prints must not.
    """

    def __init__(self, observer: RunObserver) -> None:
        self._observer = observer
        self._events: deque[Callable[[], None]] = deque()

    def forward(self, event: str, *arguments: Any, **named: Any) -> None:
        """Keep an event."""
        self._events.append(partial(getattr(self._observer, event), *arguments, **named))

    def flush(self) -> None:
        """Pass on the events that were kept."""
        while self._events:
            self._events.popleft()()
