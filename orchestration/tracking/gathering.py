"""Gathers what a driver reports of its cells, and makes a few batched calls to the tracking server.

The results store is read for everything recorded; messages only say what changed, and carry the epochs of trainings that still
run. While the server is away messages are gathered, not lost; what is left at the end is replayed by `sync`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from clusters.errors import ClusterError
from orchestration.errors import SweepError
from orchestration.store.contract import ResultsStore
from orchestration.tracking.content.messages import Message
from orchestration.tracking.content.params import clean_name
from orchestration.tracking.content.state import epoch_points, run_state
from orchestration.tracking.content.tracked_values import TrackedCell, TrackedSweep
from orchestration.tracking.contract import EndlessAnswer, Point, TrackingClient, TrackingError
from orchestration.tracking.projection import Projection
from orchestration.tracking.runs.rows import members_of
from orchestration.tracking.secrets import scrubbed
from trainers.job import EpochRow

EPOCH_PAUSE_S: Final = 10.0
"""Seconds between two calls for a cell that still runs."""
ROWS_PAUSE_S: Final = 60.0
"""Seconds between two looks at the means of rows while a sweep goes on."""
_FIRST_PAUSE_S: Final = 2.0
"""A cell that ends sooner is written once, when it is done."""
_RETRY_S: Final = (1.0, 2.0, 5.0, 15.0, 60.0)
_MANY: Final = 20
_FINAL_STATES: Final = frozenset({"done", "failed", "skipped"})


@dataclass(slots=True)
class _Pending:
    """What is still to be written of a cell."""

    since: float
    is_urgent: bool = False
    is_recorded: bool = False
    points: list[Point] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)


class Writer:
    """Gathers messages and writes them.

    Args:
        connect: Makes the client; called again while the server is away.
        artifacts: Where the artifacts of a new experiment are stored, or None for the server's own place.
        with_weights: Whether logged models contain their checkpoints.
    """

    def __init__(
        self,
        connect: Callable[[], TrackingClient],
        store: ResultsStore,
        uri: str,
        artifacts: str | None,
        clock: Callable[[], float] = time.monotonic,
        *,
        with_weights: bool = False,
    ) -> None:
        self._connect = connect
        self._store = store
        self._uri = uri
        self._artifacts = artifacts
        self._clock = clock
        self._with_weights = with_weights
        self._sweep: TrackedSweep | None = None
        self._cells: dict[str, TrackedCell] = {}
        self._pending: dict[str, _Pending] = {}
        self._last_call: dict[str, float] = {}
        self._running: set[str] = set()
        self._grid: Mapping[str, str] | None = None
        self._published: Mapping[str, str] | None = None
        self._status: str | None = None
        self._projection: Projection | None = None
        self._failures = 0
        self._next_try = 0.0
        self._has_ended = False
        self._with_run: set[str] = set()
        self._changed_rows: set[str] = set()
        self._shown_rows: set[str] = set()
        self._next_rows = 0.0
        self._is_written_again = False
        self._is_hopeless = self._must_end = False
        self._refusal: str | None = None
        self.problem: str | None = None
        self.written = 0

    @property
    def waiting(self) -> int:
        """Runs with something still to write: cells, and the sweep's own."""
        return len(self._pending) + (self._grid is not None or self._status is not None)

    @property
    def is_hopeless(self) -> bool:
        """Whether the server refuses for good: trying again would change nothing."""
        return self._is_hopeless

    @property
    def must_end(self) -> bool:
        """Whether the server fills the memory of this process."""
        return self._must_end

    def close(self) -> None:
        """Note that no message comes any more; without `ended` before, the driver was interrupted."""
        if self._sweep is not None and not self._has_ended:
            self._end("interrupted")

    def take(self, message: Message) -> None:
        """Note what a message says; unknown cells and kinds are ignored."""
        kind = message.get("type")
        if kind == "sweep":
            self._begin(msgspec.convert(message["sweep"], TrackedSweep), message["recorded"])
        elif kind == "grid":
            self._grid = message["files"]
        elif kind == "ended":
            self._end(message["status"])
        elif message.get("key") in self._cells:
            self._note(message["key"], message)

    def flush(self, *, everything: bool = False) -> None:
        """Write what is due; a server that is away is tried again later, a refusal is remembered as the problem."""
        now = self._clock()
        if self._sweep is None or (now < self._next_try and not everything):
            return
        due = [key for key, pending in self._pending.items() if everything or self._is_due(key, pending, now)]
        if not due and not (self._grid is not None or self._status is not None):
            return
        try:
            projection = self._connected(len(due))
            for key in due:
                self._write_or_drop(projection, key)
            self._write_sweep(projection)
            self._failures, self.problem = 0, self._refusal
        except (SweepError, ClusterError) as error:
            self._failures += 1
            self._next_try = self._clock() + _RETRY_S[min(self._failures, len(_RETRY_S)) - 1]
            self._is_hopeless = isinstance(error, TrackingError) and not error.passing
            self._must_end = isinstance(error, EndlessAnswer)
            self.problem = str(error)

    def _begin(self, sweep: TrackedSweep, recorded: list[str]) -> None:
        self._sweep = sweep
        self._cells = {cell.key: cell for cell in sweep.cells}
        # Empty, not None: the sweep's own run is made at the first flush, also where no cell is due.
        self._grid = {}
        for key in recorded:
            self._at(key).is_recorded = self._at(key).is_urgent = True

    def _note(self, key: str, message: Message) -> None:
        pending = self._at(key)
        kind = message["type"]
        if kind == "epoch":
            pending.points += epoch_points([EpochRow(**message["row"])])
        elif kind == "recorded":
            pending.is_recorded = True
        elif kind == "refused":
            pending.tags[clean_name(f"refused.{message['benchmark']}")] = scrubbed(message["reason"])[:500]
        elif kind == "state":
            (self._running.add if message["state"] == "running" else self._running.discard)(key)
            if message["state"] in _FINAL_STATES:
                pending.is_recorded = pending.is_urgent = True

    def _end(self, status: str) -> None:
        # Whatever still runs is looked up in the store once more, so that no run seems to go on.
        for key in tuple(self._running):
            self._at(key).is_recorded = True
        self._running.clear()
        for pending in self._pending.values():
            pending.is_urgent = True
        self._status = status
        self._has_ended = True

    def _at(self, key: str) -> _Pending:
        return self._pending.setdefault(key, _Pending(since=self._clock()))

    def _is_due(self, key: str, pending: _Pending, now: float) -> bool:
        if pending.is_urgent:
            return True
        last = self._last_call.get(key)
        return now - pending.since >= _FIRST_PAUSE_S and (last is None or now - last >= EPOCH_PAUSE_S)

    def _connected(self, due: int) -> Projection:
        if self._projection is None:
            assert self._sweep is not None
            client, shown = self._connect(), self._sweep
            projection = Projection(
                client, self._store, self._uri, shown, self._artifacts, with_weights=self._with_weights
            )
            # One query for all runs is cheaper than one a cell from about this many on.
            if due >= _MANY:
                projection.load()
            else:
                projection.mark_wanted()
            projection.describe({})
            projection.end_sweep("running")
            # Last: where a call above fails, all of them are made again at the next try.
            self._projection = projection
        return self._projection

    def _write_or_drop(self, projection: Projection, key: str) -> None:
        """A cell that the server refuses does not hold up the others; `sync` tries it again."""
        try:
            self._write(projection, key)
        except TrackingError as error:
            # The server is away: the cell stays for the next try.
            if error.passing:
                raise
            self._refusal = str(error)
            del self._pending[key]

    def _write(self, projection: Projection, key: str) -> None:
        pending, cell = self._pending[key], self._cells[key]
        live = key in self._running
        state = None
        if pending.is_recorded:
            state = run_state(cell, self._store.result(key), self._store.attempts(key), live=live)
        if live and state is None:
            projection.open(cell, round(time.time() * 1000))
        if pending.points or pending.tags:
            projection.log_points(cell, pending.points, pending.tags)
        if state is not None:
            projection.project(cell, state)
            self._changed_rows.add(cell.row)
        elif not live and pending.is_recorded:
            projection.close(cell)
        if state is not None or live or pending.points or pending.tags:
            self._with_run.add(key)
        self._last_call[key] = self._clock()
        self.written += 1
        # Only now: where a call above fails, everything is written again, which changes nothing that is there.
        del self._pending[key]

    def _write_sweep(self, projection: Projection) -> None:
        if self._grid:
            projection.describe(self._grid)
            self._published = self._grid
        self._grid = None
        if self._status is not None or self._clock() >= self._next_rows:
            self._write_rows(projection)
        if self._status is not None and self._has_every_run(projection):
            projection.end_sweep(self._status)
            self._status = None

    def _write_rows(self, projection: Projection) -> None:
        """Write the means of the rows that have more than at the last time."""
        assert self._sweep is not None
        members = members_of(self._sweep)
        self._shown_rows |= self._changed_rows
        # At the end also those that were shown as going on, so that no row that stays incomplete seems to.
        due = self._changed_rows if self._status is None else self._shown_rows
        rows = [row for row in members if row in due]
        if rows or self._status is not None:
            results = self._store.results([cell.key for row in rows for cell in members[row]])
            try:
                projection.project_rows(results, rows=rows, live=self._status is None)
            except TrackingError as error:
                if error.passing:
                    raise
                self._refusal = str(error)
        self._changed_rows.clear()
        self._next_rows = self._clock() + ROWS_PAUSE_S

    def _has_every_run(self, projection: Projection) -> bool:
        """Whether the server still has the runs that were written; lost ones are written again, once, and reported if that fails.

        Somebody may have deleted them, or put another database in the place of the one that they went to.
        """
        runs = projection.mark_wanted()  # another driver may have shown the sweep with other settings meanwhile
        lost = self._with_run - {run.tags.get("cell_key", "") for run in runs}
        if lost and not self._is_written_again:
            self._is_written_again = True
            self._projection, self._grid = None, self._published  # of the sweep's own run nothing is known either
            for key in lost:
                self._at(key).is_recorded = True
            return False
        if lost:
            self._refusal = f"{len(lost)} of {len(self._with_run)} cells have no run on the tracking server"
        return True
