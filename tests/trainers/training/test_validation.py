"""Held-out images: never trained on, evaluated after every epoch, alone or shared between workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from eval.inference import transfer
from tests.fakes.late_device import LateDevice
from trainers.config import RecipeConfig
from trainers.job import JobRequest
from trainers.training import validation as validation_module
from trainers.training.group import OneWorker
from trainers.training.input.images import ResidentImages
from trainers.training.input.order import training_samples, validation_samples
from trainers.training.validation import validation
from trainers.worker.run_job import run_job

CPU = OneWorker(torch.device("cpu"))


def source(num_images: int = 40) -> ResidentImages:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (num_images, 8, 8, 1), dtype=np.uint8)
    return ResidentImages(images, rng.integers(0, 3, num_images), crop_padding=2, flip=True)


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 3))


def recipe(held_out: int) -> RecipeConfig:
    return RecipeConfig(epochs=1, batch_size=8, validation_images=held_out)


def test_held_out_images_are_never_trained_on() -> None:
    held_out, trained = validation_samples(40, recipe(10)), training_samples(40, recipe(10))
    assert len(held_out) == 10
    assert not set(held_out) & set(trained)
    assert len(held_out) + len(trained) == 40


def test_validation_is_that_of_a_plain_loop_over_untouched_images() -> None:
    originals, model = source(), linear().train()
    evaluate = validation(originals, recipe(10), CPU)
    assert evaluate is not None
    loss, accuracy = evaluate(model)
    assert model.training
    images, labels = originals.plain(validation_samples(40, recipe(10)))
    logits = linear().eval()(torch.from_numpy(images).permute(0, 3, 1, 2) / 255)
    assert loss == pytest.approx(nn.functional.cross_entropy(logits, torch.from_numpy(labels)).item(), rel=1e-5)
    assert accuracy == pytest.approx((logits.argmax(1).numpy() == labels).mean())


@pytest.mark.parametrize("engine", [None, LateDevice(is_prompt=True)])
def test_threads_change_no_bit_of_it(engine: LateDevice | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation_module, "BATCH", 7)
    plain = validation(source(), recipe(24), CPU)
    monkeypatch.setattr(transfer, "engine_for", lambda _: engine)
    threaded = validation(source(), recipe(24), CPU, threads=3)
    assert plain is not None
    assert threaded is not None
    assert plain(linear()) == threaded(linear())


class HalfOfTwo(OneWorker):
    """Rank `rank` of two workers; remembers what it would add up."""

    world_size = 2

    def __init__(self, rank: int) -> None:
        super().__init__(torch.device("cpu"))
        self.rank = rank
        self.added = torch.zeros(2, dtype=torch.float64)

    def sum_(self, tensor: torch.Tensor) -> None:
        self.added = tensor.clone()


def test_workers_share_the_held_out_images() -> None:
    model, halves = linear(), [HalfOfTwo(0), HalfOfTwo(1)]
    for half in halves:
        evaluate = validation(source(), recipe(11), half)
        assert evaluate is not None
        evaluate(model)
    whole = validation(source(), recipe(11), CPU)
    assert whole is not None
    loss, accuracy = whole(model)
    assert ((halves[0].added + halves[1].added) / 11).tolist() == pytest.approx([loss, accuracy])


def test_without_held_out_images_nothing_is_evaluated() -> None:
    assert validation(source(), recipe(0), CPU) is None


def test_every_epoch_reports_validation_and_the_weights_do_not_feel_it(
    small_job: Callable[..., JobRequest], sink: Any
) -> None:
    result = run_job(small_job(recipe={"validation_images": 60}), group=CPU, sink=sink)
    for row in result.training.epochs:
        assert row.validation_loss is not None
        assert 0.0 <= (row.validation_accuracy or 0.0) <= 1.0
        assert row.images_per_s > 0
        assert row.memory_mib > 0
        assert 0.0 <= row.data_wait_share <= 1.0
