"""Tracking of a run: opened when the run really has something to do, and never in its way; and replaying it from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.tables.column import Column
from eval.tables.formats.registry import render, render_all
from eval.tables.grid import Table
from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.cell import Plan
from orchestration.cells.load import SWEEPS, load_sweep
from orchestration.engine.observer import ForwardingObserver, RunStatus
from orchestration.errors import EnvironmentRefused, InputError, Mistake
from orchestration.planning.plan import make_plan
from orchestration.results.report.page import table_page
from orchestration.results.table import recorded_tables
from orchestration.settings import Settings
from orchestration.store.files import FileStore
from orchestration.sweeps.model import Overrides, Size
from orchestration.tracking.addresses import NO_TRACKING, check_tracking
from orchestration.tracking.contract import TrackingError
from orchestration.tracking.marks import ShownMark
from orchestration.tracking.sync import sync
from orchestration.tracking.tracker import Tracker, open_tracker


class LazyTracker(ForwardingObserver):
    """Opens the tracker at the start of a run that has something to do.

    A run that has nothing to do shows what is recorded once, if that sweep was not shown on this server before, and never imports
    MLflow again.
    """

    def __init__(self, settings: Settings, store: FileStore, *, columns: Sequence[Column] = ()) -> None:
        self._settings = settings
        self._store = store
        self._columns = tuple(columns)
        self._tracker: Tracker | None = None
        self._plan: Plan | None = None
        self._status = ""

    def run_started(self, plan: Plan) -> None:
        self._plan = plan
        if plan.to_run:
            self._shown().clear()
            self._tracker = open_tracker(self._settings.tracking, self._store, columns=self._columns)
            self._tracker.run_started(plan)

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
        uri, plan = self._settings.tracking, self._plan
        if plan is None or not any(cell.trained for cell in plan.cells) or self._shown().is_noted():
            return None
        if uri == NO_TRACKING:
            return None
        try:
            check_tracking(uri)
            sync(self._store, plan, uri, columns=self._columns, grid=grid)
        except (TrackingError, EnvironmentRefused) as error:
            return f"the recorded cells are not shown on the tracking server: {error}"
        self._shown().note()
        return None

    def _shown(self) -> ShownMark:
        assert self._plan is not None
        return ShownMark.of(self._settings, self._plan)

    def close(self) -> None:
        """Close the tracker without a grid: the run ended early."""
        if self._tracker is not None:
            self._tracker.close()

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
    page = table_page(", ".join(table.title for table in tables), [render(table, "html") for table in tables])
    return {name: render_all(tables, form) for name, form in forms.items()} | {"grid.html": page}


def sync_sweeps(
    names: tuple[str, ...], *, size: Size, settings: Settings, store: FileStore, overrides: Overrides | None = None
) -> dict[str, int]:
    """Rebuild the tracking of sweeps from the store; return how many recorded cells each has.

    Args:
        names: Sweeps; all built-in ones that have the size and anything recorded where none is named.
        overrides: What options change of the named sweeps.

    Raises:
        InputError: If a named sweep is unknown or mistaken.
        EnvironmentRefused: If the tracking server does not answer or cannot be written.
    """
    if settings.tracking == NO_TRACKING:
        text = f"`sync` needs a tracking server, but the address is '{NO_TRACKING}'; give one with --tracking-uri"
        raise InputError("options", [Mistake(where="--tracking-uri", text=text)])
    check_tracking(settings.tracking)
    catalogue = builtin_catalogue(settings.data_root)
    synced: dict[str, int] = {}
    for name in names or tuple(SWEEPS):
        try:
            resolved = load_sweep(name, size=size, overrides=overrides, catalogue=catalogue)
        except InputError:
            if names:
                raise
            continue
        plan = make_plan(resolved, store=store, mode="read-only")
        if names or any(cell.trained for cell in plan.cells):
            grid = rendered_grid(recorded_tables(resolved, store))
            done = sync(store, plan, settings.tracking, columns=resolved.sweep.columns, grid=grid)
            synced[plan.sweep] = done.written + done.unchanged
            ShownMark.of(settings, plan).note()
    return synced
