"""AugMix against a plain derivation in Pillow and NumPy, and its consistency loss against its formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import nn

from augment.kernels.counters import SampleKeys, StepKeys
from augment.kernels.operations import BASIC, apply_operations
from augment.methods.augmix import AugMixConfig, AugMixJsd, AugMixJsdConfig, apply_augmix, draw_augmix, jensen_shannon
from augment.treatment import TreatmentContext

CONTEXT = TreatmentContext(image_size=16, num_channels=3, num_classes=4, mean=(0.5,) * 3)


def originals(count: int, channels: int = 3) -> NDArray[np.uint8]:
    """Return random images, (count, 16, 16, channels) uint8."""
    return np.random.default_rng(0).integers(0, 256, (count, 16, 16, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_augmix_is_the_drawn_combination_of_chains(channels: int) -> None:
    images, keys = originals(100, channels), SampleKeys(0, 0, np.arange(100))
    draw = draw_augmix(AugMixConfig(), keys, height=16, width=16, stream="augmix")
    wanted = []
    for index, image in enumerate(images):
        mixture = np.zeros(image.shape)
        for chain in range(3):
            current = image[None]
            for operation, argument in zip(draw.operation[index, chain], draw.argument[index, chain], strict=True):
                if operation >= 0:
                    current = apply_operations(current, np.array([operation]), np.array([argument]))
            mixture += draw.weight[index, chain] * (current[0] / 255.0)
        wanted.append((1 - draw.share[index]) * (image / 255.0) + draw.share[index] * mixture)
    assert np.abs(apply_augmix(images, draw) - np.array(wanted)).max() < 1e-6


def test_augmix_draws_follow_their_distributions() -> None:
    keys = SampleKeys(1, 0, np.arange(20_000))
    draw = draw_augmix(AugMixConfig(), keys, height=32, width=32, stream="augmix")
    assert stats.kstest(draw.share, "uniform").pvalue > 1e-3
    assert draw.weight.sum(axis=1) == pytest.approx(np.ones(20_000), abs=1e-6)
    assert stats.kstest(draw.weight[:, 0], stats.beta(1, 2).cdf).pvalue > 1e-3
    depth = (draw.operation >= 0).sum(axis=2)
    assert stats.chisquare(np.bincount(depth.ravel(), minlength=4)[1:]).pvalue > 1e-3
    used = draw.operation[draw.operation >= 0]
    assert set(used) == set(BASIC)
    assert stats.chisquare(np.bincount(used, minlength=9)).pvalue > 1e-3


def test_the_views_are_the_clean_image_and_two_different_mixtures() -> None:
    images = originals(8)
    views = AugMixJsd(AugMixJsdConfig(), CONTEXT).sample(images, SampleKeys(0, 0, np.arange(8)))
    assert views.shape == (3, 8, 16, 16, 3)
    assert np.array_equal(views[0], images.astype(np.float32) / np.float32(255))
    assert not np.array_equal(views[1], views[2])


def test_the_divergence_equals_its_formula_and_is_zero_for_equal_views() -> None:
    logits = [torch.randn((5, 4), generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    assert float(jensen_shannon((logits[0],) * 3)) == pytest.approx(0.0, abs=1e-6)
    p = [torch.softmax(view, dim=1).double().numpy() for view in logits]
    mean = sum(p) / 3
    by_hand = np.mean([(one * np.log(one / mean)).sum(axis=1).mean() for one in p])
    assert float(jensen_shannon(tuple(logits))) == pytest.approx(by_hand, abs=1e-6)


def test_the_loss_is_clean_cross_entropy_plus_twelve_times_the_divergence() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4)).requires_grad_(False)
    images, targets = torch.rand((6, 3, 16, 16)), torch.tensor([0, 3])
    outcome = AugMixJsd(AugMixJsdConfig(), CONTEXT).loss(model, images, targets, None, StepKeys(0, 0, 0))
    logits = model(images)
    wanted = nn.functional.cross_entropy(logits[:2], targets) + 12 * jensen_shannon(logits.chunk(3))
    assert float(outcome.loss) == pytest.approx(float(wanted), abs=1e-6)
    assert torch.equal(outcome.logits, logits[:2])
