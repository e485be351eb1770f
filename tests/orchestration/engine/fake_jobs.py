"""Jobs with the signature of `trainers.worker.run_job.run_job` that do what the method's parameters of their cell say."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from eval.report import BenchmarkOutcome, MetricValue
from tests.fakes.records import make_report, make_summary
from trainers.errors import JobStopped, NonFiniteLoss
from trainers.job import EpochRow, JobRequest, JobResult
from trainers.worker.run_job import run_job

TRAINED = "wrn-10-1"
READ_BY_LIBRARIES = (
    "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT",
    "GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME",
)  # fmt: skip
_HOARD: list[bytes] = []
"""What jobs that do "grow" never give back."""


def run(request: JobRequest, *, group: Any, sink: Any) -> JobResult:
    """Run epochs of nothing, then do what the cell says, then answer each benchmark with the seed.

    A warm group keeps its job, so that cells with `TRAINED` are trained for real from here.
    """
    if request.config.model == TRAINED:
        return _trained(request, group, sink)
    params = dict(request.config.method_params)
    surroundings = [os.getcwd(), sorted(os.environ)]
    rows = tuple(_epoch(request, sink, group, index, params) for index in range(request.config.recipe.epochs))
    _misbehave(params, request, group)
    summary = make_summary(
        checkpoint_sha256=f"{request.config.seed:064x}",
        checkpoint_uri="memory",
        epochs=rows,
        wall_s=0.0,
        device_s=0.0,
        environment={
            "pid": os.getpid(),
            "world_size": group.world_size,
            "surroundings": surroundings,
            "read_by_libraries": {name: os.environ.get(name) for name in READ_BY_LIBRARIES},
            "torch_rank": [dist.get_rank(), dist.get_world_size(), dist.get_backend()],
        },
    )
    if group.rank == 0:
        sink.trained(request.train_key, summary)
    reports = []
    for wanted in request.benchmarks:
        outcome = BenchmarkOutcome(metrics={"error": MetricValue(float(request.config.seed), 1)})
        is_refused = wanted.name == params.get("refuse")
        report = make_report(wanted, None if is_refused else outcome, error="no data" if is_refused else None)
        reports.append(report)
        if group.rank == 0:
            sink.benchmark(request.train_key, summary.checkpoint_sha256, report)
    return JobResult(train_key=request.train_key, training=summary, reports=tuple(reports))


def _trained(request: JobRequest, group: Any, sink: Any) -> JobResult:
    """Train for real, in a process that gets SIGTERM as the fourth epoch of its first attempt ends."""
    marker, tell = Path(request.paths.cache_dir, "terminated"), sink.epoch

    def epoch(train_key: str, row: EpochRow) -> None:
        tell(train_key, row)
        if row.epoch == 3 and not marker.exists():
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()
            os.kill(os.getpid(), signal.SIGTERM)

    sink.epoch = epoch
    return run_job(request, group=group, sink=sink)


def _epoch(request: JobRequest, sink: Any, group: Any, index: int, params: dict[str, Any]) -> EpochRow:
    deadline = time.monotonic() + float(params.get("epoch_s", 0.0))
    while time.monotonic() < deadline:
        time.sleep(0.02)
        if sink.stop_requested():
            raise JobStopped("asked to stop")
    value = torch.ones(1)
    if group.world_size > 1:
        dist.all_reduce(value)
    assert value.item() == group.world_size
    row = EpochRow(
        epoch=index,
        step=index,
        loss=0.0,
        accuracy=0.0,
        lr=0.0,
        images_per_s=0.0,
        data_wait_share=0.0,
        memory_mib=0.0,
        time=time.time(),
    )
    if group.rank == 0:
        sink.epoch(request.train_key, row)
        if "journal" in params:
            with Path(str(params["journal"])).open("a") as journal:
                journal.write(f"{request.train_key} {index}\n")
    return row


def _misbehave(params: dict[str, Any], request: JobRequest, group: Any) -> None:
    is_culprit = group.rank == min(int(params.get("rank", 0)), group.world_size - 1)
    marker = Path(str(params["once"])) if "once" in params else None
    if marker is not None and marker.exists():
        return
    action = params.get("do")
    if action is None:
        return
    if is_culprit:
        if marker is not None:
            marker.touch()
        _act(str(action), params)
    elif action in ("raise", "exit", "nan", "memory") and group.world_size > 1:
        dist.all_reduce(torch.ones(1))


def _act(action: str, params: dict[str, Any]) -> None:
    if action == "raise":
        raise ValueError("shapes differ")
    if action == "exit":
        os._exit(9)
    if action == "nan":
        raise NonFiniteLoss(3, 0.1, [float("nan")])
    if action == "memory":
        raise MemoryError("no memory for a batch")
    if action == "grow":
        _HOARD.append(os.urandom(int(params["mib"]) * 2**20))
    if action == "sully":
        os.environ["SULLIED"] = "yes"
        os.chdir("/")
