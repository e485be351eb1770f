"""What a worker's process keeps between steps and gives back between jobs."""

from __future__ import annotations

import gc
import resource
import sys
import threading
from collections.abc import Iterator

import psutil
import pytest
import torch

from trainers.worker.process import ThreadBudget, free_memory, reset_process

MIB = 2**20
CPU = torch.device("cpu")

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the allocator of glibc")


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()  # other libraries look for referrers, and find none that are set aside


def activations() -> list[torch.Tensor]:
    return [torch.zeros(size * MIB, dtype=torch.uint8) for size in (4, 40, 4, 16)]


def page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def test_a_step_finds_the_memory_that_the_step_before_freed() -> None:
    reset_process(ThreadBudget(images=0, torch=1), CPU)
    for _ in range(4):
        activations()
    before = page_faults()
    for _ in range(8):
        activations()
    pages_of_a_step = 64 * MIB // 4096
    assert page_faults() - before < 2 * pages_of_a_step


def test_memory_goes_back_to_the_system_between_jobs() -> None:
    reset_process(ThreadBudget(images=0, torch=1), CPU)
    used = torch.ones(256 * MIB, dtype=torch.uint8)
    full = psutil.Process().memory_info().rss
    del used
    free_memory()
    assert full - psutil.Process().memory_info().rss > 200 * MIB


def test_background_threads_may_ask_for_large_images() -> None:
    reset_process(ThreadBudget(images=1, torch=1), CPU)
    sums: list[int] = []
    threads = [
        threading.Thread(target=lambda: sums.append(int(torch.ones(150 * MIB, dtype=torch.uint8).sum())))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == [150 * MIB] * 2
