"""Run made-up cells on a private Ray that is given two GPUs which do not exist: `run_on_fake_gpus.py FOLDER SHARDS...`."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import ray

from orchestration.cells.cell import Cell, Plan, PlannedCell
from orchestration.engine.options import RunOptions
from orchestration.engine.run import execute
from orchestration.errors import EnvironmentRefused
from orchestration.runs.progress import LineProgress
from orchestration.store.files import MemoryStore
from tests.fakes.records import make_summary
from trainers.config import JobConfig, RecipeConfig
from trainers.job import JobPaths, JobRequest, JobResult

CELL_S = 3.0


def job(request: JobRequest, *, group: Any, sink: Any) -> JobResult:
    """Wait, and write down when and with which GPUs."""
    began = time.time()
    time.sleep(CELL_S)
    line = {
        "cell": request.train_key,
        "began": began,
        "ended": time.time(),
        "gpus": ray.get_runtime_context().get_accelerator_ids()["GPU"],
        "device": str(group.device),
        "threads": request.threads,
        "world_size": group.world_size,
    }
    Path(request.paths.data_root, f"{request.train_key}-{group.rank}.json").write_text(json.dumps(line))
    summary = make_summary(checkpoint_sha256="a" * 64, epochs=())
    if group.rank == 0:
        sink.trained(request.train_key, summary)
    return JobResult(train_key=request.train_key, training=summary)


def cell(number: int, shards: int) -> PlannedCell:
    """Return a cell with nothing to evaluate."""
    recipe = RecipeConfig(epochs=1, batch_shards=shards)
    config = JobConfig(
        method="baseline", method_params={}, dataset="digits", model="small-cnn", recipe=recipe, seed=number
    )
    return PlannedCell(
        cell=Cell(seed=number),
        train_key=f"cell-{number}",
        config=config,
        dataset_identity="",
        benchmarks=(),
        missing=(),
        trained=False,
    )


def main(folder: str, *shards: str) -> None:
    """Print how the run ended."""
    paths = JobPaths(checkpoints=f"{folder}/checkpoints", data_root=folder, cache_dir=f"{folder}/cache")
    options = RunOptions(
        paths=paths, job="run_on_fake_gpus:job", canary=False, log_file=f"{folder}/ray.log", num_cpus=2, num_gpus=2
    )
    cells = tuple(cell(number, int(count)) for number, count in enumerate(shards))
    try:
        outcome = execute(
            Plan(sweep="made-up", cells=cells), store=MemoryStore(), options=options, observer=LineProgress(sys.stderr)
        )
    except EnvironmentRefused as error:
        sys.stdout.write(json.dumps({"refused": str(error)}))
        return
    assert outcome.resources is not None
    sys.stdout.write(
        json.dumps({"status": outcome.status, "resources": outcome.resources.document, "pid": os.getpid()})
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
