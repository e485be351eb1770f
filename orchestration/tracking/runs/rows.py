"""Row runs: one run a row of the table with mean, standard deviation and number of every column over the row's seeds.

MLflow compares, charts and searches runs, and computes no means over them; a run that has them makes all of that work on rows.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from eval.tables.statistics import summarise
from orchestration.store.contract import CellResult
from orchestration.tracking.content.state import MARKS_TAG, cell_values, marks_text, points_now
from orchestration.tracking.content.tracked_values import TrackedCell, TrackedSweep
from orchestration.tracking.content.views import WANTED_TAG
from orchestration.tracking.contract import Point, RunStatus, TrackedRun, TrackingClient
from orchestration.tracking.runs.doubles import brought_back, keep_one, supersede
from orchestration.tracking.runs.notes import note_tags, row_note

KIND: Final = "row"
DEVIATION: Final = ".std"
NUMBER: Final = ".n"
"""Behind the name of a column, whose own metric is the mean."""
_PROJECTED_TAG: Final = "projected"
_NO_PARAMETERS: Final = frozenset({"seed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RowState:
    """The run of a row as it should be.

    Attributes:
        params: Those that all its cells agree in, the seed left out.
        is_complete: Whether every cell of it is complete.
    """

    row: str
    start_ms: int
    end_ms: int
    params: Mapping[str, str]
    points: tuple[Point, ...]
    tags: Mapping[str, str]
    is_complete: bool

    def digest(self, status: str) -> str:
        """Return the identity of all of it."""
        plain = [status, self.start_ms, self.end_ms, dict(self.params), self.points, dict(self.tags)]
        return hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:16]


def members_of(sweep: TrackedSweep) -> dict[str, list[TrackedCell]]:
    """Return the cells of each row of a sweep; those that only others need are in none."""
    rows: dict[str, list[TrackedCell]] = {}
    for cell in sweep.cells:
        if cell.tags.get("kind") == "cell":
            rows.setdefault(cell.row, []).append(cell)
    return rows


def row_state(sweep: str, cells: Sequence[TrackedCell], results: Mapping[str, CellResult]) -> RowState | None:
    """Return how the run of a row must look, or None when nothing was recorded of its cells.

    Args:
        results: Those of its cells that are recorded, by train key.
    """
    found = [(cell, results[cell.key]) for cell in cells if cell.key in results]
    if not found:
        return None
    row, at_ms = cells[0].row, max(round(result.training.provenance.recorded_at * 1000) for _, result in found)
    by_name: dict[str, list[float]] = {}
    for cell, result in found:
        for name, value in cell_values(cell, result).items():
            if math.isfinite(value):
                by_name.setdefault(name, []).append(value)
    done = sum(all(key in result.reports for key in cell.wanted) for cell, result in found)
    return RowState(
        row=row,
        start_ms=min(_started_ms(result) for _, result in found),
        end_ms=at_ms,
        params=_common(cells),
        points=tuple(point for name, values in by_name.items() for point in _statistics(name, values, at_ms)),
        tags={
            "kind": KIND,
            "sweep": sweep,
            "row": row,
            "cells": f"{done} of {len(cells)}",
            MARKS_TAG: marks_text(found),
        },
        is_complete=done == len(cells),
    )


def _started_ms(result: CellResult) -> int:
    return round((result.training.provenance.recorded_at - result.training.summary.wall_s) * 1000)


def _common(cells: Sequence[TrackedCell]) -> dict[str, str]:
    first, *others = (cell.params for cell in cells)
    return {
        name: value
        for name, value in first.items()
        if name not in _NO_PARAMETERS and all(other.get(name) == value for other in others)
    }


def _statistics(name: str, values: Sequence[float], at_ms: int) -> Iterable[Point]:
    summary = summarise(values)
    yield Point(name, summary.mean, at_ms, 0)
    if summary.spread is not None:
        yield Point(f"{name}{DEVIATION}", summary.spread, at_ms, 0)
    yield Point(f"{name}{NUMBER}", float(summary.n), at_ms, 0)


class RowRuns:
    """The row runs of an experiment.

    Args:
        alone: Lets one driver at a time create something.
    """

    def __init__(
        self,
        client: TrackingClient,
        alone: Callable[[], AbstractContextManager[None]],
        experiment_id: str,
        sweep: TrackedSweep,
    ) -> None:
        self._client = client
        self._alone = alone
        self._experiment_id = experiment_id
        self._sweep = sweep

    def project(self, results: Mapping[str, CellResult], *, rows: Iterable[str], sweep_run: str, live: bool) -> int:
        """Write what differs of some rows, and mark the runs of rows that the sweep no longer has; return how many were written.

        Args:
            results: What is recorded of the cells of these rows.
            sweep_run: The run that carries the grid.
            live: Whether the sweep goes on.
        """
        members = members_of(self._sweep)
        known: dict[str, list[TrackedRun]] = {}
        for run in self._client.find([self._experiment_id], {"kind": KIND}):
            known.setdefault(run.tags.get("row", ""), []).append(run)
        for run in [each for row, runs in known.items() if row not in members for each in runs]:
            if run.tags.get(WANTED_TAG) != "false":
                self._client.log(run.run_id, (), {}, {WANTED_TAG: "false"})
        written = 0
        for row in rows:
            state = row_state(self._sweep.name, members.get(row, ()), results) if row in members else None
            if state is not None:
                written += self._write(state, known.get(row, ()), sweep_run, live=live)
        return written

    def _write(self, state: RowState, known: Sequence[TrackedRun], sweep_run: str, *, live: bool) -> bool:
        status: RunStatus = "FINISHED" if state.is_complete else "RUNNING" if live else "KILLED"
        run = self._run_of(state, known)
        wanted = {WANTED_TAG: "true", _PROJECTED_TAG: state.digest(status)}
        is_whole = state.params.items() <= run.params.items() and all(each.key in run.metrics for each in state.points)
        if is_whole and wanted.items() <= run.tags.items() and run.status == status:
            return False
        points = points_now(run, state.points, frozenset(point.key for point in state.points))
        params = {name: value for name, value in state.params.items() if name not in run.params}
        note = row_note(self._sweep.name, state.row, state.tags["cells"], self._experiment_id, sweep_run)
        self._client.log(run.run_id, points, params, {**state.tags, **note_tags(run, note), **wanted})
        self._client.end(run.run_id, status, None if status == "RUNNING" else state.end_ms)
        return True

    def _run_of(self, state: RowState, known: Sequence[TrackedRun]) -> TrackedRun:
        """Return the run of a row: found, brought back, or created. One that says what is no longer so makes room for another."""
        right = [run for run in known if _is_still_right(run, state)]
        if len(right) == len(known) == 1:
            return right[0]
        identity = {"kind": KIND, "sweep": self._sweep.name, "row": state.row}
        with self._alone():
            found = self._client.find([self._experiment_id], identity)
            for run in [each for each in found if not _is_still_right(each, state)]:
                supersede(self._client, run, "other parameters or columns")
            right = [run for run in found if _is_still_right(run, state)]
            back = None if found else brought_back(self._client, self._experiment_id, identity)
            if right:
                return keep_one(self._client, right)
            if back is not None and _is_still_right(back, state):
                return back
            run_id = self._client.create(self._experiment_id, state.row, state.start_ms, identity)
        return TrackedRun(
            run_id=run_id,
            experiment_id=self._experiment_id,
            status="RUNNING",
            start_ms=state.start_ms,
            tags=identity,
        )


def _is_still_right(run: TrackedRun, state: RowState) -> bool:
    """Whether a run says nothing that must go: MLflow never changes a parameter, and never forgets a metric."""
    stated = all(state.params.get(name) == value for name, value in run.params.items())
    return stated and run.metrics.keys() <= {point.key for point in state.points}
