"""The attempts that are under way, and what their ends mean: record, retry, set aside, release.

The part of the driver that acts on what cells report; calls are made under the driver's lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestration.cells.cell import PlannedCell
from orchestration.engine.driver.candidates import shapes_of
from orchestration.engine.driver.leases import HeldLeases
from orchestration.engine.driver.packing import MeasuredMemory
from orchestration.engine.driver.recorder import Recorder
from orchestration.engine.groups.contract import Event
from orchestration.engine.groups.lifecycle import GroupLifecycle
from orchestration.engine.observer import RunObserver
from orchestration.engine.options import RunOptions
from orchestration.engine.resources import Resources
from orchestration.engine.schedule_state import ScheduleState
from orchestration.planning.retry_policy import COUNTED, Retry, Stop, classify, decide
from orchestration.store.contract import ErrorClass
from trainers.job import JobResult
from trainers.worker.failure import RankFailure


@dataclass(slots=True)
class Attempt:
    """An attempt at a cell that is under way.

    Attributes:
        started_at: Seconds since the epoch.
        was_shared: Whether it shares a GPU with other cells.
        has_trial: Whether the trial that delivered it is yet to report its end.
        is_abandoned: Whether its cell is no longer ours, so that nothing it reports counts.
        is_preempted: Whether it was asked to stop because its node leaves.
    """

    key: str
    job: int
    group: str
    started_at: float
    was_shared: bool
    has_trial: bool = True
    is_abandoned: bool = False
    is_preempted: bool = False


class Attempts:
    """All attempts of a run.

    Attributes:
        running: Job number -> attempt under way.
        failed: Train key -> why the cell was given up or left out.
    """

    def __init__(
        self,
        cells: Mapping[str, PlannedCell],
        *,
        state: ScheduleState,
        recorder: Recorder,
        groups: GroupLifecycle,
        leases: HeldLeases,
        observer: RunObserver,
        options: RunOptions,
        resources: Resources,
        clock: Callable[[], float],
        halt: Callable[[str], None],
    ) -> None:
        self.running: dict[int, Attempt] = {}
        self.failed: dict[str, str] = {}
        self.computed: list[str] = []
        self._cells = cells
        self._state = state
        self._recorder = recorder
        self._groups = groups
        self._leases = leases
        self._observer = observer
        self._options = options
        self._resources = resources
        self._clock = clock
        self._halt = halt
        self._memory = MeasuredMemory()
        self._resting: dict[int, str] = {}
        # `_numbers` counts all attempts, as recorded; `_counted` those that use up the limit: no preemption does.
        self._numbers: dict[str, int] = {}
        self._counted: dict[str, int] = {}

    def begin(self, key: str, job: int, group: str, *, was_shared: bool) -> None:
        """Note that a job was handed to a group."""
        self.running[job] = Attempt(key=key, job=job, group=group, started_at=time.time(), was_shared=was_shared)
        self._numbers[key] = self._numbers.get(key, 0) + 1
        self._observer.cell_state(self._cells[key], "running", group)

    def trial_ended(self, job: int) -> Attempt | None:
        """Note that the trial of a job has reported its end, or is over itself; return its attempt if that still runs."""
        group = self._resting.pop(job, None)
        if group is not None:
            self._state.rest(group, False)
        attempt = self.running.get(job)
        if attempt is not None:
            attempt.has_trial = False
        return attempt

    def on_event(self, event: Event, later: Sequence[Event] = ()) -> None:
        """Act on what a job reports, or on its end."""
        attempt = self.running.get(event.job)
        # Interrupted or failed before: what its job still reports no longer counts.
        if attempt is None:
            return
        if event.kind == "finished":
            self._finished(attempt, *event.values)
        elif event.kind == "failed":
            self.fail(attempt, event.values)
        elif event.kind == "returned":
            self._returned(attempt)
        else:
            self._on_report(attempt, event, later)

    def on_joined(self, device_mib: float) -> None:
        """Note the memory of the GPUs of a group that came up; the smallest counts."""
        self._memory.gpu_memory_mib = min(device_mib, self._memory.gpu_memory_mib or device_mib)

    def fail(self, attempt: Attempt, failures: Sequence[RankFailure]) -> None:
        """Record a failed attempt and do what the failure policy says."""
        self._release(attempt)
        # Another driver has the cell: what failed here is none of its attempts.
        if attempt.is_abandoned:
            self._leave_to_others(attempt.key)
            return
        error_class, message = classify(failures)
        # Once asked to leave, ranks may end in any way: the cause is the node.
        if attempt.is_preempted:
            error_class, message = "preempted", f"its node is about to leave; {message}"
        if error_class in COUNTED:
            self._counted[attempt.key] = self._counted.get(attempt.key, 0) + 1
        cell = self._cells[attempt.key]
        decision = decide(
            cell.cell_id,
            error_class,
            attempts=self._counted.get(attempt.key, 0),
            max_attempts=self._options.max_attempts,
            is_exclusive=not attempt.was_shared,
            fail_fast=self._options.fail_fast,
        )
        # Before the lease is released: the record belongs to the era in which the lease was taken.
        self._record(attempt, error_class, message, decision.text, failures)
        self._leases.release(attempt.key)
        if error_class == "out-of-memory" and attempt.was_shared:
            self._memory.keep_apart(cell)
            self._repack()
        if isinstance(decision, Retry):
            self._state.again(attempt.key)
            self._observer.cell_state(cell, "waiting", decision.text)
            return
        self._give_up(attempt.key, f"{error_class}: {message}")
        if isinstance(decision, Stop):
            self._halt(decision.text)

    def interrupt_all(self) -> None:
        """Record the attempts under way as stopped without waiting for what they report."""
        # A copy, since `_release` deletes from `running`.
        for attempt in list(self.running.values()):
            self._release(attempt)
            if not attempt.is_abandoned:
                self._record(attempt, "stopped", "ended with the run; its last checkpoint is kept", "", ())
            self._leases.release(attempt.key)
            self._state.again(attempt.key)

    def _release(self, attempt: Attempt) -> None:
        """Take an attempt that ended off its group.

        The group rests until the attempt's trial has reported it as well: the next cell would need another trial, and its
        process, instead of the one that is about to have room.
        """
        del self.running[attempt.job]
        self._state.stopped_running(attempt.key)
        if attempt.has_trial:
            self._resting[attempt.job] = attempt.group
            self._state.rest(attempt.group, True)

    def _on_report(self, attempt: Attempt, event: Event, later: Sequence[Event]) -> None:
        cell = self._cells[attempt.key]
        if event.kind == "progress":
            self._observer.cell_progress(cell, *event.values[1:])
        elif event.kind == "epoch":
            # An epoch, a report or an end shows that the set-up works: the cells behind the first one may start.
            self._state.has_proved_itself = True
            self._observer.epoch_ended(cell, event.values[1])
        elif event.kind == "use":
            self._observer.worker_use(cell, event.values[0])
        elif attempt.is_abandoned:
            # From here on things are recorded, and the cell is another driver's.
            return
        elif event.kind == "trained":
            summary = event.values[1]
            values = (one.values for one in later if one.job == event.job and one.kind == "benchmark")
            # A bundle has reports on its own weights only.
            reports = [report for _, checkpoint, report in values if checkpoint == summary.checkpoint_sha256]
            self._recorder.training(cell, summary, reports)
        elif event.kind == "benchmark":
            self._state.has_proved_itself = True
            self._recorder.report(cell, event.values[1], event.values[2])

    def _finished(self, attempt: Attempt, result: JobResult, resident_mib: float) -> None:
        cell = self._cells[attempt.key]
        self._state.has_proved_itself = True
        self._release(attempt)
        if attempt.is_abandoned:
            self._leave_to_others(attempt.key)
            return
        self._recorder.result(cell, result)
        self._note_memory(attempt, result.gpu_peak_mib)
        unmet = "; ".join(
            f"{report.benchmark}: {report.error}" for report in result.reports if report.error is not None
        )
        if unmet:
            self._unevaluated(attempt, unmet)
        else:
            self.computed.append(attempt.key)
            self._observer.cell_state(cell, "done")
        self._state.done(attempt.key)
        # After the records: who takes the lease next must find the cell complete.
        self._leases.release(attempt.key)
        self._groups.after_job(attempt.group, resident_mib)

    def _unevaluated(self, attempt: Attempt, message: str) -> None:
        """Note that a cell is trained but not fully evaluated; cells that start from its weights may go on."""
        cell = self._cells[attempt.key]
        # One attempt of one: it is not tried again, and only whether the run goes on is decided.
        decision = decide(
            cell.cell_id, "bug", attempts=1, max_attempts=1, is_exclusive=True, fail_fast=self._options.fail_fast
        )
        self._record(attempt, "bug", message, decision.text, ())
        self.failed[attempt.key] = message
        self._observer.cell_state(cell, "failed", message)
        if isinstance(decision, Stop):
            self._halt(decision.text)

    def _returned(self, attempt: Attempt) -> None:
        """Queue a cell again whose group ended before it took it; nothing was tried."""
        self._numbers[attempt.key] -= 1
        self._release(attempt)
        self._state.again(attempt.key)
        self._leases.release(attempt.key)
        self._observer.cell_state(self._cells[attempt.key], "waiting")

    def _leave_to_others(self, key: str) -> None:
        self._state.postpone(key, self._clock() + self._options.leases.poll_s)

    def _record(
        self, attempt: Attempt, error_class: ErrorClass, message: str, decision: str, failures: Sequence[RankFailure]
    ) -> None:
        ranks = [{"rank": one.rank, "message": one.message, "trace": one.trace} for one in failures]
        self._recorder.attempt(
            self._cells[attempt.key],
            number=self._numbers[attempt.key],
            error_class=error_class,
            message=message,
            started_at=attempt.started_at,
            decision=decision,
            context={"group": attempt.group, "ranks": ranks},
        )

    def _give_up(self, key: str, reason: str) -> None:
        self.failed[key] = reason
        self._observer.cell_state(self._cells[key], "failed", reason)
        for child in self._state.given_up(key):
            self.failed[child] = f"the cell that it starts from failed: {key[:12]}"
            self._observer.cell_state(self._cells[child], "skipped", self.failed[child])

    def _note_memory(self, attempt: Attempt, peak_mib: float) -> None:
        """Let cells of the same kind share GPUs once a whole job of one has shown what it needs on a GPU of its own."""
        cell = self._cells[attempt.key]
        # An evaluation alone needs less than the training of its kind.
        is_measured = peak_mib > 0 and not attempt.was_shared and not cell.trained
        if not self._options.share_gpus or not self._memory.gpu_memory_mib or not is_measured:
            return
        if self._memory.note(cell, peak_mib):
            self._repack()

    def _repack(self) -> None:
        for key, cell in self._cells.items():
            self._state.reshape(key, self._memory.shapes(cell, shapes_of(cell, self._options, self._resources)))
