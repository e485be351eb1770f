"""Cells that do nothing on several real raylets of this machine: how much of the workers' time the engine fills.

Every raylet offers one CPU and stands for a node. A cell sleeps for a fixed time; utilisation is the time that cells slept over
the time that all raylets stood ready, from the first cell's end to the last one's.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.sweep_overhead import finish_clock, noop_plan, slept

SLEEP_S: Final = 0.5


def utilisation_note(raylets: int, *, cells: int) -> str:
    """Run cells on raylets and return the utilisation as a sentence."""
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory(prefix="dg-raylets-") as folder:
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        try:
            for _ in range(raylets - 1):
                cluster.add_node(num_cpus=1)
            cluster.wait_for_nodes()
            ends, whole_s = run_cells(cluster.address, Path(folder), cells)
        finally:
            cluster.shutdown()
    span = ends[-1] - ends[0]
    filled = (len(ends) - 1) * SLEEP_S / (span * raylets) if span else 0.0
    return (
        f"{cells} cells of {SLEEP_S} s on {raylets} raylets: utilisation {filled:.2f} in steady state, "
        f"{span / max(1, len(ends) - 1):.3f} s from cell to cell, {whole_s:.0f} s with start-up"
    )


def sleep_job(request: Any, *, group: Any, sink: Any) -> Any:
    """Stand in for a training: sleep, then say that it is over."""
    return slept(request, group, sink, SLEEP_S)


def run_cells(
    address: str, folder: Path, cells: int, *, max_concurrent: int | None = None
) -> tuple[list[float], float]:
    """Run cells that only sleep; return when each ended and how long all of it took.

    Args:
        address: Ray cluster to run on.
        folder: Where the store and the log go.
        cells: How many.
        max_concurrent: Most of them at once, or None for what fits.

    Raises:
        SystemExit: If they do not complete.
    """
    from orchestration.engine.options import RunOptions
    from orchestration.engine.run import execute
    from orchestration.store.open import open_store
    from trainers.job import JobPaths

    clock = finish_clock()
    paths = JobPaths(checkpoints=str(folder / "checkpoints"), data_root=str(folder), cache_dir=str(folder / "cache"))
    started = time.perf_counter()
    outcome = execute(
        noop_plan(cells),
        store=open_store(str(folder / "storage")),
        options=RunOptions(
            paths=paths,
            address=address,
            job="benchmarks.scale_raylets:sleep_job",
            log_file=str(folder / "ray.log"),
            max_concurrent=max_concurrent,
        ),
        observer=clock,
    )
    if outcome.status != "complete":
        raise SystemExit(f"the cells did not complete: {outcome.failed}")
    return list(clock.ends), time.perf_counter() - started
