"""The mailbox between the driver, the trials and the worker groups: an asyncio class that runs as a Ray actor without a CPU.

The driver posts jobs, a trial has one delivered and waits for its end, every rank of the group takes it, and whatever the
ranks say becomes an event that the driver drains. The class itself knows no Ray, so that its rules are tested in plain asyncio.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestration.engine.groups.contract import Event, Order
from trainers.errors import JobPreempted
from trainers.job import Delivery, JobRequest
from trainers.worker.failure import RankFailure

SETTLE_S = 15.0
"""After a rank said that it failed, its group's end is waited for this long, so that the causes of all ranks are known.

Longer than the driver takes to find out why a controller died (`groups.NODE_LOSS_S`)."""


@dataclass(slots=True)
class _Job:
    number: int
    request: JobRequest
    orders: int
    over: asyncio.Event
    taken: set[int] = field(default_factory=set)
    finished: dict[int, float] = field(default_factory=dict)
    result: Any = None
    failures: list[RankFailure] = field(default_factory=list)
    outcome: str = ""
    early: dict[int, tuple[str, tuple[Any, ...]]] = field(default_factory=dict)
    next_event: int = 0


@dataclass(slots=True)
class _Group:
    changed: asyncio.Event
    current: _Job | None = None
    world_size: int = 0
    tokens: dict[int, int] = field(default_factory=dict)
    nodes: set[str] = field(default_factory=set)
    is_ending: bool = False
    order: tuple[int, Order] = (0, "")
    life: int = 0
    failures: list[RankFailure] = field(default_factory=list)
    deaths_without_work: int = 0
    host: str = ""
    reserved: str = ""


@dataclass(slots=True)
class _Trial:
    changed: asyncio.Event
    handed: deque[tuple[str, int]] = field(default_factory=deque)
    is_dismissed: bool = False


class Mailbox:
    """Jobs on their way to groups, and what they say on their way back."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._posted: dict[int, tuple[JobRequest, int]] = {}
        self._trials: dict[int, _Trial] = {}
        self._events: list[Event] = []
        self._news = asyncio.Event()
        # One counter for all groups: no token is given twice, so that a dead life of a rank is recognised.
        self._tokens = 0

    async def post(self, group: str, job: int, request: JobRequest) -> None:
        """Lay a job ready for the trial that will have it delivered to a group."""
        self._posted[job] = request, self._box(group).order[0]

    async def run(self, group: str, job: int) -> str:
        """Deliver a posted job to a group and wait for its end.

        Returns:
            "finished" or "failed"; "returned" when the group ended, or was given an order, before it took the job; "unknown" when
            it was withdrawn.
        """
        # Taken, not read: from here on `withdraw` fails, and the ranks report how the job ends.
        posted = self._posted.pop(job, None)
        if posted is None:
            return "unknown"
        request, orders = posted
        box = self._box(group)
        # The group may end, or be told to stop, while the trial's process starts; the cell was not tried.
        if box.is_ending or box.order[0] > orders:
            self._emit("returned", group, job)
            return "returned"
        entry = _Job(number=job, request=request, orders=orders, over=asyncio.Event())
        box.current = entry
        self._stir(box)
        await entry.over.wait()
        return entry.outcome

    async def next(self, trial: int) -> tuple[str, int] | None:
        """Wait for the next job of a trial; return its group and its number, or None when the trial is to end.

        Args:
            trial: Number of the trial's first job.
        """
        found = self._trial(trial)
        while not found.handed:
            if found.is_dismissed:
                return None
            # No await between the check and this line, so that nothing is missed.
            found.changed.clear()
            await found.changed.wait()
        return found.handed.popleft()

    async def hand_over(self, trial: int, group: str, job: int) -> None:
        """Give a posted job to a trial."""
        found = self._trial(trial)
        found.handed.append((group, job))
        found.changed.set()

    async def dismiss(self, trial: int) -> None:
        """Let a trial end once it has no job."""
        found = self._trial(trial)
        found.is_dismissed = True
        found.changed.set()

    async def withdraw(self, job: int) -> bool:
        """Take back a posted job; return False if a trial has had it delivered."""
        return self._posted.pop(job, None) is not None

    async def join(
        self, group: str, rank: int, world_size: int, device_mib: float = 0.0, node: str = "", reserved: str = ""
    ) -> tuple[int, int]:
        """Register a rank that has just started.

        Args:
            device_mib: Memory of its GPU.
            node: Id of its node.
            reserved: Id of what Ray has reserved for the group.

        Returns:
            The token of the rank's life, and the number of the last order given.
        """
        box = self._box(group)
        self._tokens += 1
        # Replaces the token of an earlier life, whose calls are ignored from now on.
        box.tokens[rank] = self._tokens
        box.world_size = world_size
        box.nodes.add(node)
        box.reserved = reserved
        if len(box.tokens) == world_size:
            # The host is "" until the controller has reported its node.
            self._emit("joined", group, -1, (device_mib, frozenset(filter(None, {*box.nodes, box.host}))))
        # Orders up to this one were for an earlier life: a stop of then must not stop the job of now.
        return self._tokens, box.order[0]

    async def take(self, group: str, rank: int, token: int, timeout_s: float) -> Delivery | str | None:
        """Wait for the group's next job.

        Returns:
            The job; "nothing yet" after the timeout; None when the group is to end.
        """
        box = self._box(group)
        deadline = time.monotonic() + timeout_s
        # Checked after each wake-up: the group may be lost while this rank waits.
        while box.tokens.get(rank) == token:
            job = box.current
            # A rank that has finished asks again while slower ones work; it must not get the same job twice.
            if job is not None and rank not in job.taken:
                job.taken.add(rank)
                # Only deaths in a row count: a job that is taken shows that the group can work.
                box.deaths_without_work = 0
                if len(job.taken) == 1:
                    self._emit("taken", group, job.number)
                return Delivery(job=job.number, request=job.request, orders=job.orders)
            # A job here is one that this rank has finished and others have not: the group stays until all have.
            if box.is_ending and job is None:
                return None
            if not await self._change(box, deadline):
                return "nothing yet"
        return None

    async def finish(self, group: str, rank: int, job: int, result: Any, resident_mib: float) -> None:
        """Note that a rank ended its part of a job; the job is finished when all ranks have."""
        box = self._box(group)
        entry = box.current
        # The loss of another rank may have closed the job meanwhile.
        if entry is None or entry.number != job:
            return
        entry.finished[rank] = resident_mib
        # The other ranks send None.
        if rank == 0:
            entry.result = result
        if len(entry.finished) == box.world_size:
            self._close(group, box, "finished", (entry.result, max(entry.finished.values())))

    async def fail(self, group: str, rank: int, token: int | None, failure: RankFailure) -> None:
        """Note what a rank failed of (without a token: before it joined).

        Its job is over once all ranks have spoken or the group is gone, or after `SETTLE_S`. That a rank was told to go has a
        cause outside of it, which Ray knows: the controller sees its end, or is itself what ended.
        """
        box = self._box(group)
        # Of an earlier life, whose end was reported with its causes.
        if token is not None and box.tokens.get(rank) != token:
            return
        box.failures.append(failure)
        # It never joined: its cause is kept until the controller reports the loss of the group.
        if token is None:
            return
        # Where Ray told all ranks to go, their controller may have died: its death, still to come, is then the cause.
        if len(box.failures) == box.world_size and not all(map(_was_told_to_go, box.failures)):
            self._lose(group, ())
        elif len(box.failures) == 1:
            # Only the first failure starts a timer; it does nothing once the group has another life.
            asyncio.get_running_loop().call_later(SETTLE_S, self._settle, group, box.life)

    async def lost(self, group: str, failures: Sequence[RankFailure]) -> None:
        """Note that Ray saw workers of a group fail; the group's ranks are void until they join again."""
        self._lose(group, tuple(failures))

    async def hosted(self, group: str, host: str) -> None:
        """Note the node of a group's controller, without which the group ends."""
        self._box(group).host = host

    async def reserved(self) -> dict[str, str]:
        """Return for each group whose workers have all joined the id of what is reserved for them."""
        up = {name: box for name, box in self._groups.items() if box.world_size and len(box.tokens) == box.world_size}
        return {name: box.reserved for name, box in up.items()}

    async def last_reserved(self, group: str) -> str:
        """Return the id of what was reserved for a group's workers when they last joined, or ""."""
        return self._box(group).reserved

    async def ended(self, group: str, reason: str, has_lost_node: bool = False) -> None:
        """Note that a group's run is over for good.

        Args:
            reason: Why, or "" if it was asked to end.
            has_lost_node: Whether it ended with its node. Where only the controller died, Ray tells its workers to go, so
                that their words are no cause.
        """
        box = self._box(group)
        box.is_ending = True
        if reason:
            kinds = ("ActorDiedError",) if reason.startswith("ActorDiedError") else ("WorkerCrashedError",)
            causes = [one for one in box.failures if has_lost_node or not _was_told_to_go(one)]
            box.failures = [*causes, RankFailure(rank=-1, kinds=kinds, message=reason)]
        # A job that no rank took was not tried: it goes back without counting as an attempt.
        if box.current is not None:
            self._close(group, box, "failed" if box.current.taken else "returned", tuple(box.failures))
        # Whoever still waits in `take` or `orders` finds at its next wake-up that its life is over.
        box.tokens.clear()
        self._stir(box)
        self._emit("ended", group, -1, (reason,))

    async def tell(self, group: str, job: int, kind: str, values: tuple[Any, ...], number: int | None = None) -> None:
        """Pass on what a running job says.

        Args:
            number: Its place among the numbered events of the job, from 0 on: Ray may run a later call of a worker first, which
                then waits for the earlier one, at most until the job is over. None passes it on at once.
        """
        entry = self._box(group).current
        if number is None or entry is None or entry.number != job:
            self._emit(kind, group, job, values)
            return
        entry.early[number] = kind, values
        while entry.next_event in entry.early:
            kind, values = entry.early.pop(entry.next_event)
            self._emit(kind, group, job, values)
            entry.next_event += 1

    async def orders(self, group: str, rank: int, token: int, seen: int, timeout_s: float) -> tuple[int, str]:
        """Wait for an order to a rank that is newer than `seen`.

        Returns:
            The number of the order and "stop" or "abort", "" when there was none, "gone" when this life of the rank is over.
        """
        box = self._box(group)
        deadline = time.monotonic() + timeout_s
        while box.tokens.get(rank) == token:
            # By number, not by content: the second of two equal orders is new.
            if box.order[0] > seen:
                return box.order
            if not await self._change(box, deadline):
                return seen, ""
        return seen, "gone"

    async def order(self, group: str, order: Order) -> None:
        """Give a group an order: checkpoint and stop its job ("stop"), or leave at once ("abort").

        A job that no rank has taken goes back untried: the workers may need a long time to start, and would then run it.
        """
        box = self._box(group)
        box.order = (box.order[0] + 1, order)
        if box.current is not None and not box.current.taken:
            self._close(group, box, "returned", ())
        self._stir(box)

    async def end(self, group: str) -> None:
        """Let a group end after its current job."""
        box = self._box(group)
        box.is_ending = True
        self._stir(box)

    async def wait(self, timeout_s: float) -> bool:
        """Wait until there are events to drain; return False after the timeout."""
        if not self._events:
            # No await between the check and this line, so that no event is missed.
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), timeout_s)
            except TimeoutError:
                return False
        return True

    async def drain(self) -> list[Event]:
        """Return all events since the last call."""
        events, self._events = self._events, []
        return events

    def _box(self, group: str) -> _Group:
        return self._groups.setdefault(group, _Group(changed=asyncio.Event()))

    def _trial(self, trial: int) -> _Trial:
        return self._trials.setdefault(trial, _Trial(changed=asyncio.Event()))

    def _emit(self, kind: str, group: str, job: int = -1, values: tuple[Any, ...] = ()) -> None:
        self._events.append(Event(kind=kind, group=group, job=job, values=values, time=time.time()))
        self._news.set()

    def _stir(self, box: _Group) -> None:
        box.changed.set()
        # A new event in place of `clear`: those that wait on the old one find it set whenever they run.
        box.changed = asyncio.Event()

    async def _change(self, box: _Group, deadline: float) -> bool:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        try:
            # No await between the caller's check and this line, so that no change is missed.
            await asyncio.wait_for(box.changed.wait(), left)
        except TimeoutError:
            return False
        return True

    def _settle(self, group: str, life: int) -> None:
        if self._box(group).life == life:
            self._lose(group, ())

    def _lose(self, group: str, failures: tuple[RankFailure, ...]) -> None:
        box = self._box(group)
        box.tokens.clear()
        box.nodes.clear()
        box.life += 1
        # What a rank reported of itself says more than Ray's report of its death.
        said = {one.rank for one in box.failures}
        box.failures += [one for one in failures if one.rank not in said]
        causes, box.failures = tuple(box.failures), []
        # A job that nobody took stays for the next life of the group.
        if box.current is not None and box.current.taken:
            self._close(group, box, "failed", causes)
        else:
            box.deaths_without_work += 1
        self._emit("lost", group, -1, (causes, box.deaths_without_work))
        self._stir(box)

    def _close(self, group: str, box: _Group, kind: str, values: tuple[Any, ...]) -> None:
        job, box.current = box.current, None
        assert job is not None
        for number in sorted(job.early):
            said, what = job.early[number]
            self._emit(said, group, job.number, what)
        job.outcome = kind
        self._emit(kind, group, job.number, values)
        job.over.set()
        self._stir(box)


def _was_told_to_go(failure: RankFailure) -> bool:
    return failure.declared == JobPreempted.error_class
