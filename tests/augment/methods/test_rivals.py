"""Cutout, Mixup and CutMix: holes, weights, boxes and targets as published."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from augment.kernels.counters import SampleKeys, StepKeys
from augment.methods.cutmix import CutMix, CutMixConfig, box_for
from augment.methods.cutout import Cutout, CutoutConfig, cut_out
from augment.methods.mixup import Mixup, MixupConfig
from augment.treatment import Treatment, TreatmentContext

CONTEXT = TreatmentContext(image_size=32, num_channels=3, num_classes=10, mean=(0.5, 0.25, 0.75))
MODEL = nn.Flatten()


def a_shard(count: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images in [0, 1] and their classes."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand((count, 3, 32, 32), generator=generator)
    return images, torch.randint(0, 10, (count,), generator=generator)


def test_a_hole_is_the_clipped_square_about_its_centre() -> None:
    images = np.full((3, 8, 8, 3), 255, dtype=np.uint8)
    holed = cut_out(images, np.array([[4, 4], [0, 0], [7, 3]]), length=4, fill=CONTEXT.mean)
    for image, (top, bottom, left, right) in zip(holed, [(2, 6, 2, 6), (0, 2, 0, 2), (5, 8, 1, 5)], strict=True):
        wanted = np.ones((8, 8, 3), dtype=np.float32)
        wanted[top:bottom, left:right] = CONTEXT.mean
        assert np.array_equal(image, wanted)


def test_cutout_takes_half_the_side_anywhere_and_fills_with_the_mean() -> None:
    images = np.full((2000, 32, 32, 3), 10, dtype=np.uint8)
    holed = Cutout(CutoutConfig(), CONTEXT).sample(images, SampleKeys(0, 0, np.arange(2000)))
    hole = (holed == np.array(CONTEXT.mean, dtype=np.float32)).all(axis=3)
    assert (holed[~hole] == np.float32(10) / np.float32(255)).all()
    rows, columns = hole.any(axis=2).sum(axis=1), hole.any(axis=1).sum(axis=1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 16, 8, 16)
    assert (rows == 16).mean() == pytest.approx(17 / 32, abs=0.03)


def test_cutout_after_a_method_that_returns_floats_keeps_them() -> None:
    images = np.random.default_rng(0).random((4, 8, 8, 3)).astype(np.float32)
    holed = cut_out(images, np.full((4, 2), 4), length=2, fill=CONTEXT.mean)
    assert np.array_equal(holed[:, 0], images[:, 0])


def test_mixup_is_one_convex_combination_per_shard() -> None:
    images, targets = a_shard()
    mixed, soft = Mixup(MixupConfig(), CONTEXT).batch(MODEL, images, targets, StepKeys(0, 3, 0))
    own = soft.gather(1, targets[:, None])[:, 0]
    weight = float(own.min())
    assert soft.sum(dim=1) == pytest.approx(torch.ones(16))
    partner = torch.argmin(torch.cdist(((mixed - weight * images) / (1 - weight)).flatten(1), images.flatten(1)), dim=1)
    assert sorted(partner.tolist()) == list(range(16))
    assert torch.allclose(mixed, weight * images + (1 - weight) * images[partner], atol=1e-6)


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup_weights_follow_the_beta_distribution(alpha: float) -> None:
    method = Mixup(MixupConfig(alpha=alpha), CONTEXT)
    images, targets = torch.zeros((2, 3, 1, 1)), torch.tensor([0, 1])
    weights = []
    for step in range(2000):
        _, soft = method.batch(MODEL, images, targets, StepKeys(0, step, 0))
        weights.append(float(soft[0, 0]))
    mixed = np.array([weight for weight in weights if weight < 1.0])
    assert stats.kstest(mixed, stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def test_soft_targets_give_the_published_sum_of_two_losses() -> None:
    images, targets = a_shard()
    mixed, soft = Mixup(MixupConfig(), CONTEXT).batch(MODEL, images, targets, StepKeys(0, 1, 0))
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))
    model.requires_grad_(False)
    loss = Treatment().loss(model, mixed, soft, None, StepKeys(0, 1, 0)).loss
    weight = float(soft.gather(1, targets[:, None]).min())
    other = (soft - weight * nn.functional.one_hot(targets, 10)) / (1 - weight)
    two = weight * nn.functional.cross_entropy(model(mixed), targets)
    two = two + (1 - weight) * nn.functional.cross_entropy(model(mixed), other.argmax(dim=1))
    assert float(loss) == pytest.approx(float(two), abs=1e-5)


@given(
    weight=st.floats(0, 1), row=st.floats(0, 1, exclude_max=True), column=st.floats(0, 1, exclude_max=True),
    height=st.integers(1, 64), width=st.integers(1, 64),
)  # fmt: skip
def test_a_box_lies_inside_the_image(weight: float, row: float, column: float, height: int, width: int) -> None:
    box = box_for(weight, row, column, height, width)
    assert 0 <= box.top <= box.bottom <= height
    assert 0 <= box.left <= box.right <= width
    assert box.area <= (1 - weight) * height * width + 1e-9


def test_cutmix_shares_the_target_by_the_kept_area() -> None:
    images, targets = a_shard()
    method = CutMix(CutMixConfig(probability=1.0), CONTEXT)
    for step in range(30):
        mixed, soft = method.batch(MODEL, images, targets, StepKeys(0, step, 0))
        changed = (mixed != images).any(dim=1).flatten(1).float().mean(dim=1)
        kept = soft.gather(1, targets[:, None])[:, 0]
        moved = changed > 0
        assert torch.allclose(kept[moved & (kept < 1)], 1 - changed[moved & (kept < 1)], atol=2e-3)
        assert soft.sum(dim=1) == pytest.approx(torch.ones(16))


def test_cutmix_leaves_the_stated_share_of_batches_alone() -> None:
    images, targets = torch.rand((2, 3, 4, 4)), torch.tensor([0, 1])
    method = CutMix(CutMixConfig(probability=0.3), CONTEXT)
    soft = [method.batch(MODEL, images, targets, StepKeys(0, step, 0))[1].ndim == 2 for step in range(2000)]
    assert np.mean(soft) == pytest.approx(0.3, abs=0.03)


def test_cutmix_takes_targets_that_are_soft_already() -> None:
    images, targets = a_shard()
    keys = StepKeys(0, 0, 0)
    mixed, soft = Mixup(MixupConfig(), CONTEXT).batch(MODEL, images, targets, keys)
    _, softer = CutMix(CutMixConfig(probability=1.0), CONTEXT).batch(MODEL, mixed, soft, keys)
    assert softer.shape == (16, 10)
    assert softer.sum(dim=1) == pytest.approx(torch.ones(16))


@pytest.mark.parametrize("method", [Mixup(MixupConfig(), CONTEXT), CutMix(CutMixConfig(probability=1.0), CONTEXT)])
def test_a_batch_stage_depends_on_step_and_shard_only(method: Treatment) -> None:
    images, targets = a_shard()
    first = method.batch(MODEL, images, targets, StepKeys(1, 2, 3))[0]
    assert torch.equal(first, method.batch(MODEL, images, targets, StepKeys(1, 2, 3))[0])
    assert not torch.equal(first, method.batch(MODEL, images, targets, StepKeys(1, 2, 4))[0])
    assert not torch.equal(first, method.batch(MODEL, images, targets, StepKeys(1, 3, 3))[0])
