"""What a schedule knows: which cells wait, run and are over, which groups are where, and how wide a cell may start now."""

from __future__ import annotations

import heapq
import math
from bisect import insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from clusters.placement import GroupShape, Node, Placement, Room
from orchestration.engine.widening import Outlook, Pace, time_on

URGENT_SHARE: Final = 0.1
"""A cell that takes more than this share of the seconds that all the rest needs on all resources starts before wider ones.

Small, since estimates may be wrong by a factor of two and a cell may fail near its end: it must not be the last to run.
"""

MISESTIMATED: Final = 1.5
"""By how much a cell may be estimated as longer than others that are as long: it must not take their workers."""

OVERDUE: Final = 1.1
"""Share of its estimate up to which a running cell is expected to end soon; after that nobody knows."""

_ROUNDING: Final = 1.01
"""Equal cells whose seconds were added up and taken away many times still count as equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A cell with something left to do.

    Attributes:
        order: Its place in the plan, which breaks ties.
        seconds: Estimated seconds, with those of the longest chain of cells that wait for it.
        chain_s: What of it is of the cells that wait for it.
        shapes: Group shapes that it may run on, preferred first; of a cell that widens, the narrowest first.
        widens: Whether it takes a wider shape where workers would be idle otherwise.
        priority: Higher first.
        parents: Keys that must be done before it.
        evaluation_only: Whether its training is recorded, so that it only fills in benchmarks.
    """

    key: str
    order: int
    seconds: float
    shapes: tuple[GroupShape, ...]
    chain_s: float = 0.0
    widens: bool = False
    priority: int = 0
    parents: frozenset[str] = frozenset()
    evaluation_only: bool = False

    @property
    def own_s(self) -> float:
        """Estimated seconds of the cell itself."""
        return self.seconds - self.chain_s

    @property
    def lane(self) -> tuple[int, bool, tuple[GroupShape, ...]]:
        """What decides which cells wait in one line, the longest first."""
        return (-self.priority, self.evaluation_only, self.shapes)


@dataclass(slots=True)
class _Group:
    """A group that is up.

    Attributes:
        by_node: Node -> its workers there.
        lasts_s: Estimated seconds of what it runs, on its workers.
    """

    placement: Placement
    by_node: Mapping[int, int]
    running: str | None = None
    started_at: float = 0.0
    lasts_s: float = 0.0
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
        self._waiting_s = 0.0
        self.now = 0.0
        self._lasted: dict[str, tuple[float, float]] = {}
        self.pace = Pace()
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
            self.groups[group] = _Group(placement, Counter(placement.nodes))
        self.groups[group].running = key
        self.groups[group].started_at = self.now
        self.groups[group].lasts_s = _seconds_on(candidate, self.groups[group])
        self.running[key] = group

    def stopped_running(self, key: str) -> None:
        """Note that a cell's attempt ended; its group, if it still exists, is idle now."""
        group = self.groups.get(self.running.pop(key))
        if group is not None:
            group.running = None
            self._lasted[key] = (group.lasts_s, self.now - group.started_at)

    def rest(self, group: str, is_resting: bool) -> None:
        """Hold a group back from its next cell, or let it have one."""
        if group in self.groups:
            self.groups[group].is_resting = is_resting

    def group_ended(self, group: str) -> None:
        """Note that a group gave its resources back."""
        self.room.release(self.groups.pop(group).placement)

    def group_lost(self, group: str) -> None:
        """Note that a group is over whose resources nobody else may have: its cell, if any, still counts as running."""
        self.groups.pop(group, None)

    def group_added(self, group: str, placement: Placement) -> None:
        """Note a group that was started ahead of its first cell."""
        self.room.reserve(placement)
        self.groups[group] = _Group(placement, Counter(placement.nodes))

    def done(self, key: str) -> None:
        """Note that a cell is complete; cells that waited for it may start."""
        self._close(key, True)
        if key in self._lasted:
            self.pace.note(*self._lasted.pop(key))
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
        """Leave a cell that does not run alone until a time on the caller's clock (another driver holds it)."""
        self._dequeue(self._candidates[key])
        heapq.heappush(self._postponed, (until, key))

    def wake(self, now: float) -> None:
        """Note the time on the caller's clock, and queue the postponed cells whose time has come."""
        self.now = now
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

    def width_now(self, candidate: Candidate) -> int | None:
        """Return on how many workers a waiting cell that widens should start now, or None if it should wait for more."""
        one = replace(candidate.shapes[0], num_workers=1)
        nodes = self._profiles(one, candidate.own_s)
        # As many cells as long as this one have as much to do as all that wait.
        alike = MISESTIMATED * self._waiting_s / candidate.seconds if candidate.seconds > 0 else self.waiting()
        cells = max(1, math.ceil(min(alike, self.waiting()) / _ROUNDING))
        widths = [shape.num_workers for shape in candidate.shapes]
        if self.max_concurrent is not None:
            # With fewer cells at once than workers, the narrowest would leave some idle whatever waits.
            total = sum(workers for profile in nodes for _, workers in profile)
            least = max((width for width in widths if width * self.max_concurrent <= total), default=widths[0])
            widths = [width for width in widths if width >= least]
        outlook = Outlook(
            cells=cells, nodes=nodes, node_size=max(Room(self.room.nodes).workers_by_node(one)), widths=widths
        )
        return outlook.next_width(may_wait=self.pace.is_known)

    def first_shape(self, candidate: Candidate) -> GroupShape:
        """Return the shape that a waiting cell would start on now."""
        width = self.width_now(candidate) if candidate.widens else None
        return next((shape for shape in candidate.shapes if shape.num_workers == width), candidate.shapes[0])

    def _profiles(self, one: GroupShape, alone_s: float) -> list[list[tuple[float, int]]]:
        """Return for each node when how many of its workers are free, in times of a cell alone; overdue ones are left out.

        Args:
            one: The shape of a single worker.
            alone_s: Estimated seconds of that cell.
        """
        profiles = [[(0.0, workers)] if workers else [] for workers in self.room.workers_by_node(one)]
        for group in self.groups.values():
            shape = group.placement.shape
            if not _is_of(shape, one) or (group.is_resting and group.running is None):
                continue
            left_s = 0.0
            if group.running is not None:
                left_s = group.lasts_s * OVERDUE - self.pace.estimated(self.now - group.started_at)
                if left_s <= 0 or alone_s <= 0:
                    continue
            for node, workers in group.by_node.items():
                profiles[node].append((left_s / alone_s if left_s else 0.0, workers))
        return profiles

    def wants_shape(self, shape: GroupShape) -> bool:
        """Return whether a cell that is neither running nor over could use a group of this shape."""
        return any(
            shape in candidate.shapes
            for key, candidate in self._candidates.items()
            if key not in self.over and key not in self.running
        )

    def _enqueue(self, candidate: Candidate) -> None:
        self._waiting_s += candidate.seconds
        insort(self._lanes.setdefault(candidate.lane, []), (-candidate.seconds, candidate.order, candidate.key))

    def _dequeue(self, candidate: Candidate) -> bool:
        """Take a cell out of its lane; return False if it was not there."""
        lane = self._lanes.get(candidate.lane, [])
        entry = (-candidate.seconds, candidate.order, candidate.key)
        if entry not in lane:
            return False
        lane.remove(entry)
        self._waiting_s -= candidate.seconds
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


def _is_of(shape: GroupShape, one: GroupShape) -> bool:
    """Return whether a group's workers reserve what a single worker does."""
    return (shape.cpus_per_worker, shape.gpus_per_worker, shape.accelerator) == (
        one.cpus_per_worker,
        one.gpus_per_worker,
        one.accelerator,
    )


def _seconds_on(candidate: Candidate, group: _Group) -> float:
    """Return the estimated seconds of a cell on a group."""
    return candidate.own_s * time_on(group.placement.shape.num_workers, max(group.by_node.values()))


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
