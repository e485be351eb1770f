"""Makes the tracking server show what is in the results store: finds or creates the run of each cell, writes what differs.

One run per cell and experiment, found by its key tag; creation happens under a lease in the store, so that several
drivers never make two. Everything here can be repeated.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from orchestration.store.contract import CellResult, Leases
from orchestration.tracking.content.params import EVALUATED_IN
from orchestration.tracking.content.state import FINE_TABLE, PASSING_TAGS, RunState, linked, points_now
from orchestration.tracking.content.tracked_values import TrackedCell, TrackedSweep
from orchestration.tracking.content.views import (
    GRID_FOLDER,
    NOTE_TAG,
    WANTED_TAG,
    experiment_note,
    sweep_note,
    view_tags,
)
from orchestration.tracking.contract import Point, TrackedRun, TrackingClient
from orchestration.tracking.models.linking import MODEL_TAG, Models
from orchestration.tracking.runs.doubles import PRIMARY_TAG, brought_back, keep_one, supersede
from orchestration.tracking.runs.lock import CreationLock
from orchestration.tracking.runs.notes import cell_note, note_tags
from orchestration.tracking.runs.rows import RowRuns
from orchestration.tracking.secrets import scrubbed

PROJECTED_TAG: Final = "projected"
_NAME_TAG: Final = "mlflow.runName"
"""The tag by which MLflow names a run; writing it renames the run."""
_ARTIFACTS_TAG: Final = "mlflow.loggedArtifacts"


class Projection:
    """A sweep's experiment on a tracking server.

    Args:
        store: Whose leases guard the creation of runs.
        uri: Address of the server; names the lease.
        artifacts: Where the artifacts of a new experiment are stored, or None for the server's own place.
        with_weights: Whether logged models contain their checkpoints.
    """

    def __init__(
        self,
        client: TrackingClient,
        store: Leases,
        uri: str,
        sweep: TrackedSweep,
        artifacts: str | None,
        *,
        with_weights: bool = False,
    ) -> None:
        self._client = client
        self._alone = CreationLock(store, uri).held
        self._sweep = sweep
        place = f"{artifacts}/{quote(sweep.name, safe='')}" if artifacts else None
        self.experiment_id = client.experiment(sweep.name, place, {})
        self._runs: dict[str, TrackedRun] = {}
        self._settled: set[str] = set()
        self._deleted: frozenset[str] | None = None
        self._models = Models(client, self._alone, self.experiment_id, with_weights=with_weights)
        self.sweep_run = self._ensure_sweep_run()
        self._rows = RowRuns(client, self._alone, self.experiment_id, sweep)

    def load(self) -> None:
        """Read all runs of the experiment at once: right before a whole sweep is projected, wasteful for a few cells."""
        self._runs = {}
        self._settled = set()
        found: dict[str, list[TrackedRun]] = {}
        for run in self.mark_wanted():
            found.setdefault(run.tags.get("cell_key", ""), []).append(run)
        self._runs |= {key: keep_one(self._client, runs) for key, runs in found.items() if key}
        # Known at once, so that `_ensure` looks for a deleted run only where there is one.
        everything = self._client.find([self.experiment_id], {"sweep": self._sweep.name}, deleted=True)
        self._deleted = frozenset(run.tags.get("cell_key", "") for run in everything)

    def mark_wanted(self) -> Sequence[TrackedRun]:
        """Tag each run of the experiment by whether the sweep wants its cell now; return the runs of cells.

        A run of another `--set`, of a file as it was, or of a seed that is wanted no longer stays, but no view averages it.
        """
        wanted = {cell.key for cell in self._sweep.cells}
        runs = []
        for kind in ("cell", "supporting"):
            for run in self._client.find([self.experiment_id], {"kind": kind}):
                tag = {WANTED_TAG: "true" if run.tags.get("cell_key") in wanted else "false"}
                if run.tags.get(WANTED_TAG) != tag[WANTED_TAG]:
                    self._client.log(run.run_id, (), {}, tag)
                runs.append(replace(run, tags={**run.tags, **tag}))
        return runs

    def describe(self, grid: Mapping[str, str]) -> None:
        """Write views, descriptions and the grid's files (name -> text; `grid.md` also becomes the description)."""
        run_id = self.sweep_run.run_id
        note = experiment_note(self._sweep, self.experiment_id, run_id)
        self._client.tag_experiment(self.experiment_id, view_tags(self._sweep) | {NOTE_TAG: note})
        for name, text in grid.items():
            self._client.write_text(run_id, f"{GRID_FOLDER}/{name}", scrubbed(text))
        text = sweep_note(self._sweep, self.experiment_id, run_id, scrubbed(grid.get("grid.md", "")))
        if grid or NOTE_TAG not in self.sweep_run.tags:
            self._client.log(run_id, (), {}, {NOTE_TAG: text})
            self.sweep_run = replace(self.sweep_run, tags=dict(self.sweep_run.tags) | {NOTE_TAG: text})

    def end_sweep(self, status: str) -> None:
        """Set how the sweep's own run ended."""
        kinds: dict[str, Any] = {"complete": "FINISHED", "failed": "FAILED", "running": "RUNNING"}
        self._client.log(self.sweep_run.run_id, (), {}, {"result": status})
        self._client.end(self.sweep_run.run_id, kinds.get(status, "KILLED"), None)

    def project_rows(self, results: Mapping[str, CellResult], *, rows: Iterable[str], live: bool) -> int:
        """Write what differs between the runs of some rows and what is recorded of their cells; return how many were written."""
        return self._rows.project(results, rows=rows, sweep_run=self.sweep_run.run_id, live=live)

    def run_of(self, cell: TrackedCell, start_ms: int) -> TrackedRun:
        """Return the run of a cell: known, found, brought back from the deleted ones, or created."""
        known = self._runs.get(cell.key)
        # Not primary as far as known: asked once more, since the primary run of another experiment may be gone.
        is_doubtful = known is None or (known.tags.get(PRIMARY_TAG) != "true" and cell.key not in self._settled)
        if known is None or is_doubtful or _is_evaluated_otherwise(known, cell):
            with self._alone():
                self._runs[cell.key] = known = self._ensure(cell, start_ms)
            self._settled.add(cell.key)
        return known

    def open(self, cell: TrackedCell, start_ms: int) -> None:
        """Show that somebody works on a cell."""
        run = self.run_of(cell, start_ms)
        # MLflow refuses another value for a parameter that is written; missing ones may be added.
        params = _missing_params(run, cell)
        tags = {} if NOTE_TAG in run.tags else self._note_of(cell, run, {})
        if params or tags:
            self._client.log(run.run_id, (), params, tags)
        if run.status != "RUNNING":
            self._client.end(run.run_id, "RUNNING", None)
        self._runs[cell.key] = replace(
            run, status="RUNNING", params={**run.params, **params}, tags={**run.tags, **tags}
        )

    def close(self, cell: TrackedCell) -> None:
        """Show that nobody works on a cell any more though nothing was recorded of it."""
        run = self._runs.get(cell.key)
        if run is not None and run.status == "RUNNING":
            self._client.end(run.run_id, "KILLED", round(time.time() * 1000))
            self._runs[cell.key] = replace(run, status="KILLED")

    def log_points(self, cell: TrackedCell, points: Sequence[Point], tags: Mapping[str, str]) -> None:
        """Write points and tags of a cell whose run exists or is created now."""
        start_ms = points[0].time_ms if points else round(time.time() * 1000)
        run = self.run_of(cell, start_ms)
        params = _missing_params(run, cell)
        self._client.log(run.run_id, points, params, tags)
        self._runs[cell.key] = replace(run, params={**run.params, **params})

    def project(self, cell: TrackedCell, state: RunState) -> bool:
        """Write what differs between a cell's run and how it must look; return whether anything did."""
        run = self.run_of(cell, state.start_ms)
        labels = {**cell.tags, _NAME_TAG: cell.name}
        digest = state.digest(labels)
        # The digest alone is not enough: metrics and parameters may be lost on the server.
        is_shown = run.tags.get(PROJECTED_TAG) == digest and self._models.is_shown(run, state)
        if is_shown and run.status == state.status and _holds(run, cell, state.points):
            return False
        tags = {**labels, **state.tags, WANTED_TAG: "true", PROJECTED_TAG: digest}
        tags |= dict.fromkeys((run.tags.keys() & PASSING_TAGS) - state.tags.keys(), "none")
        tags |= self._note_of(cell, run, state.tags)
        if FINE_TABLE in state.artifacts:
            tags[_ARTIFACTS_TAG] = json.dumps([{"path": FINE_TABLE, "type": "table"}])
        # Before the digest, which says that all of it is there.
        for path, text in state.artifacts.items():
            self._client.write_text(run.run_id, path, text)
        tags |= (of_model := self._models.tags_of(run, state))
        if state.data:
            self._client.log_data(run.run_id, state.data)
        points = linked(points_now(run, state.points, state.single), state.single, of_model.get(MODEL_TAG, ""))
        self._client.log(run.run_id, points, _missing_params(run, cell), tags)  # tags come last, so the digest does
        if run.status != state.status or state.end_ms is not None:
            self._client.end(run.run_id, state.status, state.end_ms)
        latest = {point.key: point.value for point in state.points}
        tags = {**run.tags, **tags}
        self._runs[cell.key] = replace(run, status=state.status, tags=tags, params=cell.params, metrics=latest)
        return True

    def _note_of(self, cell: TrackedCell, run: TrackedRun, tags: Mapping[str, str]) -> dict[str, str]:
        """Return the tags that describe the run of a cell; `tags` say what is recorded of it."""
        note = cell_note(self._sweep.name, cell, tags, self.experiment_id, self.sweep_run.run_id, run.run_id)
        return note_tags(run, note)

    def _ensure(self, cell: TrackedCell, start_ms: int) -> TrackedRun:
        here = {"cell_key": cell.key}
        found = [run for run in self._client.find([self.experiment_id], here) if not self._makes_room(run, cell)]
        run = keep_one(self._client, found) if found else None
        if run is None and (self._deleted is None or cell.key in self._deleted):
            run = brought_back(self._client, self.experiment_id, here)
        if run is not None and self._makes_room(run, cell):
            run = None
        marks = {PRIMARY_TAG: "true" if self._is_primary(run, cell.key) else "false", WANTED_TAG: "true"}
        if run is None:
            return self._created(cell, start_ms, marks)
        if not marks.items() <= run.tags.items():
            self._client.log(run.run_id, (), {}, marks)
        return replace(run, tags={**run.tags, **marks})

    def _makes_room(self, run: TrackedRun, cell: TrackedCell) -> bool:
        """Delete a run whose results are of another precision, since a parameter never changes; return whether it was one."""
        if not _is_evaluated_otherwise(run, cell):
            return False
        supersede(self._client, run, f"{EVALUATED_IN} {cell.params[EVALUATED_IN]}")
        return True

    def _created(self, cell: TrackedCell, start_ms: int, more: Mapping[str, str]) -> TrackedRun:
        tags = {**cell.tags, **more}
        run_id = self._client.create(self.experiment_id, cell.name, start_ms, tags)
        return TrackedRun(
            run_id=run_id, experiment_id=self.experiment_id, status="RUNNING", start_ms=start_ms, tags=tags
        )

    def _is_primary(self, run: TrackedRun | None, key: str) -> bool:
        """The first run of a cell in any experiment stays primary; one that comes back does not take that from another."""
        experiments = self._client.experiments()
        # No other experiment could have another one: spares the search.
        if set(experiments) <= {self.experiment_id}:
            return True
        primaries = self._client.find(experiments, {"cell_key": key, PRIMARY_TAG: "true"})
        if run is not None and run.tags.get(PRIMARY_TAG) == "true" and primaries:
            return primaries[0].run_id == run.run_id
        return all(run is not None and other.run_id == run.run_id for other in primaries)

    def _ensure_sweep_run(self) -> TrackedRun:
        tags = {"kind": "sweep", "sweep": self._sweep.name}
        with self._alone():
            found = self._client.find([self.experiment_id], tags)
            if found:
                return keep_one(self._client, found)
            back = brought_back(self._client, self.experiment_id, tags)
            if back:
                return back
            now = round(time.time() * 1000)
            run_id = self._client.create(self.experiment_id, f"Grid of {self._sweep.name}", now, tags)
            return TrackedRun(
                run_id=run_id, experiment_id=self.experiment_id, status="RUNNING", start_ms=now, tags=tags
            )


def _is_evaluated_otherwise(run: TrackedRun, cell: TrackedCell) -> bool:
    now = cell.params.get(EVALUATED_IN)
    return now is not None and run.params.get(EVALUATED_IN, now) != now


def _missing_params(run: TrackedRun, cell: TrackedCell) -> dict[str, str]:
    return {name: value for name, value in cell.params.items() if name not in run.params}


def _holds(run: TrackedRun, cell: TrackedCell, points: Sequence[Point]) -> bool:
    """Whether a run still has every parameter and metric that it was given."""
    return not _missing_params(run, cell) and all(point.key in run.metrics for point in points)
