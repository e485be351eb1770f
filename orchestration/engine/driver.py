"""The driver's mind: which cell goes to which group, and what every event of the mailbox means for store, leases and schedule.

Two threads come here: Ray Tune's, which asks for the next cell, and the one that waits for events. One lock covers both.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from orchestration.engine.candidates import candidates_of, is_exclusive, request_of, shapes_of
from orchestration.engine.keeper import GroupKeeper
from orchestration.engine.leases import LeaseKeeper
from orchestration.engine.options import RunStatus
from orchestration.engine.packing import MemoryBook
from orchestration.engine.recorder import Recorder
from orchestration.failures import COUNTED, Retry, Stop, classify, decide
from orchestration.schedule import Finished, ScheduleState, Start, Wait, next_cell
from trainers.rank_failure import RankFailure

if TYPE_CHECKING:
    from clusters.placement import Node
    from orchestration.cells import Plan
    from orchestration.engine.groups import GroupPool
    from orchestration.engine.mailbox import Event
    from orchestration.engine.options import RunOptions
    from orchestration.observer import RunObserver
    from orchestration.store.base import ResultsStore


@dataclass(slots=True)
class _Running:
    """An attempt at a cell that is under way."""

    key: str
    job: int
    group: str
    started_at: float
    was_shared: bool
    has_trial: bool = True
    is_abandoned: bool = False
    is_preempted: bool = False


class Driver:
    """Runs the cells of a plan on the groups of a pool."""

    def __init__(
        self,
        plan: Plan,
        *,
        store: ResultsStore,
        options: RunOptions,
        observer: RunObserver,
        pool: GroupPool,
        nodes: Sequence[Node],
        owner: str,
        keeps_groups: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.RLock()
        self._cells = {cell.train_key: cell for cell in plan.to_run}
        self._store = store
        self._options = options
        self._observer = observer
        self._pool = pool
        self._clock = clock
        self._recorder = Recorder(store, observer)
        self._memory = MemoryBook()
        self._running: dict[int, _Running] = {}
        self._resting: dict[int, str] = {}
        self._attempts: dict[str, int] = {}
        self._counted: dict[str, int] = {}
        self.failed: dict[str, str] = {}
        self.computed: list[str] = []
        self.halt: RunStatus | None = None
        self.reason = ""
        self.is_paused = False
        self.error: Exception | None = None
        self.leases = LeaseKeeper(
            store, self._lock, owner=owner, heartbeat_s=options.leases.heartbeat_s, on_lost=self._lease_lost
        )
        self.state = ScheduleState(
            candidates_of(plan.to_run, options),
            nodes,
            max_concurrent=options.max_concurrent,
            canary=options.canary and len(self._cells) > 1,
        )
        self._keeper = GroupKeeper(
            pool,
            self.state,
            options,
            observer,
            keeps_groups=keeps_groups,
            clock=lambda: self._clock(),
            halt=self._halt,
        )

    @property
    def attempts(self) -> int:
        """Failed attempts so far."""
        return self._recorder.attempts

    @property
    def is_busy(self) -> bool:
        """Whether any cell is under way."""
        return bool(self._running)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to start and nothing runs."""
        with self._lock:
            return not self._running and (self.halt is not None or isinstance(next_cell(self.state), Finished))

    def prestart(self) -> None:
        """Start the groups that the first cells will need, so that their start-up overlaps with everything else."""
        with self._lock:
            self._keeper.prestart(min(self.state.waiting(), self._options.max_concurrent or len(self._cells)))

    def suggest(self) -> dict[str, Any] | Literal["finished"] | None:
        """Return the next trial's configuration, "finished", or None when nothing can start now."""
        with self._lock:
            try:
                self._handle_events()
                return self._suggest()
            except Exception as error:
                self._give_up_run(error)
                return "finished"

    def pump(self, timeout_s: float) -> None:
        """Wait for events and act on them."""
        self._pool.wait(timeout_s)
        with self._lock:
            try:
                self._handle_events()
                self._keeper.end_idle()
            except Exception as error:
                self._give_up_run(error)

    def stop(self, status: RunStatus) -> None:
        """Start nothing more and ask the running cells to write a checkpoint and stop."""
        with self._lock:
            if self.halt is None:
                self.halt = status
            for attempt in self._running.values():
                self._pool.order(attempt.group, "stop")

    def cluster_changed(self, nodes: Sequence[Node], leaving: frozenset[str]) -> None:
        """Take over which nodes there are; jobs on nodes that are about to leave write a checkpoint and go elsewhere."""
        with self._lock:
            self.state.room.update(nodes)
            preempted = self._keeper.leave(leaving) if leaving else frozenset()
            for attempt in self._running.values():
                attempt.is_preempted |= attempt.group in preempted

    def abort(self) -> None:
        """End the workers of all running cells at once; their last checkpoints stand."""
        with self._lock:
            for attempt in self._running.values():
                attempt.is_abandoned = True
                self._pool.order(attempt.group, "abort")

    def trial_ended(self, job: int, *, has_broken: bool = False) -> None:
        """Note that the trial of a job is over, and that its process can take the next one.

        If the trial broke before its job was delivered, that was a failed attempt.
        """
        with self._lock:
            group = self._resting.pop(job, None)
            if group is not None:
                self.state.rest(group, False)
            attempt = self._running.get(job)
            if attempt is None:
                return
            attempt.has_trial = False
            if has_broken and self._pool.withdraw(job):
                died = RankFailure(rank=-1, kinds=("ActorDiedError",), message="the trial's process died")
                self._attempt_failed(attempt, (died,))

    def _release(self, attempt: _Running) -> None:
        """Take an attempt that ended off its group.

        The group rests until the attempt's trial is over as well: a trial that started before would need a process of its
        own, which takes seconds to start, instead of the one that is about to be free.
        """
        self._running.pop(attempt.job, None)
        self.state.stopped_running(attempt.key)
        if attempt.has_trial:
            self._resting[attempt.job] = attempt.group
            self.state.rest(attempt.group, True)

    def _suggest(self) -> dict[str, Any] | Literal["finished"] | None:
        if self.halt is not None:
            return "finished" if not self._running else None
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
        result = self._store.result(key)
        if result is None or any(request.key not in result.reports for request in cell.missing):
            return True
        self.leases.release(key)
        self.state.done(key)
        self._observer.training_recorded(cell, result.training)
        for report in result.reports.values():
            self._observer.report_recorded(cell, result.training.summary.checkpoint_sha256, report)
        self._observer.cell_state(cell, "done", "computed by another driver")
        return False

    def _launch(self, start: Start) -> dict[str, Any]:
        for name in start.evict:
            self._keeper.end(name)
        group = start.group
        if group is None:
            assert start.placement is not None
            group = self._keeper.start(start.placement)
        self.state.started(start.key, group)
        cell = self._cells[start.key]
        result = self._store.result(start.key)
        job = self._pool.post(group, request_of(cell, self._options, result.reports if result else {}))
        self._running[job] = _Running(
            key=start.key, job=job, group=group, started_at=time.time(), was_shared=not is_exclusive(start.shape)
        )
        self._attempts[start.key] = self._attempts.get(start.key, 0) + 1
        self._observer.cell_state(cell, "running", group)
        return {
            "mailbox": self._pool.mailbox_name,
            "namespace": self._pool.namespace,
            "group": group,
            "job": job,
            "cell": cell.cell_id,
        }

    def _handle_events(self) -> None:
        for event in self._pool.drain():
            handler = getattr(self, f"_on_{event.kind}", None)
            attempt = self._running.get(event.job)
            if handler is not None:
                handler(event)
            elif attempt is not None:
                self._on_word(attempt, event)

    def _on_word(self, attempt: _Running, event: Event) -> None:
        """Act on what a running job says of itself."""
        cell = self._cells[attempt.key]
        if event.kind == "progress":
            self._observer.cell_progress(cell, *event.values[1:])
        elif event.kind == "epoch":
            self.state.has_shown_life = True
            self._observer.epoch_ended(cell, event.values[1])
            self._note_memory(attempt, event.values[1].memory_mib)
        elif attempt.is_abandoned:
            return
        elif event.kind == "trained":
            self._recorder.training(cell, event.values[1])
        elif event.kind == "benchmark":
            self.state.has_shown_life = True
            self._recorder.report(cell, event.values[1], event.values[2])

    def _note_memory(self, attempt: _Running, memory_mib: float) -> None:
        """Let cells of the same kind share GPUs once one of them has shown what it needs on a GPU of its own."""
        if not self._options.share_gpus or not self._memory.gpu_memory_mib or attempt.was_shared:
            return
        if self._memory.note(self._cells[attempt.key], memory_mib):
            self._repack()

    def _repack(self) -> None:
        for key, cell in self._cells.items():
            self.state.reshape(key, self._memory.shapes(cell, shapes_of(cell, self._options)))

    def _on_finished(self, event: Event) -> None:
        attempt = self._running.get(event.job)
        if attempt is None:
            return
        result, resident_mib = event.values
        cell = self._cells[attempt.key]
        self.state.has_shown_life = True
        self._release(attempt)
        if attempt.is_abandoned:
            self.state.again(attempt.key)
            self.state.postpone(attempt.key, self._clock() + self._options.leases.poll_s)
            return
        self._recorder.result(cell, result)
        unmet = [report for report in result.reports if report.error is not None]
        if unmet:
            self._benchmarks_failed(attempt, "; ".join(f"{report.benchmark}: {report.error}" for report in unmet))
        else:
            self.computed.append(attempt.key)
            self._observer.cell_state(cell, "done")
        self.state.done(attempt.key)
        self.leases.release(attempt.key)
        self._keeper.after_job(attempt.group, resident_mib)

    def _benchmarks_failed(self, attempt: _Running, message: str) -> None:
        """Note that a cell is trained but not fully judged: cells that start from it may go on."""
        decision = decide(
            attempt.key[:12],
            "bug",
            attempts=1,
            max_attempts=1,
            is_exclusive=True,
            fail_fast=self._options.fail_fast,
        )
        self._record_attempt(attempt, "bug", message, decision.text, ())
        self.failed[attempt.key] = message
        self._observer.cell_state(self._cells[attempt.key], "failed", message)
        if isinstance(decision, Stop):
            self._halt(decision.text)

    def _on_failed(self, event: Event) -> None:
        attempt = self._running.get(event.job)
        if attempt is not None:
            self._attempt_failed(attempt, event.values)

    def _on_returned(self, event: Event) -> None:
        """Queue a cell again whose group ended before it took it; nothing was tried."""
        attempt = self._running.get(event.job)
        if attempt is not None:
            self._attempts[attempt.key] -= 1
            self._release(attempt)
            self.state.again(attempt.key)
            self.leases.release(attempt.key)
            self._observer.cell_state(self._cells[attempt.key], "waiting")

    def _attempt_failed(self, attempt: _Running, failures: Sequence[RankFailure]) -> None:
        key, cell = attempt.key, self._cells[attempt.key]
        self._release(attempt)
        if attempt.is_abandoned:
            self.state.again(key)
            self.state.postpone(key, self._clock() + self._options.leases.poll_s)
            return
        error_class, message = classify(failures)
        if attempt.is_preempted:
            error_class, message = "preempted", f"its node is about to leave; {message}"
        if error_class in COUNTED:
            self._counted[key] = self._counted.get(key, 0) + 1
        decision = decide(
            cell.cell_id,
            error_class,
            attempts=self._counted.get(key, 0),
            max_attempts=self._options.max_attempts,
            is_exclusive=not attempt.was_shared,
            fail_fast=self._options.fail_fast,
        )
        self._record_attempt(attempt, error_class, message, decision.text, failures)
        self.leases.release(key)
        if error_class == "out-of-memory" and attempt.was_shared:
            self._memory.keep_apart(cell)
            self._repack()
        if isinstance(decision, Retry):
            self.state.again(key)
            self._observer.cell_state(cell, "waiting", decision.text)
            return
        self._give_up_cell(key, f"{error_class}: {message}")
        if isinstance(decision, Stop):
            self._halt(decision.text)

    def _record_attempt(
        self, attempt: _Running, error_class: Any, message: str, decision: str, failures: Sequence[RankFailure]
    ) -> None:
        self._recorder.attempt(
            self._cells[attempt.key],
            number=self._attempts[attempt.key],
            error_class=error_class,
            message=message,
            started_at=attempt.started_at,
            decision=decision,
            context={
                "group": attempt.group,
                "ranks": [{"rank": one.rank, "message": one.message, "trace": one.trace} for one in failures],
            },
        )

    def _give_up_cell(self, key: str, reason: str) -> None:
        self.failed[key] = reason
        self._observer.cell_state(self._cells[key], "failed", reason)
        for child in self.state.given_up(key):
            self.failed[child] = f"the cell that it starts from failed: {key[:12]}"
            self._observer.cell_state(self._cells[child], "skipped", self.failed[child])

    def _on_lost(self, event: Event) -> None:
        self._keeper.on_lost(event)

    def _on_ended(self, event: Event) -> None:
        self._keeper.on_ended(event)

    def _on_joined(self, event: Event) -> None:
        self._keeper.on_joined(event)
        device_mib = event.values[0]
        self._memory.gpu_memory_mib = min(device_mib, self._memory.gpu_memory_mib or device_mib)

    def _lease_lost(self, key: str) -> None:
        with self._lock:
            for attempt in self._running.values():
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
