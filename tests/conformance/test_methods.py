"""One suite for everything in METHODS: shapes, types, ranges, determinism, and inputs that stay as they were."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from augment.compound import method_for
from augment.kernels.counters import SampleKeys, StepKeys
from augment.method import Method
from augment.registry import METHODS
from augment.treatment import Treatment, TreatmentContext

pytestmark = pytest.mark.usefixtures("one_torch_thread")

COMPOUNDS = ("pixmix+cutmix", "pixmix+cutout", "pixmix+oe")
SMALL: dict[str, dict[str, Any]] = {
    "pixmix-iterative": {"images": 3, "ascent_steps": 2, "buffer_size": 4, "refresh_every": 2},
    "ant": {"retrain_steps": 1},
    "edsr": {"train_steps": 1, "hidden": 4, "num_blocks": 1},
    "sin": {"train_steps": 1, "hidden": 3},
}
"""Hyper-parameters that keep a method quick here."""
NAMES = (*METHODS, *COMPOUNDS)
STAGES = ("sample", "batch", "loss", "extra")
NUM_CLASSES = 5


def context_for(size: int, channels: int) -> TreatmentContext:
    """Return a context with a mixing set and outliers of one size."""
    source = np.random.default_rng(size * channels)
    return TreatmentContext(
        image_size=size,
        num_channels=channels,
        num_classes=NUM_CLASSES,
        mean=(0.5,) * channels,
        mixing_set=source.integers(0, 256, (7, size + 4, size + 4, channels), dtype=np.uint8),
        outliers=source.integers(0, 256, (11, size, size, channels), dtype=np.uint8),
    )


def build(name: str, size: int = 12, channels: int = 3) -> Treatment:
    """Build a method with its default hyper-parameters, small where they cost time."""
    method = method_for(name)
    return method.build(method.config(**SMALL.get(name, {})), context_for(size, channels))


def originals(count: int, size: int, channels: int) -> NDArray[np.uint8]:
    """Return random images, (count, size, size, channels) uint8."""
    return np.random.default_rng(3).integers(0, 256, (count, size, size, channels), dtype=np.uint8)


def keys_of(count: int, *, seed: int = 4, epoch: int = 1) -> SampleKeys:
    """Return the keys of samples 10, 11, ..."""
    return SampleKeys(seed, epoch, np.arange(count, dtype=np.int64) + 10)


def a_network(channels: int, size: int) -> nn.Module:
    """Return a small network with batch norm and drop-out, in training mode."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(4 * size * size, NUM_CLASSES),
    ).train()


def a_shard(count: int, channels: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images in [0, 1], (count, channels, size, size), and classes."""
    generator = torch.Generator().manual_seed(1)
    images = torch.rand((count, channels, size, size), generator=generator)
    return images, torch.randint(0, NUM_CLASSES, (count,), generator=generator)


def state_of(model: nn.Module) -> dict[str, Any]:
    """Return everything of a network that a batch stage must leave alone."""
    return {
        "mode": [module.training for module in model.modules()],
        "state": {name: value.clone() for name, value in model.state_dict().items()},
        "grads": [None if parameter.grad is None else parameter.grad.clone() for parameter in model.parameters()],
        "requires_grad": [parameter.requires_grad for parameter in model.parameters()],
    }


def assert_same_state(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Fail where a network was changed."""
    assert before["mode"] == after["mode"]
    assert before["requires_grad"] == after["requires_grad"]
    for name, value in before["state"].items():
        assert torch.equal(value, after["state"][name]), name
    for first, second in zip(before["grads"], after["grads"], strict=True):
        assert (first is None) == (second is None)
        assert first is None or torch.equal(first, second)


def started(name: str, size: int = 12, channels: int = 3) -> Treatment:
    """Build a method and start its first epoch, as the loop does."""
    treatment = build(name, size, channels)
    treatment.start_epoch(a_network(channels, size), 0)
    return treatment


@pytest.mark.parametrize("name", NAMES)
def test_the_declared_stages_are_those_it_defines(name: str) -> None:
    method, treatment = method_for(name), build(name)
    if "+" in name:
        assert method.stages == frozenset().union(*(METHODS[part].stages for part in name.split("+")))
        return
    defined = {stage for stage in STAGES if getattr(type(treatment), stage) is not getattr(Treatment, stage)}
    assert defined == method.stages


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_a_complete_card(name: str) -> None:
    method: Method = METHODS[name]
    assert method.semantics >= 1
    assert method.title
    assert method.what.endswith(".")
    assert method.source
    assert method.config() == method.config(), "hyper-parameters compare by value"
    for changes in method.defaults.values():
        method.config(**changes)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("count", "size"), [(5, 12), (1, 12), (3, 7), (0, 12), (2, 33)])
def test_sampling_keeps_shape_range_and_input(name: str, channels: int, count: int, size: int) -> None:
    method, treatment, images = method_for(name), started(name, size, channels), originals(count, size, channels)
    before = images.copy()
    changed = treatment.sample(images, keys_of(count))
    views = (treatment.num_views,) if treatment.num_views > 1 else ()
    assert changed.shape == (*views, *images.shape)
    assert treatment.num_views == method.num_views
    assert changed.dtype == (np.float32 if method.returns_float else np.uint8)
    assert np.array_equal(images, before)
    if changed.dtype == np.float32 and changed.size:
        assert 0.0 <= changed.min() <= changed.max() <= 1.0


@pytest.mark.parametrize("name", NAMES)
def test_sampling_repeats_and_does_not_depend_on_the_batch(name: str) -> None:
    images = originals(6, 12, 3)
    whole = started(name).sample(images, keys_of(6))
    assert np.array_equal(whole, started(name).sample(images, keys_of(6)))
    treatment = started(name)
    single = [treatment.sample(images[row : row + 1], SampleKeys(4, 1, np.array([10 + row]))) for row in (5, 2)]
    axis = 1 if treatment.num_views > 1 else 0
    assert np.array_equal(np.concatenate(single, axis=axis), np.take(whole, [5, 2], axis=axis))


@pytest.mark.parametrize("name", [name for name in NAMES if "sample" in method_for(name).stages])
def test_sampling_changes_with_epoch_and_seed(name: str) -> None:
    images, treatment = originals(40, 12, 3), started(name)
    first = treatment.sample(images, keys_of(40))
    assert not np.array_equal(first, treatment.sample(images, keys_of(40, epoch=2)))
    assert not np.array_equal(first, treatment.sample(images, keys_of(40, seed=5)))


@pytest.mark.parametrize("name", [name for name in NAMES if method_for(name).accepts_float])
def test_a_method_that_may_follow_floats_takes_them(name: str) -> None:
    images = originals(3, 12, 3).astype(np.float32) / np.float32(255)
    before = images.copy()
    changed = started(name).sample(images, keys_of(3))  # type: ignore[arg-type]
    assert changed.shape == images.shape
    assert changed.dtype == np.float32
    assert np.array_equal(images, before)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("count", "channels", "size"), [(6, 3, 12), (1, 1, 12), (4, 3, 9)])
def test_a_batch_stage_keeps_shape_range_inputs_and_network(name: str, count: int, channels: int, size: int) -> None:
    treatment, model = started(name, size, channels), a_network(channels, size)
    images, targets = a_shard(count, channels, size)
    given, classes, before = images.clone(), targets.clone(), state_of(model)
    changed, answered = treatment.batch(model, images, targets, StepKeys(1, 2, 0))
    assert_same_state(before, state_of(model))
    assert torch.equal(images, given)
    assert torch.equal(targets, classes)
    assert changed.shape == images.shape
    assert changed.dtype == torch.float32
    assert not changed.requires_grad
    assert 0.0 <= float(changed.min()) <= float(changed.max()) <= 1.0
    assert answered.shape in {(count,), (count, NUM_CLASSES)}
    if answered.ndim == 2:
        assert answered.sum(dim=1).tolist() == pytest.approx([1.0] * count, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_stage_repeats(name: str) -> None:
    images, targets = a_shard(6, 3, 12)
    first = started(name).batch(a_network(3, 12), images, targets, StepKeys(1, 2, 0))
    second = started(name).batch(a_network(3, 12), images, targets, StepKeys(1, 2, 0))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_finite_and_reaches_every_parameter(name: str) -> None:
    treatment, model = started(name), a_network(3, 12)
    images, targets = a_shard(4 * treatment.num_views, 3, 12)
    extra = treatment.extra(keys_of(4))
    assert (extra is not None) == ("extra" in method_for(name).stages)
    stream = None
    if extra is not None:
        assert extra.shape == (4 * treatment.num_extra_per_sample, 12, 12, 3)
        assert extra.dtype == np.uint8
        stream = torch.from_numpy(extra).permute(0, 3, 1, 2).float() / 255
    outcome = treatment.loss(model, images, targets[:4], stream, StepKeys(1, 2, 0))
    outcome.loss.backward()
    assert outcome.loss.shape == ()
    assert bool(torch.isfinite(outcome.loss))
    assert outcome.logits.shape == (4, NUM_CLASSES)
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_a_restored_treatment_continues_like_the_saved_one(name: str) -> None:
    treatment, restored = started(name), build(name)
    model, images = a_network(3, 12), originals(6, 12, 3)
    shard, targets = a_shard(6, 3, 12)
    treatment.batch(model, shard, targets, StepKeys(1, 0, 0))
    restored.load_state_dict(copy.deepcopy(dict(treatment.state_dict())))
    assert np.array_equal(treatment.sample(images, keys_of(6)), restored.sample(images, keys_of(6)))
    ours = treatment.batch(model, shard, targets, StepKeys(1, 3, 0))
    theirs = restored.batch(model, shard, targets, StepKeys(1, 3, 0))
    assert torch.equal(ours[0], theirs[0])
    assert torch.equal(ours[1], theirs[1])
