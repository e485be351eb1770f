"""On how many workers a cell starts where there may be more workers than cells, and when it waits for more. Pure arithmetic.

What counts is when all that waits would be done, if as many cells as have room now start on so many workers each, and the rest
later on whatever is best for it. All cells count as long as the next one, which is the longest, so that there are fewer of them;
times are in those that it would take on one worker.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

COST_ON_A_NODE: Final = 0.03
COST_BETWEEN_NODES: Final = 0.15
"""By how much twice the workers fall short of half the time: sums of gradients that are not hidden behind the computation.

ResNet-50 on eight GPUs of one node loses 1 % (NVLink) to 8 % (PCIe) of a step, on eight nodes 35 % (25 Gbit Ethernet): these are
estimates, on which only preferences hang.
"""

WORTH: Final = 0.05
"""Share of the time until all is done by which wider cells must shorten it: they cost more GPU-hours."""

WAIT_WORTH: Final = 0.1
"""Share of that time by which waiting for more workers must shorten it: cells may take longer than was estimated."""

MOST_WAVES: Final = 2
"""With so many cells for each worker, how the last of them will run is no concern yet."""

Profile = Sequence[tuple[float, int]]
"""When how many workers of a node are free: at 0 now, else at the end of what runs, in times of a cell on one worker."""


def time_on(workers: int, node_size: int) -> float:
    """Return the time of a cell on so many workers, where it is 1 on one.

    Args:
        node_size: Most workers that are on one node.
    """
    cost = COST_ON_A_NODE if workers <= node_size else COST_BETWEEN_NODES
    return float((1 + cost) ** math.log2(workers) / workers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is to be done, and on what.

    Attributes:
        cells: Cells that wait, at least 1.
        nodes: The workers of each node, without those of which nobody knows when they are free.
        node_size: Workers of the largest node; a wider cell runs on several.
        widths: What a cell may run on, ascending.
    """

    cells: int
    nodes: Sequence[Profile]
    node_size: int
    widths: Sequence[int]

    def next_width(self, *, may_wait: bool = True) -> int | None:
        """Return on how many workers the next cell should start now, or None if it should wait until a running one ends.

        Where not even the narrowest has room, that is returned.
        """
        now = [[(time, workers) for time, workers in profile if time <= 0] for profile in self.nodes]
        possible = [width for width in self.widths if self._slots(now, width)]
        total = sum(workers for profile in self.nodes for _, workers in profile)
        if not possible or self.cells >= MOST_WAVES * total:
            return self.widths[0]
        times = {width: self._after_starting(width) for width in possible}
        fastest = min(times.values())
        chosen = next(width for width in possible if times[width] * (1 - WORTH) <= fastest)
        ends = [time for profile in self.nodes for time, _ in profile if time > 0]
        if may_wait and ends and possible[-1] < self.widths[-1]:
            first = min(ends)
            later = [[(max(time, first), workers) for time, workers in profile] for profile in self.nodes]
            if self._soonest(self.cells, later) < times[chosen] * (1 - WAIT_WORTH):
                return None
        return chosen

    def _after_starting(self, width: int) -> float:
        """Return when all are done if as many cells as have room start now on so many workers each."""
        own, left, later = time_on(width, self.node_size), self.cells, []
        nodes = self.nodes if width <= self.node_size else _as_one(self.nodes)
        for profile in nodes:
            free = sum(workers for time, workers in profile if time <= 0)
            started = min(left, free // width)
            left -= started
            running = [one for one in profile if one[0] > 0]
            later.append([*running, (0.0, free - started * width), (own, started * width)])
        return max(own, self._soonest(left, later))

    def _soonest(self, cells: int, nodes: Sequence[Profile]) -> float:
        """Return when so many cells are done at the earliest, all on equally many workers."""
        return min(
            _time_of_all(cells, self._slots(nodes, width), time_on(width, self.node_size)) for width in self.widths
        )

    def _slots(self, nodes: Sequence[Profile], width: int) -> list[float]:
        """Return when a cell could start on so many workers, for each that could."""
        found: list[float] = []
        for profile in nodes if width <= self.node_size else _as_one(nodes):
            workers = 0
            for time, more in sorted(profile):
                workers += more
                found += [time] * (workers // width)
                workers %= width
        return found


def _as_one(nodes: Sequence[Profile]) -> list[Profile]:
    return [[one for profile in nodes for one in profile]]


def _time_of_all(cells: int, slots: list[float], own: float) -> float:
    """Return when so many equal cells are done, the next one always in the slot that is free first."""
    if cells <= 0:
        return 0.0
    if not slots:
        return math.inf
    heapq.heapify(slots)
    done = 0.0
    for _ in range(cells):
        done = slots[0] + own
        heapq.heapreplace(slots, done)
    return done


class Pace:
    """What the ends of cells teach about those that run: real seconds for each estimated one.

    Estimates of cells are right in their ratios only.
    """

    def __init__(self) -> None:
        self._estimated_s = 0.0
        self._real_s = 0.0

    def note(self, estimated_s: float, real_s: float) -> None:
        """Note a cell that is complete, with its estimate on as many workers as it had."""
        self._estimated_s += estimated_s
        self._real_s += real_s

    @property
    def is_known(self) -> bool:
        """Whether a cell has ended."""
        return self._estimated_s > 0

    def estimated(self, real_s: float) -> float:
        """Return real seconds in estimated ones, once that is known."""
        return real_s * self._estimated_s / self._real_s if self._real_s > 0 else 0.0
