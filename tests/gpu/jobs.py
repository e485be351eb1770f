"""Jobs that take seconds: what they train, what they report, and how to run one in a process of its own.

`python -m tests.gpu.jobs RANK WORLD_SIZE FOLDER OPTIONS` runs the job of `tests.gpu.jobs.request` and prints what it came to.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from eval.benchmarks.contract import BenchmarkRequest
from trainers.config import JobConfig, MixingSetConfig, RecipeConfig
from trainers.job import JobPaths, JobRequest, JobResult
from trainers.training.group import OneWorker, distributed_group
from trainers.worker.run_job import run_job

REPOSITORY = Path(__file__).resolve().parents[2]
CHILD_S = 240
MIXING_SET = MixingSetConfig(name="fractals", num_images=4, image_size=36, num_channels=1)
CLEAN = BenchmarkRequest(name="clean", params={}, key="clean")
ATTACK = BenchmarkRequest(name="pgd", params={"max_images": 40, "steps": 3}, key="pgd")


class Quiet:
    """A sink that nobody reads, which may ask the job to stop."""

    def __init__(self, *, stop_after: int | None = None) -> None:
        self._steps, self._stop_after = 0, stop_after

    def epoch(self, *_: object) -> None: ...

    def trained(self, *_: object) -> None: ...

    def benchmark(self, *_: object) -> None: ...

    def progress(self, *_: object) -> None: ...

    def stop_requested(self) -> bool:
        """Whether the last step but one was the one after which to stop."""
        self._steps += 1
        return self._stop_after is not None and self._steps > self._stop_after


def request(
    folder: Path,
    *,
    recipe: Mapping[str, Any] | None = None,
    benchmarks: Sequence[BenchmarkRequest] = (CLEAN,),
    method: str = "pixmix",
    model: str = "wrn-10-1",
    seed: int = 3,
    threads: int = 1,
    train_key: str = "ab" * 32,
) -> JobRequest:
    """Return a job on some digits of 32 px: two epochs of three steps, two shards a batch, under PixMix."""
    values = {
        "epochs": 2, "batch_size": 16, "batch_shards": 2, "train_images": 42, "crop_padding": 2, "lr": 0.02, **(recipe or {}),
    }  # fmt: skip
    config = JobConfig(
        method=method, method_params={}, dataset="digits", model=model, recipe=RecipeConfig(**values), seed=seed,
        model_params={"dropout": 0.3} if model.startswith("wrn") else {}, mixing_set=MIXING_SET if method == "pixmix" else None,
    )  # fmt: skip
    paths = JobPaths(
        checkpoints=str(folder / "checkpoints"), data_root=str(folder), cache_dir=str(folder.parent / "cache")
    )
    return JobRequest(train_key=train_key, config=config, benchmarks=tuple(benchmarks), paths=paths, threads=threads)


def run(job: JobRequest, device: torch.device, sink: Quiet | None = None) -> JobResult:
    """Run a job in this process."""
    return run_job(job, group=OneWorker(device), sink=sink or Quiet())


def outcome(result: JobResult) -> dict[str, Any]:
    """Return everything of a result that has to be the same where two runs are."""
    return {
        "weights": result.training.environment["weights_sha256"],
        "losses": [row.loss for row in result.training.epochs],
        "accuracies": [row.accuracy for row in result.training.epochs],
        "metrics": {
            f"{report.benchmark}/{name}": value.value
            for report in result.reports
            for name, value in (report.outcome.metrics if report.outcome else {}).items()
        },
    }


def run_apart(folder: Path, device: torch.device, *, workers: int = 1, **options: Any) -> dict[str, Any]:
    """Run the job in new processes, one for each worker, the GPUs in turn; return what it came to.

    Args:
        options: Of `request`, those that JSON can say.
    """
    return wait_for(start_apart(folder, device, workers=workers, **options))


def start_apart(folder: Path, device: torch.device, *, workers: int = 1, **options: Any) -> list[subprocess.Popen[str]]:
    """Start the processes of `run_apart`."""
    folder.mkdir()
    given = {"options": options, "device": device.type}
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "tests.gpu.jobs", str(rank), str(workers), str(folder), json.dumps(given)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY, env=environment,
        )
        for rank in range(workers)
    ]  # fmt: skip


def wait_for(started: list[subprocess.Popen[str]]) -> dict[str, Any]:
    """Return what rank 0 of some processes prints; none is left behind."""
    try:
        said = [process.communicate(timeout=CHILD_S) for process in started]
    finally:
        for process in started:
            process.kill()
    assert all(process.returncode == 0 for process in started), "\n".join(errors for _, errors in said)
    found: dict[str, Any] = json.loads(said[0][0].strip().splitlines()[-1])
    return found


def main(rank: int, world_size: int, folder: Path, given: Mapping[str, Any]) -> None:
    """Be one of the processes of `run_apart`."""
    device = torch.device("cpu")
    if given["device"] == "cuda":
        device = torch.device("cuda", rank)
        torch.cuda.set_device(device)
    if world_size > 1:
        distributed.init_process_group(
            "nccl" if device.type == "cuda" else "gloo", init_method=f"file://{folder}/rendezvous", rank=rank,
            world_size=world_size, device_id=device if device.type == "cuda" else None,
        )  # fmt: skip
    group = distributed_group(rank=rank, world_size=world_size, device=device)
    found = outcome(run_job(request(folder, **given["options"]), group=group, sink=Quiet()))
    if device.type == "cuda":
        found["peak_mib"] = torch.cuda.max_memory_reserved(device) / 2**20
    if rank == 0:
        sys.stdout.write(json.dumps(found) + "\n")
    if world_size > 1:
        distributed.destroy_process_group()
        sys.stdout.flush()
        os._exit(0)  # a thread of gloo that still runs may abort the process while it unloads torch


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4]))
