"""Generated outlier sets."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import filters

from eval.corruptions.contract import Draws
from eval.corruptions.fields import uniform_fields
from eval.outliers.generated import OUTLIER_SETS, outliers

SHAPE = (32, 32, 3)


@pytest.mark.parametrize("name", OUTLIER_SETS)
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (9, 50, 3)])
def test_images_have_the_asked_size_and_range(name: str, shape: tuple[int, int, int]) -> None:
    images = outliers(name, 4, shape)
    assert images.shape == (4, *shape)
    assert images.dtype == np.float32
    assert 0 <= images.min() < images.max() <= 1


@pytest.mark.parametrize("name", OUTLIER_SETS)
def test_any_part_of_a_set_can_be_made_alone(name: str) -> None:
    whole = outliers(name, 10, SHAPE)
    assert np.array_equal(outliers(name, 3, SHAPE, start=6), whole[6:9])
    assert not np.array_equal(outliers(name, 10, SHAPE, seed=1), whole)


def test_gaussian_images_are_normal_with_half_deviation_on_the_published_scale() -> None:
    signed = 2 * outliers("gaussian", 200, SHAPE) - 1
    inside = np.abs(signed) < 1
    assert (~inside).mean() == pytest.approx(0.0455, abs=0.002)
    assert signed.mean() == pytest.approx(0, abs=0.003)
    assert np.quantile(signed, 0.8413) == pytest.approx(0.5, abs=0.01)


def test_rademacher_images_are_black_or_white() -> None:
    images = outliers("rademacher", 100, SHAPE)
    assert set(np.unique(images)) == {0, 1}
    assert (images == 1).mean() == pytest.approx(0.5, abs=0.005)


def test_blobs_blur_over_the_channels_too_as_published() -> None:
    coins = uniform_fields(Draws(0, "outliers/blobs", 0, np.arange(1)), "values", 32, 32, 3)[0] < 0.7
    expected = filters.gaussian(coins.astype(np.float64), sigma=1.5, channel_axis=None)
    expected[expected < 0.75] = 0
    assert np.allclose(outliers("blobs", 1, SHAPE)[0], expected, atol=1e-6)
    share = (outliers("blobs", 600, SHAPE) > 0).mean()
    assert share == pytest.approx(0.21, abs=0.02)  # a blur per channel would leave 0.32


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown outlier set 'noise'; known: gaussian, rademacher, blobs"):
        outliers("noise", 1, SHAPE)
