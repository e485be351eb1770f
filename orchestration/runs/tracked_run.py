"""Tracking of a run: opened when the run really has something to do, and never in its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.tables.column import Column
from eval.tables.formats.registry import render_all
from eval.tables.grid import Table
from orchestration.cells.cell import Plan, PlannedCell
from orchestration.engine.observer import ForwardingObserver, RunStatus
from orchestration.engine.resources import Resources
from orchestration.errors import EnvironmentRefused
from orchestration.results.report.page import table_page
from orchestration.settings import Settings
from orchestration.store.files import FileStore
from orchestration.tracking.addresses import NO_TRACKING
from orchestration.tracking.boards.registry import board_places
from orchestration.tracking.contract import TrackingError
from orchestration.tracking.driver.tracker import Tracker, open_tracker, show_on_boards
from orchestration.tracking.marks import ShownMark
from orchestration.tracking.server.check import check_tracking
from orchestration.tracking.sync import sync
from trainers.job import WorkerUse


class LazyTracker(ForwardingObserver):
    """Opens the tracker at the start of a run that has something to do.

    A run that has nothing to do shows what is recorded once, if that sweep was not shown on this server before, and never imports
    MLflow again.
    """

    def __init__(
        self, settings: Settings, store: FileStore, *, columns: Sequence[Column] = (), log_weights: bool = False
    ) -> None:
        self._settings = settings
        self._store = store
        self._columns = tuple(columns)
        self._log_weights = log_weights
        self._tracker: Tracker | None = None
        self._plan: Plan | None = None
        self._status = ""

    def run_started(self, plan: Plan) -> None:
        self._plan = plan
        if plan.to_run:
            self._shown().clear()
            self._tracker = open_tracker(
                self._settings.tracking,
                self._store,
                columns=self._columns,
                prefix=self._settings.experiment_prefix,
                with_weights=self._log_weights,
                boards=board_places(self._settings),
            )
            self._tracker.run_started(plan)

    def stage(self, text: str, *, is_brief: bool = False) -> None:
        """What a run does before its cells is not tracked."""

    def work_estimated(self, seconds: Mapping[str, Mapping[str, float]]) -> None:
        """Estimates are not tracked."""

    def resources_known(self, resources: Resources) -> None:
        """What workers reserve is not tracked."""

    def log_opened(self, path: str) -> None:
        """Where Ray's log is, is not tracked."""

    def worker_use(self, cell: PlannedCell, use: WorkerUse) -> None:
        """How busy workers are at this moment is not tracked: what counts is in the rows of the epochs."""

    def publish(self, tables: Sequence[Table]) -> str | None:
        """Show the grid on the sweep's run and wait for what is left to be written.

        Returns:
            A sentence for people where something could not be written, else None.
        """
        grid = rendered_grid(tables)
        if self._tracker is None:
            return self._show_recorded(grid)
        self._tracker.publish_grid(
            markdown=grid["grid.md"], html=grid["grid.html"], csv=grid["grid.csv"], latex=grid["grid.tex"]
        )
        trouble = self._tracker.close()
        if trouble is None and self._status == "complete":
            self._shown().note()
        return trouble

    def _show_recorded(self, grid: Mapping[str, str]) -> str | None:
        """Show a sweep that was recorded already, unless this server was shown the same before."""
        uri, plan, prefix = self._settings.tracking, self._plan, self._settings.experiment_prefix
        if plan is None or not any(cell.trained for cell in plan.cells) or self._shown().is_noted():
            return None
        if uri != NO_TRACKING:
            try:
                check_tracking(uri, prefix=prefix)
                sync(
                    self._store,
                    plan,
                    uri,
                    columns=self._columns,
                    grid=grid,
                    prefix=prefix,
                    with_weights=self._log_weights,
                )
            except (TrackingError, EnvironmentRefused) as error:
                return f"the recorded cells are not shown on the tracking server: {error}"
        trouble = show_on_boards(self._settings, self._store, plan, columns=self._columns, grid=grid)
        if trouble is None:
            self._shown().note()
        return trouble

    def _shown(self) -> ShownMark:
        assert self._plan is not None
        return ShownMark.of(self._settings, self._plan)

    def close(self) -> str | None:
        """Close the tracker without a grid, since the run ended early; return what could not be written, for people."""
        return self._tracker.close() if self._tracker is not None else None

    def forward(self, event: str, *arguments: Any, **named: Any) -> None:
        """Pass an event on to the tracker where there is one."""
        if self._tracker is not None:
            getattr(self._tracker, event)(*arguments, **named)

    def run_ended(self, plan: Plan, status: RunStatus) -> None:
        self._status = status
        self.forward("run_ended", plan, status)


def rendered_grid(tables: Sequence[Table]) -> dict[str, str]:
    """Return the tables in the four formats that the sweep's run carries, by file name."""
    forms = {"grid.md": "markdown", "grid.csv": "csv", "grid.tex": "latex"}
    return {name: render_all(tables, form) for name, form in forms.items()} | {"grid.html": table_page(tables)}
