"""What a GPU says of its use, and a process that is limited to its share of one."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.gpu.jobs import request, run
from trainers.training.gpu_use import GpuWatch
from trainers.worker.gpu_share import CONTEXT_MIB, limit_memory

MIB = 2**20


@pytest.fixture(autouse=True)
def unlimited() -> Iterator[None]:
    yield
    if torch.cuda.is_available():
        limit_memory(torch.device("cuda", 0), 1.0)


def test_nvml_says_how_busy_the_gpu_of_torch_is(gpu: torch.device) -> None:
    pytest.importorskip("pynvml")
    matrix = torch.ones(4096, 4096, device=gpu)
    end = time.monotonic() + 5.0
    with GpuWatch(gpu) as watch:
        while time.monotonic() < end:
            for _ in range(20):
                matrix @ matrix
            torch.cuda.synchronize(gpu)
        use = watch.take()

    assert use.memory_mib is not None
    assert use.memory_mib >= torch.cuda.memory_reserved(gpu) / MIB
    # A slice of a GPU says neither.
    assert use.busy is None or 0.3 <= use.busy <= 1.0
    assert use.power_w is None or use.power_w > 5.0


def test_a_process_runs_out_of_memory_at_the_end_of_its_share(gpu: torch.device) -> None:
    total_mib = torch.cuda.get_device_properties(gpu).total_memory / MIB
    share = (CONTEXT_MIB + 1000.0) / total_mib
    limit_memory(gpu, share)
    fits = torch.empty(900 * MIB, dtype=torch.uint8, device=gpu)
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(200 * MIB, dtype=torch.uint8, device=gpu)
    limit_memory(gpu, 1.0)
    torch.empty(200 * MIB, dtype=torch.uint8, device=gpu)
    del fits


def test_a_job_says_the_most_that_it_reserved_with_its_evaluation(gpu: torch.device, tmp_path: Path) -> None:
    with_evaluation = request(tmp_path / "job")
    result = run(with_evaluation, gpu)
    trained_only = run(dataclasses.replace(request(tmp_path / "other"), benchmarks=()), gpu)

    assert result.gpu_peak_mib >= max(row.memory_mib for row in result.training.epochs)
    assert trained_only.gpu_peak_mib > 0
