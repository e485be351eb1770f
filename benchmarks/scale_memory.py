"""What one more warm group costs in memory on the head node.

Every raylet of this machine stands for a node; the head has no CPU, so that workers run elsewhere and only what a group keeps on
the head is counted: the processes below the head's raylet. A first run may use one group at a time, a second one a group on every
node; the difference of their peaks is divided by the groups between. PSS shares out pages that several processes map; USS counts
only those that a process has alone.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil

MEMORY_TARGET_MIB: Final = 200.0
SAMPLE_S: Final = 0.5
CELLS_PER_GROUP: Final = 12


def memory_note(nodes: int) -> str:
    """Run no-op cells on one group and on `nodes` groups, and return what each further one took on the head as a sentence.

    Args:
        nodes: Worker nodes, at least 2.
    """
    from ray.cluster_utils import Cluster

    from benchmarks.scale_raylets import run_cells

    with tempfile.TemporaryDirectory(prefix="dg-memory-") as folder:
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        try:
            for _ in range(nodes):
                cluster.add_node(num_cpus=1)
            cluster.wait_for_nodes()
            raylet = int(cluster.head_node.all_processes["raylet"][0].process.pid)
            peaks = []
            for groups in (1, nodes):
                with _watched(raylet) as peak:
                    run_cells(
                        cluster.address, Path(folder) / str(groups), groups * CELLS_PER_GROUP, max_concurrent=groups
                    )
                peaks.append(dict(peak))
        finally:
            cluster.shutdown()
    pss, uss = ((peaks[1][name] - peaks[0][name]) / (nodes - 1) for name in ("pss", "uss"))
    verdict = "within" if pss <= MEMORY_TARGET_MIB else "MISSED:"
    return (
        f"another warm group takes {pss:.0f} MiB (PSS; {uss:.0f} MiB unique) on the head node, from {nodes} groups "
        f"against 1: {verdict} the {MEMORY_TARGET_MIB:.0f} MiB allowed"
    )


@contextmanager
def _watched(raylet: int) -> Iterator[dict[str, float]]:
    """Yield the highest memory of the processes below a raylet, in MiB, sampled until the end of the block."""
    peak = {"pss": 0.0, "uss": 0.0}
    is_over = threading.Event()

    def sample() -> None:
        while not is_over.wait(SAMPLE_S):
            now = memory_below(raylet)
            if now["pss"] > peak["pss"]:
                peak.update(now)

    thread = threading.Thread(target=sample, name="dreamgrid-memory", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        is_over.set()
        thread.join()


def memory_below(process: int) -> dict[str, float]:
    """Return "pss" and "uss" of all processes below one, in MiB."""
    total = {"pss": 0.0, "uss": 0.0}
    for child in psutil.Process(process).children(recursive=True):
        try:
            found: Any = child.memory_full_info()
        except psutil.Error:  # ended meanwhile
            continue
        total = {name: total[name] + getattr(found, name) / 2**20 for name in total}
    return total
