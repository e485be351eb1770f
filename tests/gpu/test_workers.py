"""Two workers on two GPUs come to what one comes to, and to the same bits twice; the device of a worker works."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.gpu.jobs import run_apart
from trainers.worker.devices import installed_wheel, try_device

RECIPE = {"deterministic": True, "precision": "fp32"}


@pytest.fixture
def place(device: torch.device) -> torch.device:
    """A device of which two workers each get one."""
    if device.type == "cuda" and torch.cuda.device_count() < 2:
        pytest.skip(f"needs two GPUs, and torch sees {torch.cuda.device_count()}")
    return device


@pytest.mark.ddp
@pytest.mark.slow
def test_two_workers_come_to_what_one_comes_to(place: torch.device, tmp_path: Path) -> None:
    one = run_apart(tmp_path / "one", place, recipe=RECIPE, method="baseline")
    two = run_apart(tmp_path / "two", place, workers=2, recipe=RECIPE, method="baseline")
    again = run_apart(tmp_path / "again", place, workers=2, recipe=RECIPE, method="baseline")

    same = ("weights", "losses", "accuracies", "metrics")
    assert {name: two[name] for name in same} == {name: again[name] for name in same}
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-4)
    assert two["metrics"]["clean/error"] == pytest.approx(one["metrics"]["clean/error"], abs=3 / 355)


def test_the_wheel_has_kernels_for_the_gpu(gpu: torch.device) -> None:
    try_device(gpu)

    assert installed_wheel().runs_on(torch.cuda.get_device_capability(gpu))
