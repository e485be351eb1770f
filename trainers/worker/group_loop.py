"""What every worker of a warm group runs: take a job, run it on all ranks, hand the result back, take the next.

This is the training function of a long-lived Ray Train run. The mailbox is an actor handle that the driver passes in;
nothing here knows who reads it. An exception on one rank is reported to the mailbox and then ends the whole group, so that no
peer waits in a collective. The controller of the run imports this module too, and needs no torch for it.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import psutil
import ray
import ray.train
import ray.util

from augment.heavy import torch
from eval.report import MetricReport
from trainers.errors import JobPreempted
from trainers.job import EpochRow, JobRequest, JobResult, TrainSummary, WorkerUse
from trainers.training.group import distributed_group
from trainers.worker.devices import worker_device
from trainers.worker.failure import describe_failure
from trainers.worker.preemption import SIGTERM, function_named
from trainers.worker.process import free_memory
from trainers.worker.use_reports import reporting_use

PROGRESS_EVERY_S: Final = 0.5
"""Progress is thinned to this interval: it feeds a display, and thousands of steps a second must not flood the mailbox."""

TAKE_TIMEOUT_S: Final = 20.0
LEAVE_TIMEOUT_S: Final = 5.0
"""Ray sends SIGKILL so long after a SIGTERM of its own."""


class StopOrders:
    """The number of the last order to stop: by it a job knows whether that order was for it, or for a job before it."""

    last = 0

    def came_after(self, number: int) -> bool:
        """Return whether the last order to stop is newer than an order."""
        return self.last > number


class MailboxSink:
    """A `JobSink` that sends every event to the mailbox at once and waits for none.

    The events of a job bear numbers: the mailbox is an asynchronous actor, for which Ray keeps no order of calls.
    """

    def __init__(self, mailbox: Any, group: str, job: int, stop_requested: Callable[[], bool]) -> None:
        self._mailbox = mailbox
        self._group = group
        self._job = job
        self._last_progress = 0.0
        self._numbers = itertools.count()
        self.stop_requested = stop_requested

    def epoch(self, train_key: str, row: EpochRow) -> None:
        """Send an epoch's row."""
        self._send("epoch", train_key, row)

    def progress(self, train_key: str, stage: str, done: int, total: int) -> None:
        """Send how far a stage is, at most every `PROGRESS_EVERY_S` and at its end."""
        now = time.monotonic()
        if done < total and now - self._last_progress < PROGRESS_EVERY_S:
            return
        self._last_progress = now
        self._send("progress", train_key, stage, done, total)

    def trained(self, train_key: str, summary: TrainSummary) -> None:
        """Send what training came to."""
        self._send("trained", train_key, summary)

    def benchmark(self, train_key: str, checkpoint_sha256: str, report: MetricReport) -> None:
        """Send a report."""
        self._send("benchmark", train_key, checkpoint_sha256, report)

    def use(self, use: WorkerUse) -> None:
        """Send how busy this worker is; every rank does, once in several seconds."""
        self._mailbox.tell.remote(self._group, self._job, "use", (use,))

    def _send(self, kind: str, *values: object) -> None:
        self._mailbox.tell.remote(self._group, self._job, kind, values, next(self._numbers))


class PeerSink(MailboxSink):
    """The sink of every other rank: it sends its own use only, since rank 0 reports for all, and passes on a request to stop."""

    def _send(self, kind: str, *values: object) -> None:
        """Send nothing."""


def group_loop(config: Mapping[str, Any]) -> JobResult | None:
    """Run jobs until the mailbox has no more; return what the last one came to, or None if there was none.

    Args:
        config: "mailbox" (actor handle), "group" (its name there), "job" ("module:function" with the signature of
            `trainers.worker.run_job.run_job`) and "gpus" (GPUs per worker).

    Raises:
        Exception: Whatever a job raised on this rank, after it was reported to the mailbox; Ray Train then ends the group.
    """
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    mailbox, group = config["mailbox"], config["group"]
    # The token stays None until the rank has joined: by that the mailbox knows an early failure.
    stops, token = StopOrders(), None
    node, reserved = ray.get_runtime_context().get_node_id(), ray.util.get_current_placement_group().id.hex()
    try:
        run = function_named(config["job"], "the job")
        device = worker_device(config["gpus"])
        workers = distributed_group(rank=rank, world_size=world_size, device=device)
        has_gpu = device.type == "cuda"
        gpu_mib = float(torch.cuda.get_device_properties(device).total_memory) / 2**20 if has_gpu else 0.0
        token, last_order = ray.get(mailbox.join.remote(group, rank, world_size, gpu_mib, node, reserved))
        _watch(mailbox, group, rank, token, last_order, stops)

        def run_watched(request: JobRequest, sink: MailboxSink) -> JobResult:
            with reporting_use(sink.use, rank=rank, device=device):
                result: JobResult = run(request, group=workers, sink=sink)
                return result

        with SIGTERM.calling(_reported_exit(mailbox, group, rank, token)):
            return _take_jobs(mailbox, group, rank, token, stops, run_watched)
    except Exception as error:
        # Waited for: raising ends this process, which could lose the message.
        ray.get(mailbox.fail.remote(group, rank, token, describe_failure(error, rank)))
        raise


def _take_jobs(
    mailbox: Any, group: str, rank: int, token: int, stops: StopOrders, run: Callable[..., JobResult]
) -> JobResult | None:
    result: JobResult | None = None
    while True:
        delivery = ray.get(mailbox.take.remote(group, rank, token, TAKE_TIMEOUT_S))
        if delivery is None:
            return result
        if delivery == "nothing yet":
            continue
        is_stopped = functools.partial(stops.came_after, delivery.orders)
        sink = (MailboxSink if rank == 0 else PeerSink)(mailbox, group, delivery.job, is_stopped)
        with isolated():
            result = run(delivery.request, sink)
        # After `isolated` has freed memory: what is left now is what a group grows by.
        resident_mib = float(psutil.Process().memory_info().rss) / 2**20
        ray.get(mailbox.finish.remote(group, rank, delivery.job, result if rank == 0 else None, resident_mib))


def _watch(mailbox: Any, group: str, rank: int, token: int, last_order: int, stops: StopOrders) -> None:
    """Listen for orders in a daemon thread: "stop" asks the job for a checkpoint, "abort" ends this process at once."""

    def listen() -> None:
        seen, order = last_order, ""
        while order != "gone":
            try:
                seen, order = ray.get(mailbox.orders.remote(group, rank, token, seen, TAKE_TIMEOUT_S))
            except ray.exceptions.RayError:
                return
            if order == "stop":
                stops.last = seen
            if order == "abort":
                # Without clean-up, which could wait for a peer that is gone. 75 is EX_TEMPFAIL of sysexits.h.
                os._exit(75)

    threading.Thread(target=listen, name=f"orders-{rank}", daemon=True).start()


def _reported_exit(mailbox: Any, group: str, rank: int, token: int) -> Callable[[], None]:
    """Return what SIGTERM does outside of a training: a thread reports that the machine leaves, and ends this process."""
    failure = describe_failure(JobPreempted("its worker was ended by SIGTERM"), rank)

    def leave() -> None:
        try:
            ray.get(mailbox.fail.remote(group, rank, token, failure), timeout=LEAVE_TIMEOUT_S)
        finally:
            os._exit(75)

    return lambda: threading.Thread(target=leave, name=f"leave-{rank}", daemon=True).start()


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """Undo what a job may change in its process besides torch's global state, which every job sets itself; free what it left.

    A job must come out the same whether it is the first of its group or the thousandth.
    """
    environment, directory = dict(os.environ), os.getcwd()
    try:
        yield
    finally:
        free_memory()
        os.chdir(directory)
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)
