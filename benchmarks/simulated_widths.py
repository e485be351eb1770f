"""What `--workers auto` gains: ImageNet cells on 64 GPUs on a virtual clock, against one worker a cell and against eight.

The policy is the product's own `next_cell`. A cell takes 40 hours on one GPU, give or take 2 %. On w workers a step takes 1/w of
its time and a ring's share (w - 1)/w of the sum of gradients, which for ResNet-50 on eight workers and with overlap is 8 % of a
step on one node (PCIe) and 35 % over 25 Gbit Ethernet (estimates).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.simulated_cluster import Spent, play
from clusters.placement import GroupShape, Node, Placement
from orchestration.engine.schedule_state import Candidate, ScheduleState

NODES: Final = 8
GPUS: Final = 8
"""GPUs of each node."""

CELL_S: Final = 40 * 3600.0
JITTER: Final = 0.02
WIDEST: Final = 8
SUM_ON_A_NODE: Final = 0.08
SUM_BETWEEN_NODES: Final = 0.35
"""Share of a step that the sum of gradients takes on eight workers, after overlap."""

CELLS: Final = (1, 4, 16, 24, 36, 65, 100, 128, 300)


@dataclass(frozen=True, kw_only=True)
class Widths:
    """One sweep: hours from start to end and GPU-hours, for each way to choose the workers of a cell."""

    cells: int
    one: Spent
    auto: Spent
    eight: Spent


def step_share(workers: int, *, is_one_node: bool) -> float:
    """Return the time of a step on so many workers, where it is 1 on one."""
    share = SUM_ON_A_NODE if is_one_node else SUM_BETWEEN_NODES
    on_eight = share / (1 - share) / WIDEST
    return 1 / workers + on_eight * ((workers - 1) / workers) / ((WIDEST - 1) / WIDEST)


def simulate_widths(cells: int, *, seed: int = 0) -> Widths:
    """Run a sweep of equal cells in the three ways."""
    shapes = [GroupShape(num_workers=count, cpus_per_worker=8.0, gpus_per_worker=1.0) for count in (1, 2, 4, 8)]
    return Widths(
        cells=cells,
        one=_run(cells, shapes[:1], widens=False, seed=seed),
        auto=_run(cells, shapes, widens=True, seed=seed),
        eight=_run(cells, shapes[-1:], widens=False, seed=seed),
    )


def _run(cells: int, shapes: Sequence[GroupShape], *, widens: bool, seed: int) -> Spent:
    import numpy as np

    from augment.kernels.counters import SampleKeys, uniforms

    draws = uniforms(SampleKeys(seed, 0, np.arange(cells)), 1, stream="simulated-widths")[:, 0]
    truth = CELL_S * (1 + JITTER * (2 * draws - 1))
    candidates = [
        Candidate(key=str(index), order=index, seconds=CELL_S, shapes=tuple(shapes), widens=widens)
        for index in range(cells)
    ]

    def seconds(key: str, placement: Placement) -> float:
        is_one_node = len(set(placement.nodes)) == 1
        return float(truth[int(key)]) * step_share(placement.shape.num_workers, is_one_node=is_one_node)

    nodes = [Node(name=f"node-{index}", cpus=8.0 * GPUS, gpus=GPUS) for index in range(NODES)]
    return play(ScheduleState(candidates, nodes), seconds, [(1.0, 1.0)] * cells, 0.0)


def table(found: Sequence[Widths]) -> str:
    """Return the sweeps as a Markdown table."""
    lines = [
        f"ImageNet cells on {NODES * GPUS} GPUs | one worker: hours | auto: hours | eight workers: hours | auto / one | "
        "auto: more GPU-hours",
        "---|---|---|---|---|---",
    ]
    for each in found:
        hours = [spent.clock_s / 3600 for spent in (each.one, each.auto, each.eight)]
        more = each.auto.busy_gpu_s / each.one.busy_gpu_s - 1
        lines.append(
            f"{each.cells} | {hours[0]:.1f} | {hours[1]:.1f} | {hours[2]:.1f} | {hours[1] / hours[0]:.2f} | {more:.0%}"
        )
    return "\n".join(f"| {line} |" for line in lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=list(CELLS), help="cells of each sweep")
    print(table([simulate_widths(cells) for cells in parser.parse_args().cells]))


if __name__ == "__main__":
    main()
