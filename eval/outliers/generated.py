"""Generated outliers: Gaussian noise, Rademacher noise and blobs, as images of any size.

The published generators make network inputs in [-1, 1], which networks with mean and deviation 0.5 read as images in [0, 1].
Ours are those images: (value + 1) / 2. A network with another normalisation sees the same images through its own first layer,
where the published script would feed it [-1, 1] unnormalised.

Letters of shapes: N images, H rows, W columns, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, overload

import numpy as np
from numpy.typing import NDArray

from eval.corruptions.contract import Draws
from eval.corruptions.fields import normal_fields, uniform_fields
from eval.corruptions.gaussian import gaussian_filter
from eval.outliers.sets import OUTLIER_SETS

BLOB_LIKELIHOOD: Final = 0.7
BLOB_THRESHOLD: Final = 0.75
_VALUES_AT_ONCE: Final = 1 << 20


def blob_sigma(side: int) -> float:
    """Return the published blur of blobs: 1.5 px at 32 px, 2 px at 64 and 224 px (the nearest published scale decides)."""
    return 1.5 if side <= 45 else 2.0


@overload
def outliers(
    name: str, num_images: int, *, height: int, width: int, channels: int, seed: int = 0, start: int = 0
) -> NDArray[np.uint8]: ...


@overload
def outliers(
    name: str,
    num_images: int,
    *,
    height: int,
    width: int,
    channels: int,
    seed: int = 0,
    start: int = 0,
    as_floats: Literal[True],
) -> NDArray[np.float32]: ...


def outliers(
    name: str,
    num_images: int,
    *,
    height: int,
    width: int,
    channels: int,
    seed: int = 0,
    start: int = 0,
    as_floats: bool = False,
) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Return outlier images `start` to `start + num_images` of a set, (N, H, W, C).

    Args:
        name: Key of `OUTLIER_SETS`.
        num_images: How many images, N.
        height: Rows.
        width: Columns.
        channels: 1 or 3.
        seed: Seed of the set.
        start: Index of the first image; any split gives the same images.
        as_floats: Return float32 in [0, 1] instead of uint8 (rounded).

    Raises:
        ValueError: If the name is unknown or a size is not positive.
    """
    if name not in OUTLIER_SETS:
        raise ValueError(f"unknown outlier set '{name}'; known: {', '.join(OUTLIER_SETS)}")
    if min(num_images, start) < 0 or min(height, width, channels) < 1:
        raise ValueError(
            f"outliers need positive sizes, but got {num_images} from {start} of {height} x {width} x {channels}"
        )
    out = np.empty((num_images, height, width, channels), dtype=np.float32 if as_floats else np.uint8)
    step = max(1, _VALUES_AT_ONCE // (height * width * channels))
    for first in range(0, num_images, step):
        rows = slice(first, min(first + step, num_images))
        draws = Draws(seed, f"outliers/{name}", 0, np.arange(start + rows.start, start + rows.stop, dtype=np.int64))
        images = _GENERATORS[name](draws, height, width, channels)
        out[rows] = images if as_floats else np.rint(images * 255.0)
    return out


def _gaussian(draws: Draws, height: int, width: int, channels: int) -> NDArray[np.float64]:
    values = np.clip(0.5 * normal_fields(draws, "values", height, width, channels), -1, 1)
    return np.asarray((values + 1) / 2)


def _rademacher(draws: Draws, height: int, width: int, channels: int) -> NDArray[np.float64]:
    return (uniform_fields(draws, "values", height, width, channels) < 0.5).astype(np.float64)


def _blobs(draws: Draws, height: int, width: int, channels: int) -> NDArray[np.float64]:
    coins = (uniform_fields(draws, "values", height, width, channels) < BLOB_LIKELIHOOD).astype(np.float64)
    blurred = gaussian_filter(coins, blob_sigma(min(height, width)))
    mixed = _blur_channels(blurred, blob_sigma(min(height, width)))  # the published blur runs over the channels too
    return np.where(mixed < BLOB_THRESHOLD, 0.0, np.clip(mixed, 0.0, 1.0))


def _blur_channels(images: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    count, height, width, channels = images.shape
    planes = np.moveaxis(images, 3, 1).reshape(count, channels, height * width, 1)
    blurred = gaussian_filter(planes, sigma, across=False).reshape(count, channels, height, width)
    return np.moveaxis(blurred, 1, 3)


_GENERATORS: Final[Mapping[str, Callable[[Draws, int, int, int], NDArray[np.float64]]]] = {
    "gaussian": _gaussian,
    "rademacher": _rademacher,
    "blobs": _blobs,
}
