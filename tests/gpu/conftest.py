"""Every test of this folder takes a device: it runs on the CPU, which proves the test, and on a GPU where there is one.

`pytest -m gpu tests/gpu -ra` runs those of GPUs; without a CUDA device each of them is skipped, with the reason.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import torch

from trainers.worker.devices import try_device
from trainers.worker.process import reset_process, thread_budget

NO_GPU = "needs a CUDA device, and torch sees none"
CUDA = pytest.param("cuda", marks=pytest.mark.gpu)


@pytest.fixture(params=["cpu", CUDA])
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """The device that a test computes on, as a worker finds it before a job."""
    yield from fresh(str(request.param))


@pytest.fixture(params=[CUDA])
def gpu(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """A GPU, for what has no counterpart on a CPU."""
    yield from fresh(str(request.param))


def fresh(kind: str) -> Iterator[torch.device]:
    if kind == "cpu":
        device = torch.device("cpu")
    elif torch.cuda.is_available():
        device = torch.device("cuda", 0)
        try_device(device)
    else:
        pytest.skip(NO_GPU)
    reset_process(thread_budget(1, device), device)
    yield device
    gc.unfreeze()  # what `free_memory` has set aside
    reset_process(thread_budget(1, torch.device("cpu")), torch.device("cpu"))
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        gc.collect()
        torch.cuda.empty_cache()
