"""How the product holds up at size: scheduling on a virtual cluster, reading a large store, many writers, many raylets.

The policy runs on a virtual clock with 100 nodes of 8 GPUs and 10,000 cells. Utilisation is the share of all GPU-seconds, up to
the end of the sweep, in which a cell ran; the peer is a cluster whose GPUs never idle. Cells take 1 to 8 GPUs and 10 minutes to 4
hours, estimates are wrong by up to a factor of two, 5 % of attempts fail.
The store holds 10,000 cells; `status` and `table` of a sweep of 1,000 of them run in processes of their own, in CPU seconds; on
an S3-compatible server of this machine the same verbs, and 16 cells recorded at once, stand against local files in wall seconds.
With `--raylets` 1,000 cells that only sleep run on 8 raylets of this machine, which takes minutes and says more on an idle one,
and the memory that a further warm group takes on the head node is measured.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.harness import Case, Measurement, Report, parser, show
from benchmarks.scale_remote import remote_measurements
from benchmarks.scale_store import read_times, runs_of_writers
from benchmarks.simulated_cluster import Simulation, simulate

UTILISATION_TARGET: Final = 0.97
CPU_LIMIT_S: Final = 60.0
VERB_LIMIT_S: Final = 3.0
WRITERS: Final = 16
ROUNDS: Final = 5


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; see the module."""
    reader = parser("scale", "Scheduling, the store, SQLite and raylets at size.")
    reader.add_argument("--raylets", type=int, default=0, help="also run no-op cells on so many raylets (8)")
    options = reader.parse_args(arguments)
    nodes, cells, rounds = (20, 2_000, 2) if options.quick else (100, 10_000, ROUNDS)
    reports = [schedule_report(nodes=nodes, cells=cells, rounds=rounds)]
    with tempfile.TemporaryDirectory(prefix="dg-scale-", ignore_cleanup_errors=True) as folder:
        wanted = 100 if options.quick else 1_000
        reports.append(store_report(Path(folder), cells=10 * wanted, wanted=wanted, rounds=rounds))
        beside = remote_measurements(Path(folder), cells=wanted, writers=WRITERS)
    notes = [note for one in reports for note in one.notes]
    if options.raylets:
        from benchmarks.scale_memory import memory_note
        from benchmarks.scale_raylets import utilisation_note

        notes.append(utilisation_note(options.raylets, cells=100 if options.quick else 1_000))
        notes.append(memory_note(max(2, options.raylets // 2)))
    measurements = [measurement for one in reports for measurement in one.measurements] + beside
    show(Report(benchmark="scale", measurements=measurements, notes=notes), as_json=options.json)


def store_report(folder: Path, *, cells: int, wanted: int, rounds: int) -> Report:
    """Read a sweep out of a large store as the command line does, and record from many threads at once on SQLite."""
    times = read_times(folder, cells, wanted, rounds)
    runs = runs_of_writers(folder, WRITERS)
    return Report(
        benchmark="scale",
        measurements=[
            Measurement(
                case=_case(f"`{verb}`, {wanted} of {cells} cells, CPU", "the limit", 1.0),
                ours_s=found,
                peer_s=(VERB_LIMIT_S,) * len(found),
            )
            for verb, found in times.items()
        ],
        notes=(f"{runs} runs in MLflow on SQLite after {WRITERS} threads recorded {WRITERS} cells at once",),
    )


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
