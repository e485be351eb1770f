"""How the product holds up at size: the scheduling policy on a virtual cluster of 100 nodes with 8 GPUs each and 10,000 cells.

Utilisation is the share of all GPU-seconds, up to the end of the sweep, in which a cell ran; the peer is a cluster whose GPUs
never idle. Cells take 1 to 8 GPUs and 10 minutes to 4 hours, estimates are wrong by up to a factor of two, 5 % of attempts fail.
"""

from __future__ import annotations

import time
from typing import Final

from benchmarks.harness import Case, Measurement, Report, parser, show
from benchmarks.simulated_cluster import Simulation, simulate

UTILISATION_TARGET: Final = 0.97
CPU_LIMIT_S: Final = 60.0
ROUNDS: Final = 5


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; see the module."""
    reader = parser("scale", "The scheduling policy on a virtual clock: 100 nodes of 8 GPUs, 10,000 cells, failures.")
    options = reader.parse_args(arguments)
    nodes, cells = (20, 2_000) if options.quick else (100, 10_000)
    show(schedule_report(nodes=nodes, cells=cells, rounds=2 if options.quick else ROUNDS), as_json=options.json)


def schedule_report(*, nodes: int, cells: int, rounds: int) -> Report:
    """Simulate one sweep per seed; return utilisation and the CPU time that the policy itself took."""
    found: list[Simulation] = []
    cpu_s: list[float] = []
    for seed in range(rounds):
        started = time.process_time()
        found.append(simulate(nodes=nodes, gpus_per_node=8, cells=cells, failure_share=0.05, seed=seed))
        cpu_s.append(time.process_time() - started)
    hours = sum(one.makespan_s for one in found) / len(found) / 3600
    return Report(
        benchmark="scale",
        measurements=[
            Measurement(
                case=_case("GPU-seconds of the virtual cluster", "GPUs never idle", UTILISATION_TARGET),
                ours_s=tuple(one.makespan_s * one.gpus for one in found),
                peer_s=tuple(one.busy_gpu_s for one in found),
            ),
            Measurement(
                case=_case("CPU seconds of the policy", "the limit", 1.0),
                ours_s=tuple(cpu_s),
                peer_s=(CPU_LIMIT_S,) * rounds,
            ),
        ],
        notes=(
            f"{nodes} nodes of 8 GPUs, {cells} cells, {found[0].attempts} attempts, {hours:.1f} virtual hours",
            f"lowest utilisation of {rounds} sweeps: {min(one.utilisation for one in found):.4f}",
        ),
    )


def _case(name: str, peer_name: str, target: float) -> Case:
    def by_hand() -> None:
        raise AssertionError("this case is measured by the module itself")

    return Case(name=name, ours=by_hand, peer=by_hand, peer_name=peer_name, target=target)


if __name__ == "__main__":
    main()
