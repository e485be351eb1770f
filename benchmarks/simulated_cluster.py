"""The scheduling policy on a virtual clock: nodes, cells of mixed sizes, failures; no Ray, no waiting.

The policy is the product's own `next_cell`; only time and failures are made up, from counter-based draws.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clusters.placement import GroupShape, Node, Placement
from orchestration.engine.schedule import Finished, Start, next_cell
from orchestration.engine.schedule_state import Candidate, ScheduleState

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIZES: Final = ((1, 0.70), (2, 0.15), (4, 0.10), (8, 0.05))
"""GPUs per cell and their shares of all cells."""

START_S: Final = 30.0
"""Seconds that a new group takes to come up."""

SHORTEST_S: Final = 600.0
LONGEST_S: Final = 14_400.0


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What came of a simulated sweep.

    Attributes:
        makespan_s: Virtual seconds from start to end.
        busy_gpu_s: GPU-seconds of groups that were running a cell, failed attempts included.
        useful_gpu_s: GPU-seconds of attempts that succeeded.
        gpus: GPUs of the cluster.
        attempts: Attempts at all cells.
        bound_s: Smallest possible makespan for this work, from GPU-seconds and the longest cell.
    """

    makespan_s: float
    busy_gpu_s: float
    useful_gpu_s: float
    gpus: int
    attempts: int
    bound_s: float

    @property
    def utilisation(self) -> float:
        """Share of all GPU-seconds up to the end that ran a cell."""
        return self.busy_gpu_s / (self.makespan_s * self.gpus)


def simulate(*, nodes: int, gpus_per_node: int, cells: int, failure_share: float, seed: int = 0) -> Simulation:
    """Run a made-up sweep through the policy on a virtual clock.

    Args:
        nodes: Machines.
        gpus_per_node: GPUs of each.
        cells: Cells, of 1 to 8 GPUs, between 10 minutes and 4 hours, estimated within a factor of two.
        failure_share: Share of attempts that fail, at a random moment, and are tried again on a new group.
        seed: Seed of sizes, times and failures.
    """
    import numpy as np

    truth, estimates, shapes = _cells(cells, gpus_per_node, seed)
    fates = _draws(seed, np.arange(4 * cells), "fates", 2)
    state = ScheduleState(
        [
            Candidate(key=str(index), order=index, seconds=float(estimates[index]), shapes=(shapes[index],))
            for index in range(cells)
        ],
        [Node(name=f"node-{index}", cpus=8.0 * gpus_per_node, gpus=gpus_per_node) for index in range(nodes)],
    )
    spent = play(state, lambda key, _: float(truth[int(key)]), fates, failure_share)
    work = sum(float(truth[index]) * shapes[index].width for index in range(cells))
    bound = max(work / (nodes * gpus_per_node), float(truth.max()))
    return Simulation(
        makespan_s=spent.clock_s,
        busy_gpu_s=spent.busy_gpu_s,
        useful_gpu_s=spent.useful_gpu_s,
        gpus=nodes * gpus_per_node,
        attempts=spent.attempts,
        bound_s=bound,
    )


@dataclass(slots=True)
class Spent:
    """What has been spent so far on the virtual clock."""

    clock_s: float = 0.0
    busy_gpu_s: float = 0.0
    useful_gpu_s: float = 0.0
    attempts: int = 0


def play(
    state: ScheduleState,
    seconds: Callable[[str, Placement], float],
    fates: Sequence[Sequence[float]] | NDArray[np.float64],
    failure_share: float,
) -> Spent:
    """Let the schedule decide and the virtual clock run until nothing is left.

    Args:
        seconds: How long a cell takes on a group, by its key and the group's placement.
        fates: Two draws in [0, 1) for each attempt: whether it fails, and after which share of its time.
        failure_share: Share of attempts that fail.
    """
    spent = Spent()
    running: list[tuple[float, str, str, bool]] = []
    names = (f"group-{number}" for number in itertools.count())
    while not isinstance(decision := next_cell(state), Finished):
        if isinstance(decision, Start):
            for name in decision.evict:
                state.group_ended(name)
            group = decision.group or next(names)
            state.started(decision.key, group, decision.placement)
            whole_s = seconds(decision.key, state.groups[group].placement)
            lasts_s, fails = _attempt(whole_s, failure_share, fates[spent.attempts])
            gpu_s = lasts_s * decision.shape.width
            spent.attempts += 1
            spent.busy_gpu_s += gpu_s
            spent.useful_gpu_s += 0.0 if fails else gpu_s
            begins = spent.clock_s + (0.0 if decision.group else START_S)
            heapq.heappush(running, (begins + lasts_s, decision.key, group, fails))
            continue
        spent.clock_s, key, group, fails = heapq.heappop(running)
        state.wake(spent.clock_s)
        state.stopped_running(key)
        if fails:
            state.group_ended(group)
            state.again(key)
        else:
            state.done(key)
    return spent


def _cells(
    count: int, gpus_per_node: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[GroupShape]]:
    """Return true seconds (log-uniform over 10 minutes to 4 hours), estimates and sizes."""
    import numpy as np

    draws = _draws(seed, np.arange(count), "cells", 3)
    truth = SHORTEST_S * (LONGEST_S / SHORTEST_S) ** draws[:, 0]
    estimates = truth * 2.0 ** (2 * draws[:, 1] - 1)
    shares = np.cumsum([share for _, share in SIZES])
    chosen = np.minimum(np.searchsorted(shares, draws[:, 2], side="right"), len(SIZES) - 1)
    shapes = [
        GroupShape(num_workers=min(SIZES[index][0], gpus_per_node), cpus_per_worker=1.0, gpus_per_worker=1.0)
        for index in chosen
    ]
    return truth, estimates, shapes


def _attempt(seconds: float, failure_share: float, fate: Sequence[float] | NDArray[np.float64]) -> tuple[float, bool]:
    """Return how long an attempt lasts and whether it fails."""
    return (seconds * float(fate[1]), True) if fate[0] < failure_share else (seconds, False)


def _draws(seed: int, indices: NDArray[np.int64], stream: str, slots: int) -> NDArray[np.float64]:
    """Return uniform draws in [0, 1), (N, slots)."""
    from augment.kernels.counters import SampleKeys, uniforms

    return uniforms(SampleKeys(seed, 0, indices), slots, stream=f"simulated-{stream}")
