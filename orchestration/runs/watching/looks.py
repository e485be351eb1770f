"""Looks at a sweep in its storage, gently: reports of drivers often, all records when something changed. Writes nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from clusters.storage.contract import StorageError
from clusters.storage.patient import reported_to
from clusters.temporary.owners import is_dead
from orchestration.cells.resolved import ResolvedSweep
from orchestration.errors import SweepError
from orchestration.planning.column_values import unfilled
from orchestration.planning.costs.actual import ledger
from orchestration.planning.costs.estimate import CellCost, estimate
from orchestration.planning.costs.machines import Machine
from orchestration.planning.lookup import recorded
from orchestration.planning.plan import make_plan
from orchestration.results.table import sweep_tables
from orchestration.runs.watching.detail import detail_lines
from orchestration.runs.watching.snapshot import Heard, Records, Snapshot, snapshot_of
from orchestration.store.contract import OnDamage
from orchestration.store.driver_report import DriverReport, report_every_s
from orchestration.store.files import DEFAULT_LEASE_EXPIRY_S, FileStore

LEAST_REMOTE_S: Final = 3.0
"""Where a look is a listing over the network, it is made no more often than this."""

_READ_AFTER_LOOKS: Final = 15
"""Looks after which all records are read although no driver reports a change: one of an earlier version reports nothing."""

_ESTIMATE_AFTER_S: Final = 60.0
"""Cells are estimated from all that is recorded on the storage, which is read no more often than this."""

_MOST_PAUSES: Final = 8
"""Where nothing happens, a look waits up to so many times as long as the first."""


class Looks:
    """Looks at one sweep.

    Args:
        every_s: Seconds between looks while something happens; None for what fits the storage.
        on_damage: Is handed a request to the drivers that is not whole; it counts as none.
    """

    def __init__(
        self,
        resolved: ResolvedSweep,
        store: FileStore,
        *,
        machine: Machine,
        on_damage: OnDamage,
        every_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        is_remote = store.storage.is_remote
        self._resolved = resolved
        self._store = store
        self._machine = machine
        self._on_damage = on_damage
        self._clock = clock
        self._lock = threading.Lock()
        """The screen asks for cells while a look goes on in another thread."""

        self._every_s = max(every_s or report_every_s(is_remote=is_remote), LEAST_REMOTE_S * is_remote)
        self._pauses = 1
        self._heard: dict[str, Heard] = {}
        self._since: dict[str, float] = {}
        self._changes: Mapping[str, int] = {}
        self._records: Records | None = None
        self._looks_since_read = 0
        self._costs: dict[str, CellCost] = {}
        self._estimated_at: float | None = None
        self._last: Snapshot | None = None
        self._trouble = ""

    @property
    def wait_s(self) -> float:
        """Seconds to wait before the next look."""
        return self._every_s * self._pauses

    def look(self, *, is_asked: bool = False) -> Snapshot:
        """Return the sweep now; where the storage cannot be read, the last one with the reason.

        Args:
            is_asked: Whether a person asked for it, so that all records are read.

        Raises:
            StorageError: If not even the first look could be made.
            SweepError: If a record of it is not whole.
        """
        try:
            with self._lock, reported_to(self._note_trouble):
                found = self._look(is_asked=is_asked)
        except (StorageError, SweepError) as error:
            if self._last is None:
                raise
            found = replace(self._last, trouble=str(error))
        # Doubled while nothing happens, so that a screen that is left open over a week-end costs little.
        is_quiet = found == self._last and not found.is_run
        self._pauses = min(2 * self._pauses, _MOST_PAUSES) if is_quiet and not is_asked else 1
        self._last = found
        return found

    def detail(self, train_key: str) -> list[str]:
        """Return what is known of a cell of the last look, as lines; its failed attempts are read now.

        Raises:
            StorageError: If they cannot be read.
        """
        with self._lock:
            return self._detail(train_key)

    def _detail(self, train_key: str) -> list[str]:
        assert self._records is not None, "a cell is looked at after the first look"
        cell = next(each for each in self._records.plan.cells if each.train_key == train_key)
        attempts = self._store.attempts(train_key)
        return detail_lines(cell, self._records.results.get(train_key), attempts, self._heard.values())

    def _look(self, *, is_asked: bool) -> Snapshot:
        self._listen()
        changes = {owner: each.report.changes for owner, each in self._heard.items() if not each.is_gone}
        self._looks_since_read += 1
        is_due = self._looks_since_read >= _READ_AFTER_LOOKS or not changes
        if self._records is None or is_asked or is_due or changes != self._changes:
            self._records = self._read()
            self._changes, self._looks_since_read = changes, 0
        request = self._store.requested(self._resolved.label, self._on_damage)
        trouble, self._trouble = self._trouble, ""
        return snapshot_of(
            self._records,
            list(self._heard.values()),
            title=self._resolved.sweep.title,
            machine=self._machine,
            request=request,
            trouble=trouble,
        )

    def _listen(self) -> None:
        """Read the reports of drivers; each has its lease's time from when it was last heard, by our own clock."""
        now = self._clock()
        heard: dict[str, Heard] = {}
        for report in self._store.drivers():
            before = self._heard.get(report.owner)
            if before is None or before.report.beat != report.beat:
                self._since[report.owner] = now
            # While the storage was away no report could be written, nor seen.
            silent_s = now - max(self._since[report.owner], self._store.storage.back_at)
            heard[report.owner] = Heard(report=report, silent_s=max(0.0, silent_s), is_gone=_is_gone(report, silent_s))
        self._heard = heard

    def _read(self) -> Records:
        resolved, store = self._resolved, self._store
        plan = make_plan(resolved, store=store)
        results = recorded(resolved.cells, store)
        spent = ledger(plan.cells, results, resolved.catalogue)
        now = self._clock()
        lacks_costs = any(cell.train_key not in self._costs for cell in plan.to_run)
        if lacks_costs or self._estimated_at is None or now - self._estimated_at >= _ESTIMATE_AFTER_S:
            made = estimate(plan, store=store, catalogue=resolved.catalogue, machine=self._machine)
            self._costs |= {cost.train_key: cost for cost in made.cells}
            self._estimated_at = now
        return Records(
            plan=plan,
            results=results,
            holders=store.holders([cell.train_key for cell in plan.cells if not cell.is_done]),
            costs=dict(self._costs),
            spent_s=spent["train_s"]["actual"] + spent["evaluation_s"]["actual"],
            unfilled=unfilled(plan.cells, results),
            tables=sweep_tables(resolved, results),
        )

    def _note_trouble(self, text: str) -> None:
        self._trouble = text


def _is_gone(report: DriverReport, silent_s: float) -> bool:
    return is_dead(report.owner) or silent_s >= DEFAULT_LEASE_EXPIRY_S
