"""Cells that share a GPU which does not exist: a run on a private Ray, and the job that its workers do.

Run as a script with a folder; the process has a Ray of its own, which a test's process may not.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from orchestration.cells.cell import Cell, Plan, PlannedCell
from orchestration.engine.driver.attempts import Attempts
from orchestration.engine.observer import RunObserver
from orchestration.engine.options import RunOptions
from orchestration.engine.run import execute
from orchestration.store.open import open_store
from tests.fakes.records import make_summary
from trainers.config import JobConfig, RecipeConfig
from trainers.job import JobPaths, JobRequest, JobResult

CELLS = 7
GPU_MIB = 24_000.0
PEAK_MIB = 6_000.0


def run(request: JobRequest, *, group: Any, sink: Any) -> JobResult:
    """Take a second, and write down when and with how much of a GPU."""
    import ray  # the driver of this file's script connects first

    started = time.time()
    time.sleep(1.0)
    share = ray.get_runtime_context().get_assigned_resources().get("GPU", 0.0)
    line = json.dumps([share, started, time.time()])
    with Path(request.paths.data_root, "journal").open("a") as journal:
        journal.write(line + "\n")
    summary = make_summary(checkpoint_sha256=f"{request.config.seed:064x}")
    sink.trained(request.train_key, summary)
    return JobResult(train_key=request.train_key, training=summary, gpu_peak_mib=PEAK_MIB)


def planned(seed: int) -> PlannedCell:
    """Return a cell that differs from the others in its seed."""
    recipe = RecipeConfig(epochs=1, train_images=100)
    config = JobConfig(
        method="baseline", method_params={}, dataset="digits", model="small-cnn", recipe=recipe, seed=seed
    )
    return PlannedCell(
        cell=Cell(seed=seed),
        train_key=f"{seed:012x}".ljust(64, "0"),
        config=config,
        dataset_identity="",
        benchmarks=(),
        missing=(),
        trained=False,
    )


def main(folder: str, *, share_gpus: bool) -> None:
    """Run the cells."""
    # A worker without a GPU says that it has 0 MiB.
    joined = Attempts.on_joined
    Attempts.on_joined = lambda attempts, device_mib: joined(attempts, GPU_MIB)  # type: ignore[method-assign]
    os.environ["DREAMGRID_WORKER_DEVICE"] = "cpu"
    options = RunOptions(
        paths=JobPaths(checkpoints=f"{folder}/checkpoints", data_root=folder, cache_dir=f"{folder}/cache"),
        job="packing_cases:run",
        log_file=f"{folder}/ray.log",
        num_cpus=4,
        num_gpus=1,
        gpus_per_worker=1.0,
        share_gpus=share_gpus,
        canary=False,
    )
    plan = Plan(sweep="made-up", cells=tuple(planned(seed) for seed in range(CELLS)))
    outcome = execute(plan, store=open_store("memory:"), options=options, observer=RunObserver())
    assert outcome.status == "complete", outcome


if __name__ == "__main__":
    main(sys.argv[1], share_gpus=sys.argv[2] == "share")
