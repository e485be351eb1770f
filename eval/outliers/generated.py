"""Generated outliers: Gaussian noise, Rademacher noise and blobs, as images of any size.

The published generators make network inputs in [-1, 1], which networks with mean and deviation 0.5 read as images in [0, 1].
Ours are those images: (value + 1) / 2. A network with another normalisation sees the same images through its own first layer,
where the published script would feed it [-1, 1] unnormalised.

Letters of shapes: N images, H rows, W columns, C channels.

Source: Hendrycks, Mazeika and Dietterich, "Deep Anomaly Detection with Outlier Exposure", ICLR 2019, and its test scripts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from eval.corruptions.contract import Draws
from eval.corruptions.fields import normal_fields, uniform_fields
from eval.corruptions.filters.gaussian import gaussian_filter

BLOB_LIKELIHOOD: Final = 0.7
BLOB_THRESHOLD: Final = 0.75
VALUES_AT_ONCE: Final = 1 << 20

Generator = Callable[[Draws, int, int, int], NDArray[np.float64]]
"""(draws, H, W, C) -> images in [0, 1], (N, H, W, C)."""


def outliers(
    name: str, num_images: int, shape: tuple[int, int, int], *, seed: int = 0, start: int = 0
) -> NDArray[np.float32]:
    """Return outlier images `start` to `start + num_images` of a set, (N, H, W, C) float32 in [0, 1].

    Args:
        name: Key of `OUTLIER_SETS`.
        num_images: How many images, N.
        shape: (H, W, C) of an image, C 1 or 3.
        start: Index of the first image; any split gives the same images.

    Raises:
        ValueError: If the name is unknown or a size is not positive.
    """
    if name not in OUTLIER_SETS:
        raise ValueError(f"unknown outlier set '{name}'; known: {', '.join(OUTLIER_SETS)}")
    if min(num_images, start) < 0 or min(shape) < 1:
        raise ValueError(f"outliers need positive sizes, but got {num_images} from {start} of {shape}")
    out = np.empty((num_images, *shape), dtype=np.float32)
    step = max(1, VALUES_AT_ONCE // int(np.prod(shape)))
    for first in range(0, num_images, step):
        rows = slice(first, min(first + step, num_images))
        draws = Draws(seed, f"outliers/{name}", 0, np.arange(start + rows.start, start + rows.stop, dtype=np.int64))
        out[rows] = OUTLIER_SETS[name](draws, *shape)
    return out


def gaussian(draws: Draws, height: int, width: int, channels: int) -> NDArray[np.float64]:
    """Draw independent normal values around mid-grey with sigma 1/4, clipped."""
    values = np.clip(0.5 * normal_fields(draws, "values", height, width, channels), -1, 1)
    return np.asarray((values + 1) / 2)


def rademacher(draws: Draws, height: int, width: int, channels: int) -> NDArray[np.float64]:
    """Draw independent values, black or white with equal chance."""
    return (uniform_fields(draws, "values", height, width, channels) < 0.5).astype(np.float64)


def blobs(draws: Draws, height: int, width: int, channels: int) -> NDArray[np.float64]:
    """Draw blurred coin flips above a threshold: amorphous bright shapes.

    The published blur is 1.5 px at 32 px, 2 px at 64 and 224 px (the nearest published scale decides).
    """
    sigma = 1.5 if min(height, width) <= 45 else 2.0
    coins = (uniform_fields(draws, "values", height, width, channels) < BLOB_LIKELIHOOD).astype(np.float64)
    mixed = _blur_channels(gaussian_filter(coins, sigma), sigma)  # the published blur runs over the channels too
    return np.where(mixed < BLOB_THRESHOLD, 0.0, np.clip(mixed, 0.0, 1.0))


def _blur_channels(images: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    count, height, width, channels = images.shape
    planes = np.moveaxis(images, 3, 1).reshape(count, channels, height * width, 1)
    blurred = gaussian_filter(planes, sigma, across=False).reshape(count, channels, height, width)
    return np.moveaxis(blurred, 1, 3)


OUTLIER_SETS: Final[Mapping[str, Generator]] = {"gaussian": gaussian, "rademacher": rademacher, "blobs": blobs}
"""Noise that no network should be sure about; the published names, in the published order."""
