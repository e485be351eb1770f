"""The driver: which cell goes to which group, and what every event of the mailbox means for store, leases and schedule.

Two threads come here: Ray Tune's, which asks for the next cell, and the one that waits for events. One lock covers both.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from clusters.placement import Node
from orchestration.cells.cell import Plan
from orchestration.engine.driver.attempts import Attempts
from orchestration.engine.driver.candidates import candidates_of, is_exclusive, request_of
from orchestration.engine.driver.leases import HeldLeases
from orchestration.engine.driver.recorder import Recorder
from orchestration.engine.groups.contract import Pool
from orchestration.engine.groups.lifecycle import GroupLifecycle
from orchestration.engine.observer import RunObserver, RunStatus
from orchestration.engine.options import RunOptions
from orchestration.engine.schedule import Finished, Start, Wait, next_cell
from orchestration.engine.schedule_state import ScheduleState
from orchestration.store.contract import CellResult, ResultsStore
from trainers.training.checkpoints import move_into_era
from trainers.worker.failure import RankFailure


class Driver:
    """Runs the cells of a plan on the groups of a pool."""

    def __init__(
        self,
        plan: Plan,
        *,
        store: ResultsStore,
        options: RunOptions,
        observer: RunObserver,
        pool: Pool,
        nodes: Sequence[Node],
        owner: str,
        keeps_groups: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Reentrant: `_halt` stops the run from inside of calls that hold the lock.
        self._lock = threading.RLock()
        self._cells = {cell.train_key: cell for cell in plan.to_run}
        self._store = store
        self._options = options
        self._observer = observer
        self._pool = pool
        self._clock = clock
        self._recorder = Recorder(store, observer)
        self._recorded: dict[str, CellResult | None] = {}
        """Train key -> what was recorded of a claimed cell that is not launched yet."""

        self.resources = options.resources(nodes)
        self.halt: RunStatus | None = None
        self.reason = ""
        self.is_paused = False
        self.error: Exception | None = None
        self.is_given_up = False
        self.leases = HeldLeases(
            store, self._lock, owner=owner, heartbeat_s=options.leases.heartbeat_s, on_lost=self._lease_lost
        )
        self.state = ScheduleState(
            candidates_of(plan.to_run, options, self.resources),
            nodes,
            max_concurrent=options.max_concurrent,
            canary=options.canary and len(self._cells) > 1,
        )
        self._groups = GroupLifecycle(
            pool,
            self.state,
            options,
            observer,
            keeps_groups=keeps_groups,
            clock=clock,
            halt=self._halt,
            refuse=self._give_up_run,
        )
        self._attempts = Attempts(
            self._cells,
            state=self.state,
            recorder=self._recorder,
            groups=self._groups,
            leases=self.leases,
            observer=observer,
            options=options,
            resources=self.resources,
            clock=clock,
            halt=self._halt,
        )

    @property
    def failed(self) -> Mapping[str, str]:
        """Train key -> why the cell was given up or left out."""
        return self._attempts.failed

    @property
    def computed(self) -> Sequence[str]:
        """Train keys that this run completed itself."""
        return self._attempts.computed

    @property
    def attempts(self) -> int:
        """Failed attempts so far."""
        return self._recorder.attempts

    def prestart(self) -> None:
        """Start the groups that the first cells will need, so that their start-up overlaps with everything else."""
        with self._lock:
            self._groups.prestart(min(self.state.waiting(), self._options.max_concurrent or len(self._cells)))

    def suggest(self) -> dict[str, Any] | Literal["finished"] | None:
        """Return the next cell as the configuration of a trial, "finished", or None when nothing can start now."""
        with self._lock:
            try:
                # First, since what ended in the meantime makes room for the cell that is asked for.
                self._handle_events()
                return self._suggest()
            except Exception as error:
                self._give_up_run(error)
                return "finished"

    def pump(self, timeout_s: float) -> None:
        """Wait for events and act on them."""
        # Outside of the lock, or Ray Tune's thread could not ask for a cell while this one waits.
        self._pool.wait(timeout_s)
        with self._lock:
            try:
                self._handle_events()
                self._groups.end_idle()
            except Exception as error:
                self._give_up_run(error)

    def stop(self, status: RunStatus) -> None:
        """Start nothing more and ask the running cells to write a checkpoint and stop."""
        with self._lock:
            # The first status counts: a run that ends because of a failure is not interrupted by what follows.
            if self.halt is None:
                self.halt = status
            for attempt in self._attempts.running.values():
                self._pool.order(attempt.group, "stop")

    def cluster_changed(self, nodes: Sequence[Node], leaving: frozenset[str]) -> None:
        """Take over which nodes there are; jobs on nodes that are about to leave write a checkpoint and go elsewhere."""
        with self._lock:
            self.state.room.update(nodes)
            preempted = self._groups.leave(leaving) if leaving else frozenset()
            for attempt in self._attempts.running.values():
                # Never cleared by a later change: the job may still be on its way out.
                attempt.is_preempted |= attempt.group in preempted

    def abort(self) -> None:
        """End the workers of all running cells at once; their last checkpoints are kept."""
        with self._lock:
            for attempt in self._attempts.running.values():
                self._pool.order(attempt.group, "abort")
            # Last, since it empties `running`.
            self._attempts.interrupt_all()

    def give_up(self) -> None:
        """Give the leases back and act on nothing any more, from another thread than those that may never return."""
        # Before the leases: what Ray's end makes of the running cells is no failure of theirs.
        self.is_given_up = True
        self.leases.give_up()

    def trial_ended(self, job: int, *, has_broken: bool = False) -> None:
        """Note that the trial of a job has reported its end, or is over itself.

        If the trial broke before its job was delivered, that was a failed attempt.
        """
        with self._lock:
            attempt = self._attempts.trial_ended(job)
            # A job that can be withdrawn was never delivered; the ranks report the end of a delivered one.
            if attempt is not None and has_broken and self._pool.withdraw(job):
                died = RankFailure(rank=-1, kinds=("ActorDiedError",), message="the trial's process died")
                self._attempts.fail(attempt, (died,))

    def _suggest(self) -> dict[str, Any] | Literal["finished"] | None:
        if self.halt is not None:
            return "finished" if not self._attempts.running else None
        # Ends, since a cell that cannot be claimed is no longer waiting.
        while not self.is_paused:
            self.state.wake(self._clock())
            decision = next_cell(self.state)
            if isinstance(decision, Finished):
                return "finished"
            if isinstance(decision, Wait):
                return None
            if self._claim(decision.key):
                return self._launch(decision)
        return None

    def _claim(self, key: str) -> bool:
        """Take the lease of a cell; return False if another driver holds it or has completed it meanwhile."""
        cell = self._cells[key]
        if not self.leases.acquire(key):
            self.state.postpone(key, self._clock() + self._options.leases.poll_s)
            self._observer.cell_state(cell, "leased-elsewhere")
            return False
        # Read under the lease: another driver may have completed the cell between the plan and now.
        result = self._recorded[key] = self._store.result(key)
        if result is None or cell.retrained or any(request.key not in result.reports for request in cell.missing):
            return True
        del self._recorded[key]
        self.leases.release(key)
        self.state.done(key)
        self._observer.training_recorded(cell, result.training)
        for report in result.reports.values():
            self._observer.report_recorded(cell, result.training.summary.checkpoint_sha256, report)
        self._observer.cell_state(cell, "done", "computed by another driver")
        return False

    def _launch(self, start: Start) -> dict[str, Any]:
        # The new group is placed in the room that these give back.
        for name in start.evict:
            self._groups.end(name)
        group = start.group
        if group is None:
            assert start.placement is not None
            group = self._groups.start(start.placement)
        # Without the placement: the start of a group has reserved it, and it would count twice.
        self.state.started(start.key, group)
        cell = self._cells[start.key]
        # Those of parents too: the job reads their checkpoints.
        eras = {key: self._era(key) for key in (cell.train_key, *cell.parents)}
        request = request_of(cell, self._options, start.shape, self._recorded.pop(cell.train_key), eras)
        job = self._pool.post(group, request)
        self._attempts.begin(start.key, job, group, was_shared=not is_exclusive(start.shape))
        return {**self._pool.trial(group, job), "job": job, "cell": cell.cell_id}

    def _era(self, key: str) -> int:
        """Return the era of a cell whose checkpoint a job may read; what an earlier version stored is moved there first."""
        era = self._store.era(key)
        # In the first era checkpoints are where earlier versions stored them.
        result = self._store.result(key) if era else None
        if result is not None:
            folder = self._options.paths.checkpoints
            move_into_era(folder, key, era, recorded=result.training.summary.checkpoint_sha256)
        return era

    def _handle_events(self) -> None:
        events = self._pool.drain()
        if self.is_given_up:
            return
        for position, event in enumerate(events):
            if event.kind == "joined":
                self._groups.on_joined(event)
                self._attempts.on_joined(event.values[0])
            elif event.kind == "lost":
                self._groups.on_lost(event)
            elif event.kind == "ended":
                self._groups.on_ended(event)
            else:
                # Reports that arrived together with their training are recorded with it in one write.
                self._attempts.on_event(event, events[position + 1 :] if event.kind == "trained" else ())

    def _lease_lost(self, key: str) -> None:
        # Called in the heartbeat's thread.
        with self._lock:
            for attempt in self._attempts.running.values():
                if attempt.key == key:
                    attempt.is_abandoned = True
                    self._pool.order(attempt.group, "abort")
                    self._observer.cell_state(self._cells[key], "leased-elsewhere", "another driver took it over")

    def _halt(self, text: str) -> None:
        self.reason = self.reason or text
        self._observer.message(text)
        self.stop("failed")

    def _give_up_run(self, error: Exception) -> None:
        self.error = self.error or error
        self.stop("failed")
