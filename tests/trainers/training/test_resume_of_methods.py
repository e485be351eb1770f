"""Killed at any step and resumed, every method ends bit-identical to an uninterrupted training."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import torch

from augment.compound import method_for
from augment.registry import METHODS
from trainers.config import MixingSetConfig
from trainers.job import JobRequest
from trainers.training.group import OneWorker
from trainers.worker.run_job import run_job

COMPOUNDS = ("pixmix+cutmix", "pixmix+oe")
FAST = ("baseline", "mixup", "pixmix")
STEPS = 6
SHORT: dict[str, dict[str, object]] = {
    "ant": {"retrain_steps": 2},
    "edsr": {"train_steps": 2},
    "sin": {"train_steps": 2},
}
"""Hyper-parameters that keep a method's own inner trainings short."""


class Killed(BaseException):
    """Stands for SIGKILL: nothing between the raise and the end of the process handles it."""


def request_for(name: str, make: Callable[..., JobRequest], folder: str) -> JobRequest:
    method = method_for(name)
    mixing_set = MixingSetConfig(name="fractals", num_images=6, image_size=36, num_channels=1)
    request = make(
        folder=folder,
        method=name,
        method_params=SHORT.get(name, {}),
        mixing_set=mixing_set if method.needs_mixing_set else None,
        outliers="digits" if method.needs_outliers else None,
        checkpoint_every_s=0.0,
    )
    return dataclasses.replace(request, paths=dataclasses.replace(request.paths, data_root="."))


def run(request: JobRequest, sink: Any) -> dict[str, Any]:
    result = run_job(request, group=OneWorker(torch.device("cpu")), sink=sink)
    losses = [row.loss for row in result.training.epochs]
    return {"weights": result.training.environment["weights_sha256"], "losses": losses, "summary": result.training}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in (*METHODS, *COMPOUNDS)],
)
def test_killed_and_resumed_ends_bit_identical(name: str, small_job: Callable[..., JobRequest], make_sink: Any) -> None:
    straight = run(request_for(name, small_job, "straight"), make_sink())
    kill_at = 1 + zlib.crc32(name.encode()) % (STEPS - 1)
    dying = make_sink()

    def die(key: str, stage: str, done: int, total: int) -> None:
        assert total == STEPS
        if done > kill_at:
            raise Killed

    dying.progress = die
    with pytest.raises(Killed):
        run(request_for(name, small_job, "killed"), dying)
    resumed = run(request_for(name, small_job, "killed"), make_sink())
    assert resumed["summary"].resumed_from_step == kill_at
    assert resumed["losses"] == straight["losses"]
    assert resumed["weights"] == straight["weights"]
