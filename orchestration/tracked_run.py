"""Tracking of a run: opened when the run really has something to do, and never in its way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from orchestration.observer import CellState, RunObserver

if TYPE_CHECKING:
    from eval.report import MetricReport
    from orchestration.cells import Plan, PlannedCell
    from orchestration.settings import Settings
    from orchestration.store.base import AttemptRecord, ResultsStore, TrainingRecord
    from orchestration.sweep import Size
    from trainers.job import EpochRow


class LazyTracker(RunObserver):
    """Opens the tracker at the start of a run that has something to do; a run that has not never imports MLflow.

    A tracker that cannot be opened is told once on the display; the run goes on, and `dreamgrid sync` catches up.
    """

    def __init__(self, settings: Settings, store: ResultsStore, *, columns: tuple[str, ...] = ()) -> None:
        self._settings = settings
        self._store = store
        self._columns = columns
        self._tracker: RunObserver = RunObserver()

    def run_started(self, plan: Plan) -> None:
        if plan.to_run:
            from orchestration.tracking import open_tracker

            self._tracker = open_tracker(self._settings.tracking, store=self._store, columns=self._columns)
        self._tracker.run_started(plan)

    def cell_state(self, cell: PlannedCell, state: CellState, detail: str = "") -> None:
        self._tracker.cell_state(cell, state, detail)

    def cell_progress(self, cell: PlannedCell, stage: str, done: int, total: int) -> None:
        self._tracker.cell_progress(cell, stage, done, total)

    def epoch_ended(self, cell: PlannedCell, row: EpochRow) -> None:
        self._tracker.epoch_ended(cell, row)

    def training_recorded(self, cell: PlannedCell, record: TrainingRecord) -> None:
        self._tracker.training_recorded(cell, record)

    def report_recorded(self, cell: PlannedCell, checkpoint_sha256: str, report: MetricReport) -> None:
        self._tracker.report_recorded(cell, checkpoint_sha256, report)

    def attempt_failed(self, cell: PlannedCell, attempt: AttemptRecord, decision: str) -> None:
        self._tracker.attempt_failed(cell, attempt, decision)

    def message(self, text: str) -> None:
        self._tracker.message(text)

    def run_ended(self, plan: Plan, status: Literal["complete", "failed", "stopped", "interrupted"]) -> None:
        self._tracker.run_ended(plan, status)


def sync_sweeps(names: tuple[str, ...], *, size: Size, settings: Settings, store: ResultsStore) -> dict[str, int]:
    """Rebuild the tracking of sweeps from the store; return how many recorded cells each has.

    Args:
        names: Sweeps; all built-in ones that have the size and anything recorded where none is named.
        size: "full", "smoke" or "small".
        settings: Where things lie.
        store: The truth.

    Raises:
        InputError: If a named sweep is unknown or mistaken.
    """
    from orchestration.catalogue import builtin_catalogue
    from orchestration.errors import InputError
    from orchestration.plan import make_plan
    from orchestration.sweep_files import SWEEPS, load_sweep
    from orchestration.tracking import sync

    catalogue = builtin_catalogue()
    synced: dict[str, int] = {}
    for name in names or tuple(SWEEPS):
        try:
            sweep = load_sweep(name, size=size, catalogue=catalogue)
            plan = make_plan(sweep, store=store, catalogue=catalogue, mode="read-only")
        except InputError:
            if names:
                raise
            continue
        recorded = sum(cell.trained for cell in plan.cells)
        if names or recorded:
            sync(plan, settings.tracking, store=store, columns=sweep.columns)
            synced[plan.sweep] = recorded
    return synced
