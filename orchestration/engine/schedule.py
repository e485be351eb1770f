"""Which cell is next. `next_cell` is pure: it looks at a `ScheduleState` and says what to start, or to wait, or that all is over.

The order: higher priority first; training before evaluation, which fills what training cannot use; cells that would outlast
the rest of the sweep at once; then wide cells before narrow ones (so that nodes do not fragment), longest first. Until the
first cell has proved itself, cells run one at a time, the cheapest first. A warm group is ended for another shape only when no
waiting cell can use it.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from clusters.placement import GroupShape, Node, Placement, Room

URGENT_SHARE = 0.1
"""A cell that takes more than this share of the seconds that all the rest needs on all resources starts before wider ones.

Small, since estimates may be wrong by a factor of two and a cell may fail near its end: it must not be the last to run.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A cell with something left to do.

    Attributes:
        order: Its place in the plan, which breaks ties.
        seconds: Estimated seconds, with those of the longest chain of cells that wait for it.
        shapes: Group shapes that it may run on, preferred first.
        priority: Higher first.
        parents: Keys that must be done before it.
        evaluation_only: Whether its training is recorded, so that it only fills in benchmarks.
    """

    key: str
    order: int
    seconds: float
    shapes: tuple[GroupShape, ...]
    priority: int = 0
    parents: frozenset[str] = frozenset()
    evaluation_only: bool = False

    @property
    def lane(self) -> tuple[int, bool, tuple[GroupShape, ...]]:
        """What decides which cells wait in one line, the longest first."""
        return (-self.priority, self.evaluation_only, self.shapes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start a cell on a warm group, or on a new group at `placement` after the groups in `evict` have ended."""

    key: str
    shape: GroupShape
    group: str | None = None
    placement: Placement | None = None
    evict: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing can start now; ask again after an event, or at `until` (seconds on the caller's clock)."""

    reason: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing is left to start and nothing runs."""


@dataclass(slots=True)
class _Group:
    placement: Placement
    running: str | None = None
    is_resting: bool = False


class ScheduleState:
    """What waits, runs and is over, and which groups are where; changed only through its methods."""

    def __init__(
        self,
        candidates: Iterable[Candidate],
        nodes: Sequence[Node],
        *,
        max_concurrent: int | None = None,
        canary: bool = False,
    ) -> None:
        self.room = Room(nodes)
        self.max_concurrent = max_concurrent
        self.has_proved_itself = not canary
        self.groups: dict[str, _Group] = {}
        self.running: dict[str, str] = {}
        self.over: dict[str, bool] = {}
        self._candidates = {candidate.key: candidate for candidate in candidates}
        self._lanes: dict[tuple[int, bool, tuple[GroupShape, ...]], list[tuple[float, int, str]]] = {}
        # A parent outside of the plan is recorded: it counts as done.
        self._missing = {
            key: {parent for parent in candidate.parents if parent in self._candidates}
            for key, candidate in self._candidates.items()
        }
        self._children: dict[str, list[str]] = {}
        self._postponed: list[tuple[float, str]] = []
        self._open_work = 0.0
        for key, candidate in self._candidates.items():
            self._open_work += _work(candidate)
            for parent in self._missing[key]:
                self._children.setdefault(parent, []).append(key)
            if not self._missing[key]:
                self._enqueue(candidate)

    def started(self, key: str, group: str, placement: Placement | None = None) -> None:
        """Note that a cell runs on a group; `placement` if the group is new."""
        candidate = self._candidates[key]
        self._dequeue(candidate)
        if placement is not None:
            self.room.reserve(placement)
            self.groups[group] = _Group(placement)
        self.groups[group].running = key
        self.running[key] = group

    def stopped_running(self, key: str) -> None:
        """Note that a cell's attempt ended; its group, if it still exists, is idle now."""
        group = self.running.pop(key)
        if group in self.groups:
            self.groups[group].running = None

    def rest(self, group: str, is_resting: bool) -> None:
        """Hold a group back from its next cell, or let it have one."""
        if group in self.groups:
            self.groups[group].is_resting = is_resting

    def group_ended(self, group: str) -> None:
        """Note that a group gave its resources back."""
        self.room.release(self.groups.pop(group).placement)

    def group_added(self, group: str, placement: Placement) -> None:
        """Note a group that was started ahead of its first cell."""
        self.room.reserve(placement)
        self.groups[group] = _Group(placement)

    def done(self, key: str) -> None:
        """Note that a cell is complete; cells that waited for it may start."""
        self._close(key, True)
        for child in self._children.get(key, ()):
            self._missing[child].discard(key)
            # It may have been given up through another parent.
            if not self._missing[child] and child not in self.over:
                self._enqueue(self._candidates[child])

    def given_up(self, key: str) -> tuple[str, ...]:
        """Note that a cell will not be completed; return the cells that can never start because of it, now over too."""
        self._close(key, False)
        lost: list[str] = []
        for child in self._children.get(key, ()):
            # A child of two parents may be over through the other one.
            if child not in self.over:
                lost += [child, *self.given_up(child)]
        return tuple(lost)

    def again(self, key: str, *, shapes: tuple[GroupShape, ...] | None = None) -> None:
        """Queue a cell whose attempt failed once more, perhaps for other shapes."""
        if shapes is not None:
            self.reshape(key, shapes)
        self._enqueue(self._candidates[key])

    def reshape(self, key: str, shapes: tuple[GroupShape, ...]) -> None:
        """Let a cell that is not running and not over run on other shapes from now on."""
        if key in self.running or key in self.over or self._candidates[key].shapes == shapes:
            return
        candidate = self._candidates[key]
        # Before its shapes change, which decide its lane.
        is_queued = self._dequeue(candidate)
        self._open_work += _work(replace(candidate, shapes=shapes)) - _work(candidate)
        self._candidates[key] = candidate = replace(candidate, shapes=shapes)
        if is_queued:
            self._enqueue(candidate)

    def postpone(self, key: str, until: float) -> None:
        """Leave a waiting cell alone until a time on the caller's clock (another driver holds it)."""
        self._dequeue(self._candidates[key])
        heapq.heappush(self._postponed, (until, key))

    def wake(self, now: float) -> None:
        """Queue the postponed cells whose time has come."""
        while self._postponed and self._postponed[0][0] <= now:
            key = heapq.heappop(self._postponed)[1]
            # A cell can be given up while it is postponed, through its parent.
            if key not in self.over:
                self._enqueue(self._candidates[key])

    def heads(self) -> list[Candidate]:
        """Return the first waiting cell of each kind, best first (see the head of this module)."""
        # Where all nodes have left there is no width to divide by.
        rest_s = self._open_work / max(1e-9, self._total_width())
        # Lanes are sorted, so that only their heads compete: each event asks, and ten thousand cells may wait.
        heads = [self._candidates[lane[0][2]] for lane in self._lanes.values() if lane]
        return sorted(heads, key=lambda head: _rank(head, rest_s))

    def cheapest(self) -> list[Candidate]:
        """Return the last waiting cell of each kind."""
        # The longest is first in a lane.
        return [self._candidates[lane[-1][2]] for lane in self._lanes.values() if lane]

    def waiting(self) -> int:
        """Return how many cells wait for room."""
        return sum(map(len, self._lanes.values()))

    def next_wake(self) -> float | None:
        """Return when the first postponed cell is to be looked at, or None."""
        return self._postponed[0][0] if self._postponed else None

    def idle_groups(self) -> Mapping[str, Placement]:
        """Return the warm groups that could have work and have none, the oldest first."""
        return {
            name: group.placement
            for name, group in self.groups.items()
            if group.running is None and not group.is_resting
        }

    def wants_shape(self, shape: GroupShape) -> bool:
        """Return whether a cell that is neither running nor over could use a group of this shape."""
        return any(
            shape in candidate.shapes
            for key, candidate in self._candidates.items()
            if key not in self.over and key not in self.running
        )

    def _enqueue(self, candidate: Candidate) -> None:
        insort(self._lanes.setdefault(candidate.lane, []), (-candidate.seconds, candidate.order, candidate.key))

    def _dequeue(self, candidate: Candidate) -> bool:
        """Take a cell out of its lane; return False if it was not there."""
        lane = self._lanes.get(candidate.lane, [])
        entry = (-candidate.seconds, candidate.order, candidate.key)
        if entry not in lane:
            return False
        lane.remove(entry)
        return True

    def _close(self, key: str, is_done: bool) -> None:
        if key in self.over:
            return
        self.over[key] = is_done
        candidate = self._candidates[key]
        self._open_work -= _work(candidate)
        self._dequeue(candidate)

    def _total_width(self) -> float:
        has_gpus = any(node.gpus for node in self.room.nodes)
        return sum(node.gpus if has_gpus else node.cpus for node in self.room.nodes)


def next_cell(state: ScheduleState) -> Start | Wait | Finished:
    """Say what to start next, or why nothing can start now. Changes nothing."""
    heads = state.heads()
    if not heads:
        # What runs may still free its children, or fail and be queued again.
        if state.running:
            return Wait(reason="cells are running", until=state.next_wake())
        until = state.next_wake()
        return Finished() if until is None else Wait(reason="another driver holds the rest", until=until)
    if state.max_concurrent is not None and len(state.running) >= state.max_concurrent:
        return Wait(reason=f"{state.max_concurrent} cells at once are allowed", until=state.next_wake())
    if not state.has_proved_itself:
        if state.running:
            return Wait(reason="the first cell has to prove itself", until=state.next_wake())
        heads = [_canary(state)]
    idle = state.idle_groups()
    for head in heads:
        start = _start_without_harm(state, head, idle)
        if start is not None:
            return start
    # A second round: no group is ended while any waiting cell could start without that.
    if idle:
        for head in heads:
            start = _start_after_ending_groups(state, head, idle)
            if start is not None:
                return start
    return Wait(reason="the resources are taken", until=state.next_wake())


def _canary(state: ScheduleState) -> Candidate:
    # Training first: an evaluation would not show that cells can be trained.
    return min(state.cheapest(), key=lambda one: (one.evaluation_only, one.seconds, one.order))


def _start_without_harm(state: ScheduleState, head: Candidate, idle: Mapping[str, Placement]) -> Start | None:
    # A warm group of any of its shapes comes before a new one of the first: a start costs seconds.
    for shape in head.shapes:
        for group, placement in idle.items():
            if placement.shape == shape:
                return Start(key=head.key, shape=shape, group=group)
    # Spares the search on a full cluster, which would be done for every head.
    if state.room.is_exhausted:
        return None
    for shape in head.shapes:
        found = state.room.place(shape)
        if found is not None:
            return Start(key=head.key, shape=shape, placement=found)
    return None


def _start_after_ending_groups(state: ScheduleState, head: Candidate, idle: Mapping[str, Placement]) -> Start | None:
    for shape in head.shapes:
        # Tried on a copy, since deciding changes nothing.
        room, evict = state.room.copy(), []
        for group, placement in idle.items():
            room.release(placement)
            evict.append(group)
            found = room.place(shape)
            if found is not None:
                return Start(key=head.key, shape=shape, placement=found, evict=tuple(evict))
    return None


def _work(candidate: Candidate) -> float:
    return candidate.seconds * candidate.shapes[0].width


def _rank(head: Candidate, rest_s: float) -> tuple[int, bool, bool, float, float, int]:
    is_urgent = head.seconds >= URGENT_SHARE * rest_s
    width = head.shapes[0].width
    return (
        -head.priority,
        head.evaluation_only,
        not is_urgent,
        # Among urgent cells width does not count, or a long narrow one would be the last to run.
        0.0 if is_urgent else -width,
        -head.seconds,
        head.order,
    )
