"""Salt and pepper, speckle and Gaussian noise have the stated densities, moments and shares."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from augment.kernels.counters import SampleKeys, normals
from augment.methods.noise import add_noise, draw_scales, salt_and_pepper

KEYS = SampleKeys(0, 0, np.arange(300))


def test_salt_and_pepper_replaces_the_stated_share_evenly_and_whole_pixels() -> None:
    images = np.full((300, 32, 32, 3), 100, dtype=np.uint8)
    noised = salt_and_pepper(images, KEYS, probability=0.2)
    assert (noised == 0).mean() == pytest.approx(0.1, abs=3e-3)
    assert (noised == 255).mean() == pytest.approx(0.1, abs=3e-3)
    assert (noised == noised[..., :1]).all()
    assert set(np.unique(noised)) == {0, 100, 255}


def test_salt_and_pepper_keeps_floats_floats() -> None:
    noised = salt_and_pepper(
        np.full((4, 8, 8, 1), 0.5, dtype=np.float32), SampleKeys(0, 0, np.arange(4)), probability=0.5
    )
    assert noised.dtype == np.float32
    assert set(np.unique(noised)) == {0.0, 0.5, 1.0}


def test_gaussian_noise_has_its_scale_and_is_normal() -> None:
    images = np.full((300, 8, 8, 1), 128, dtype=np.uint8)
    scale = np.full(300, 0.1, dtype=np.float32)
    values = (add_noise(images, KEYS, scale, multiply=False, stream="test") - np.float32(128 / 255)).ravel()
    assert values.std() == pytest.approx(0.1, rel=0.02)
    assert stats.kstest(values / 0.1, "norm").pvalue > 1e-3


def test_speckle_grows_with_the_image_and_is_clipped() -> None:
    images = np.zeros((300, 8, 8, 1), dtype=np.uint8)
    images[:, :4] = 64
    images[:, 4:] = 128
    scale = np.full(300, 0.3, dtype=np.float32)
    noised = add_noise(images, KEYS, scale, multiply=True, stream="test")
    assert noised[:, :4].std() == pytest.approx(0.3 * 64 / 255, rel=0.03)
    assert noised[:, 4:].std() == pytest.approx(0.3 * 128 / 255, rel=0.03)
    strong = add_noise(images, KEYS, np.full(300, 5.0, dtype=np.float32), multiply=True, stream="test")
    assert (strong.min(), strong.max()) == (0.0, 1.0)


def test_noise_pairs_both_halves_of_the_box_muller_transform() -> None:
    keys = SampleKeys(3, 1, np.array([7]))
    grey = np.full((1, 2, 2, 1), 0.5, dtype=np.float32)
    noised = add_noise(grey, keys, np.array([0.01], dtype=np.float32), multiply=False, stream="pairs")
    first = normals(keys, 2, stream="pairs")[0]
    assert (noised.ravel()[::2] - 0.5) / 0.01 == pytest.approx(first, abs=2e-5)


def test_scales_and_clean_images_have_their_shares() -> None:
    scale = draw_scales(SampleKeys(0, 0, np.arange(20_000)), (0.15, 0.2, 0.35, 0.45, 0.6), 0.5, stream="speckle")
    assert (scale == 0).mean() == pytest.approx(0.5, abs=0.01)
    values, counts = np.unique(scale[scale > 0], return_counts=True)
    assert values == pytest.approx([0.15, 0.2, 0.35, 0.45, 0.6])
    assert stats.chisquare(counts).pvalue > 1e-3


def test_a_clean_image_is_left_exactly() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 5, 5, 3), dtype=np.uint8)
    clean = add_noise(images, SampleKeys(0, 0, np.arange(3)), np.zeros(3, dtype=np.float32), multiply=True, stream="x")
    assert np.array_equal(clean, images.astype(np.float32) / np.float32(255))
