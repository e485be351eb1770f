import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from augment.kernels.counters import SampleKeys, StepKeys
from augment.treatment import LossOutput, Treatment
from tests.fakes.clock import Time
from trainers.config import RecipeConfig
from trainers.errors import JobStopped, NonFiniteLoss
from trainers.models.contract import ModelInput
from trainers.models.registry import model_for
from trainers.training import loop
from trainers.training.group import OneWorker
from trainers.training.input.images import ResidentImages
from trainers.training.input.loader import Loader
from trainers.training.input.order import Order
from trainers.training.loop import LoopHooks, Training
from trainers.training.shards import running_statistics, statistics_of

NUM_IMAGES = 37
CPU = OneWorker(torch.device("cpu"))


class Harness:
    """A training on 37 random images of 12 px, and what its hooks were told."""

    def __init__(
        self, recipe: RecipeConfig, *, model: nn.Module, treatment: Treatment | None = None, threads: int = 0
    ) -> None:
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (NUM_IMAGES, 12, 12, 1), dtype=np.uint8)
        labels = rng.integers(0, 10, NUM_IMAGES)
        pieces = recipe.batch_shards * recipe.grad_accumulation
        order = Order(samples=np.arange(NUM_IMAGES), batch_size=recipe.batch_size, num_shards=pieces, seed=5)
        treatment = treatment or Treatment()
        self.loader = Loader(
            source=ResidentImages(images, labels, crop_padding=recipe.crop_padding, flip=recipe.flip),
            treatment=treatment,
            order=order,
            rank=0,
            world_size=1,
            threads=threads,
            device=CPU.device,
        )
        self.training = Training(
            recipe=recipe,
            seed=5,
            model=model,
            treatment=treatment,
            steps_per_epoch=order.steps_per_epoch,
            group=CPU,
            device=CPU.device,
        )
        self.saved: dict[int, dict[str, object]] = {}
        self.rows: list[object] = []
        self.every_s = 1e9
        self.stop_after: int | None = None

    def run(self) -> "Harness":
        hooks = LoopHooks(
            epoch_ended=self.rows.append,
            progress=lambda done, total: None,
            save=lambda state, step: self.saved.__setitem__(step, copy.deepcopy(dict(state or {}))),
            checkpoint_every_s=self.every_s,
            stop_requested=lambda: self.stop_after is not None and self.training.progress.step >= self.stop_after,
        )
        with self.loader:
            self.training.run(self.loader, hooks)
        return self


def wide_resnet(dropout: float = 0.3) -> nn.Module:
    torch.manual_seed(1)
    return model_for("wrn-10-1").build({"dropout": dropout}, ModelInput(image_size=12, num_channels=1, num_classes=10))


def plain_network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(400, 10))


def recipe(**changes: object) -> RecipeConfig:
    values = {"epochs": 2, "batch_size": 16, "batch_shards": 2, "crop_padding": 2, "lr": 0.05, **changes}
    return RecipeConfig(**values)  # type: ignore[arg-type]


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    left, right = first.state_dict(), second.state_dict()
    return all(torch.equal(left[key], right[key]) for key in left)


def test_training_lowers_the_loss() -> None:
    harness = Harness(recipe(epochs=8, crop_padding=0, flip=False), model=wide_resnet(dropout=0.0)).run()
    losses = [row.loss for row in harness.rows]
    assert len(losses) == 8
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("changes", [{}, {"ema_decay": 0.9}, {"optimiser": "adamw"}, {"grad_accumulation": 2}])
def test_resumed_training_ends_bit_identical_from_any_checkpoint(changes: dict[str, object]) -> None:
    straight = Harness(recipe(**changes), model=wide_resnet())
    straight.every_s = 0.0
    straight.run()
    assert sorted(straight.saved) == [1, 2, 3, 4, 5, 6]
    for step, state in straight.saved.items():
        resumed = Harness(recipe(**changes), model=wide_resnet())
        resumed.training.load_state_dict(copy.deepcopy(state))
        resumed.run()
        assert same_weights(straight.training.model, resumed.training.model), step
        assert [row.loss for row in resumed.training.progress.rows] == [row.loss for row in straight.rows]
        if straight.training.average is not None and resumed.training.average is not None:
            pairs = zip(straight.training.average.values, resumed.training.average.values, strict=True)
            assert all(torch.equal(left, right) for left, right in pairs)


def test_background_threads_change_nothing() -> None:
    alone = Harness(recipe(), model=wide_resnet(), threads=0).run()
    helped = Harness(recipe(), model=wide_resnet(), threads=3).run()
    assert same_weights(alone.training.model, helped.training.model)


@pytest.mark.parametrize("shards", [1, 2, 5, 16])
def test_shards_weigh_by_their_number_of_samples(shards: int) -> None:
    """Without batch norm and drop-out the number of shards changes rounding only, also in the last batch of 5."""
    whole = Harness(recipe(batch_shards=1), model=plain_network()).run()
    cut = Harness(recipe(batch_shards=shards), model=plain_network()).run()
    for left, right in zip(whole.training.model.parameters(), cut.training.model.parameters(), strict=True):
        assert torch.allclose(left, right, atol=1e-6)
    assert whole.rows[-1].loss == pytest.approx(cut.rows[-1].loss, rel=1e-5)
    assert whole.rows[-1].accuracy == cut.rows[-1].accuracy


def test_first_step_is_that_of_a_plain_training_loop() -> None:
    config = recipe(epochs=1, batch_size=NUM_IMAGES, batch_shards=1, crop_padding=0, flip=False, schedule="constant")
    harness = Harness(config, model=plain_network()).run()
    model = plain_network()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (NUM_IMAGES, 12, 12, 1), dtype=np.uint8)).permute(0, 3, 1, 2) / 255
    labels = torch.from_numpy(rng.integers(0, 10, NUM_IMAGES))
    nn.functional.cross_entropy(model(images), labels).backward()
    optimiser.step()
    for left, right in zip(model.parameters(), harness.training.model.parameters(), strict=True):
        assert torch.allclose(left, right, atol=1e-6)


def test_running_statistics_come_from_piece_0_alone() -> None:
    model = wide_resnet().train()
    before = [tensor.clone() for tensor in running_statistics(model)]
    images = torch.rand(4, 1, 12, 12)
    with statistics_of(model, 1):
        own = model(images)
    assert all(torch.equal(left, right) for left, right in zip(before, running_statistics(model), strict=True))
    with statistics_of(model, 0):
        model(images)
    assert not any(torch.equal(left, right) for left, right in zip(before, running_statistics(model), strict=True))
    model.eval()
    assert not torch.allclose(own, model(images))


class ExplodesAt(Treatment):
    """Returns a loss that is no number at one step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def loss(self, model: nn.Module, images, targets, extra, keys: StepKeys) -> LossOutput:  # type: ignore[no-untyped-def]
        output = super().loss(model, images, targets, extra, keys)
        return LossOutput(output.loss * float("nan") if keys.step == self._step else output.loss, output.logits)


def test_loss_that_is_no_number_stops_with_step_rate_and_last_losses() -> None:
    harness = Harness(recipe(), model=wide_resnet(), treatment=ExplodesAt(4))
    harness.every_s = 0.0
    with pytest.raises(NonFiniteLoss, match=r"at step 4 \(learning rate .*lower the learning rate") as caught:
        harness.run()
    assert caught.value.step == 4
    assert len(caught.value.last_losses) == 5
    assert caught.value.error_class == "nan"
    assert sorted(harness.saved) == [1, 2, 3, 4]


def test_weights_that_are_no_numbers_are_never_saved() -> None:
    model = plain_network()
    next(model.parameters()).register_hook(lambda gradient: gradient * float("inf"))
    harness = Harness(recipe(epochs=1), model=model)
    harness.every_s = 0.0
    with pytest.raises(NonFiniteLoss, match="at step 0"):
        harness.run()
    assert harness.saved == {}


def test_asked_to_stop_it_saves_first_and_resumes_exactly() -> None:
    straight = Harness(recipe(), model=wide_resnet()).run()
    stopped = Harness(recipe(), model=wide_resnet())
    stopped.stop_after = 3
    with pytest.raises(JobStopped, match="step 4 of 6 is saved"):
        stopped.run()
    resumed = Harness(recipe(), model=wide_resnet())
    resumed.training.load_state_dict(stopped.saved[4])
    resumed.run()
    assert same_weights(straight.training.model, resumed.training.model)


def test_speed_of_an_epoch_is_that_of_its_steps_and_the_wall_time_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Time()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=clock))

    def takes(seconds: float, result: Any = None) -> Callable[..., Any]:
        def call(*_: object) -> Any:
            clock.now += seconds
            return result

        return call

    harness = Harness(recipe(), model=plain_network())
    hooks = LoopHooks(
        epoch_ended=harness.rows.append,
        progress=lambda done, total: None,
        save=takes(1000),
        checkpoint_every_s=1e9,
        stop_requested=takes(1, False),
        validate=takes(100, (0.0, 0.0)),
    )
    with harness.loader:
        harness.training.run(harness.loader, hooks)
    assert [row.images_per_s for row in harness.rows] == [NUM_IMAGES / 3] * 2
    # The last checkpoint is written by the job, after the loop.
    assert harness.training.progress.wall_s == 2 * (3 + 100) + 1000


def test_clipped_gradients_have_at_most_the_stated_norm() -> None:
    harness = Harness(recipe(grad_clip=1e-3, epochs=1, batch_size=NUM_IMAGES), model=plain_network()).run()
    gradient = torch.cat([parameter.grad.flatten() for parameter in harness.training.model.parameters()])
    assert gradient.norm().item() == pytest.approx(1e-3, rel=1e-2)


def test_a_single_worker_rounds_its_gradient_as_the_sum_of_several_is_rounded() -> None:
    exact = Harness(recipe(epochs=1, batch_size=NUM_IMAGES), model=plain_network()).run()
    rounded = Harness(recipe(epochs=1, batch_size=NUM_IMAGES, gradient_compression="bf16"), model=plain_network()).run()
    for one, other in zip(exact.training.model.parameters(), rounded.training.model.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.equal(one.grad.to(torch.bfloat16), other.grad)
        assert not torch.equal(one.grad, other.grad)


def test_parameters_that_a_loss_leaves_out_decay_too() -> None:
    model = plain_network()
    model.unused = nn.Parameter(torch.ones(3))
    model.forward = lambda images: model[:4](images)  # type: ignore[method-assign]
    Harness(recipe(epochs=1, weight_decay=0.1), model=model).run()
    assert (model.unused < 1.0).all()


class Seen(Treatment):
    """Remembers the samples that it was given."""

    def __init__(self) -> None:
        self.keys: list[SampleKeys] = []

    def sample(self, images, keys: SampleKeys):  # type: ignore[no-untyped-def]
        self.keys.append(keys)
        return images


def test_treatment_sees_every_sample_of_an_epoch_once() -> None:
    treatment = Seen()
    Harness(recipe(), model=plain_network(), treatment=treatment).run()
    for epoch in (0, 1):
        seen = np.concatenate([keys.indices for keys in treatment.keys if keys.epoch == epoch])
        assert sorted(seen.tolist()) == list(range(NUM_IMAGES))


class DrawsOnceInAWhile(Treatment):
    """Draws from torch's global generator in some of its batches only, as a treatment does that builds a network late."""

    def __init__(self, draws: set[int]) -> None:
        self._draws = draws

    def batch(self, model: nn.Module, images, targets, keys: StepKeys):  # type: ignore[no-untyped-def]
        if keys.step in self._draws:
            torch.rand(100)
        return images, targets


def test_draws_of_a_treatment_leave_the_drop_out_alone() -> None:
    never = Harness(recipe(), model=wide_resnet(), treatment=DrawsOnceInAWhile(set())).run()
    sometimes = Harness(recipe(), model=wide_resnet(), treatment=DrawsOnceInAWhile({1, 4})).run()
    assert same_weights(never.training.model, sometimes.training.model)
