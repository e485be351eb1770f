"""Reports how busy a worker is while it runs a job, training or evaluating, for people who watch the run from elsewhere."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Final

import psutil

from augment.heavy import torch
from trainers.job import WorkerUse
from trainers.training.gpu_use import GpuWatch

FIRST_AFTER_S: Final = 2.0
REPORT_EVERY_S: Final = 5.0


@contextlib.contextmanager
def reporting_use(
    report: Callable[[WorkerUse], None],
    *,
    rank: int,
    device: torch.device,
    first_after_s: float = FIRST_AFTER_S,
    every_s: float = REPORT_EVERY_S,
) -> Iterator[None]:
    """Report the use of a worker's machine and GPU every few seconds until the end of `with`; a shorter job reports none.

    Each worker reports by itself, so that no rank waits for another.

    Args:
        report: Called in a thread of its own; must return at once.
        device: Of the worker.
    """
    over = threading.Event()

    def reports() -> None:
        node = socket.gethostname()
        watch = GpuWatch(device) if device.type == "cuda" else None
        psutil.cpu_percent(None)  # the first look of a thread has nothing to compare with
        with watch or contextlib.nullcontext():
            wait_s = first_after_s
            while not over.wait(wait_s):
                gpu = watch.take().busy if watch is not None else None
                report(WorkerUse(node=node, rank=rank, cpu_busy=psutil.cpu_percent(None) / 100, gpu_busy=gpu))
                wait_s = every_s

    thread = threading.Thread(target=reports, name="worker-use", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
