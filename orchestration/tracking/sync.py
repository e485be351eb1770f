"""Rebuilds what a tracking server shows of a sweep from the store: after an outage, a deletion, a move to another server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from eval.tables.column import Column
from orchestration.cells.cell import Plan
from orchestration.planning.column_values import unfilled
from orchestration.planning.lookup import recorded
from orchestration.store.files import FileStore
from orchestration.tracking.addresses import artifacts_of
from orchestration.tracking.content.state import run_state
from orchestration.tracking.content.tracked_values import TrackedSweep, tracked_sweep
from orchestration.tracking.contract import TrackingClient
from orchestration.tracking.mlflow_client import MlflowTracking
from orchestration.tracking.projection import Projection
from orchestration.tracking.runs.rows import members_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What a replay did.

    Attributes:
        absent: Cells of which nothing is recorded; they have no run.
    """

    written: int
    unchanged: int
    absent: int
    experiment_id: str
    sweep_run_id: str


def sync(
    store: FileStore,
    plan: Plan,
    uri: str,
    *,
    columns: Sequence[Column] = (),
    grid: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    client: TrackingClient | None = None,
    prefix: str = "",
    with_weights: bool = False,
) -> Synced:
    """Make a tracking server show what the store has of a sweep. Doing it twice changes nothing.

    Args:
        grid: The rendered grid: "grid.md", "grid.html", "grid.csv", "grid.tex" -> text.
        prefix: What the name of the experiment begins with.
        with_weights: Whether logged models contain their checkpoints.

    Raises:
        TrackingError: If the server does not answer or refuses.
        CorruptRecordError: If a record in the store is not whole.
    """
    sweep = tracked_sweep(plan, columns)
    if client is None:
        client = MlflowTracking(uri, prefix=prefix)
    projection = Projection(client, store, uri, sweep, artifacts_of(uri, store.uri), with_weights=with_weights)
    projection.load()
    counts = _project_all(store, sweep, projection, progress)
    projection.describe(grid or {})
    projection.end_sweep("complete" if counts["absent"] == 0 and _is_complete(plan, store) else "partial")
    return Synced(**counts, experiment_id=projection.experiment_id, sweep_run_id=projection.sweep_run.run_id)


def _is_complete(plan: Plan, store: FileStore) -> bool:
    """Whether nothing is left to do, and every column that is wanted has its values."""
    return all(cell.is_done for cell in plan.cells) and not unfilled(plan.cells, recorded(plan.cells, store))


def _project_all(
    store: FileStore, sweep: TrackedSweep, projection: Projection, progress: Callable[[int, int], None] | None
) -> dict[str, int]:
    keys = [cell.key for cell in sweep.cells]
    # Asked for all cells at once: on an object store each cell would cost requests of its own.
    results, failures, held = store.results(keys), store.failures(keys), store.holders(keys)
    counts = {"written": 0, "unchanged": 0, "absent": 0}
    for number, cell in enumerate(sweep.cells, 1):
        state = run_state(cell, results.get(cell.key), failures.get(cell.key, ()), live=cell.key in held)
        if state is None:
            counts["absent"] += 1
            # Somebody works on a cell that is held; of another one the driver has died.
            if cell.key not in held:
                projection.close(cell)
        else:
            counts["written" if projection.project(cell, state) else "unchanged"] += 1
        if progress:
            progress(number, len(keys))
    projection.project_rows(results, rows=members_of(sweep), live=bool(held))
    return counts
