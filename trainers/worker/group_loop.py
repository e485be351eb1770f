"""What every worker of a warm group runs: take a job, run it on all ranks, hand the result back, take the next.

This is the training function of a long-lived Ray Train run. The mailbox is an actor handle that the driver passes in;
nothing here knows who reads it. An exception on one rank is reported to the mailbox and then ends the whole group, so that no
peer waits in a collective. The controller of the run imports this module too, and needs no torch for it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import psutil
import ray
import ray.train
import ray.train.collective
import ray.util

from augment.heavy import torch
from eval.report import MetricReport
from trainers.errors import JobPreempted
from trainers.job import EpochRow, TrainSummary
from trainers.training.group import distributed_group
from trainers.worker.devices import worker_device
from trainers.worker.failure import describe_failure
from trainers.worker.preemption import SIGTERM, function_named
from trainers.worker.process import free_memory

PROGRESS_EVERY_S: Final = 0.5
"""Progress is thinned to this interval: it feeds a display, and thousands of steps a second must not flood the mailbox."""

TAKE_TIMEOUT_S: Final = 20.0
LEAVE_TIMEOUT_S: Final = 5.0
"""Ray sends SIGKILL so long after a SIGTERM of its own."""

GLOO_INTERFACE: Final = "GLOO_SOCKET_IFNAME"


class MailboxSink:
    """A `JobSink` that sends every event to the mailbox at once and waits for none."""

    def __init__(self, mailbox: Any, group: str, job: int, stop: threading.Event) -> None:
        self._mailbox = mailbox
        self._group = group
        self._job = job
        self._last_progress = 0.0
        self.stop_requested = stop.is_set

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

    def _send(self, kind: str, *values: object) -> None:
        self._mailbox.tell.remote(self._group, self._job, kind, values)


class PeerSink(MailboxSink):
    """The sink of every other rank: it sends nothing, since rank 0 reports for all, but it passes on a request to stop."""

    def _send(self, kind: str, *values: object) -> None:
        """Send nothing."""


def group_loop(config: Mapping[str, Any]) -> None:
    """Run jobs until the mailbox has no more.

    Args:
        config: "mailbox" (actor handle), "group" (its name there), "job" ("module:function" with the signature of
            `trainers.worker.run_job.run_job`), "gpus" (GPUs per worker) and "collective_timeout_s".

    Raises:
        Exception: Whatever a job raised on this rank, after it was reported to the mailbox; Ray Train then ends the group.
    """
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    mailbox, group = config["mailbox"], config["group"]
    # The token stays None until the rank has joined: by that the mailbox knows an early failure.
    stop, token = threading.Event(), None
    node = ray.get_runtime_context().get_node_id()
    try:
        # Before the group is made: a rank without its GPU fails at once, and the others need not wait for it in a collective.
        device = worker_device(config["gpus"])
        uses_gpu = device.type == "cuda"
        with process_group(rank, world_size, uses_gpu=uses_gpu, timeout_s=config["collective_timeout_s"]):
            run = function_named(config["job"], "the job")
            workers = distributed_group(rank=rank, world_size=world_size, device=device)
            gpu_mib = float(torch.cuda.get_device_properties(device).total_memory) / 2**20 if uses_gpu else 0.0
            token, last_order = ray.get(mailbox.join.remote(group, rank, world_size, gpu_mib, node))
            _watch(mailbox, group, rank, token, last_order, stop)
            with SIGTERM.calling(_reported_exit(mailbox, group, rank, token)):
                _take_jobs(
                    mailbox, group, rank, token, stop, lambda request, sink: run(request, group=workers, sink=sink)
                )
    except Exception as error:
        # Waited for: raising ends this process, which could lose the message.
        ray.get(mailbox.fail.remote(group, rank, token, describe_failure(error, rank)))
        raise


def _take_jobs(
    mailbox: Any, group: str, rank: int, token: int, stop: threading.Event, run: Callable[..., object]
) -> None:
    while True:
        delivery = ray.get(mailbox.take.remote(group, rank, token, TAKE_TIMEOUT_S))
        if delivery is None:
            return
        if delivery == "nothing yet":
            continue
        # A stop that came too late for the job before must not stop this one.
        stop.clear()
        sink = (MailboxSink if rank == 0 else PeerSink)(mailbox, group, delivery.job, stop)
        with isolated():
            result = run(delivery.request, sink)
        # After `isolated` has freed memory: what is left now is what a group grows by.
        resident_mib = float(psutil.Process().memory_info().rss) / 2**20
        ray.get(mailbox.finish.remote(group, rank, delivery.job, result if rank == 0 else None, resident_mib))


def _watch(mailbox: Any, group: str, rank: int, token: int, last_order: int, stop: threading.Event) -> None:
    """Listen for orders in a daemon thread: "stop" asks the job for a checkpoint, "abort" ends this process at once."""

    def listen() -> None:
        seen, order = last_order, ""
        while order != "gone":
            try:
                seen, order = ray.get(mailbox.orders.remote(group, rank, token, seen, TAKE_TIMEOUT_S))
            except ray.exceptions.RayError:
                return
            if order == "stop":
                stop.set()
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
def process_group(rank: int, world_size: int, *, uses_gpu: bool, timeout_s: float) -> Iterator[None]:
    """Join the workers into one process group (gloo, with NCCL next to it on GPUs) and leave it at the end.

    The address comes from rank 0 through Ray, so neither the driver nor the controller needs torch.
    """
    host = ray.util.get_node_ip_address()
    # Before the group is made, which is when gloo reads it.
    name_interface(host)
    address = ray.train.collective.broadcast_from_rank_zero(_free_address(host) if rank == 0 else None)
    torch.distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if uses_gpu else "gloo",
        init_method=f"tcp://{address}",
        rank=rank,
        world_size=world_size,
        timeout=timedelta(seconds=timeout_s),
    )
    # No clean-up after a failure: a peer may be gone for good, and leaving politely could wait for it.
    yield
    torch.distributed.destroy_process_group()


def _free_address(host: str) -> str:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return f"{host}:{probe.getsockname()[1]}"


def name_interface(address: str) -> None:
    """Let gloo talk through the interface that has this machine's address in the cluster; a value that is set already stays.

    Gloo asks for the address of the host's name, which many systems answer with a loopback address: workers on other machines
    would then connect to themselves.
    """
    found = interface_of(address, {name: [one.address for one in each] for name, each in psutil.net_if_addrs().items()})
    if found is not None:
        os.environ.setdefault(GLOO_INTERFACE, found)


def interface_of(address: str, interfaces: Mapping[str, Iterable[str]]) -> str | None:
    """Return the name of the interface that has an address, or None."""
    return next((name for name, addresses in interfaces.items() if address in addresses), None)


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
