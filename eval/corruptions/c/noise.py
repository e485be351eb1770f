"""Noise that treats every value on its own: Gaussian, shot, impulse and speckle.

Such a noise maps a grey level to a random grey level, so 256 cumulative distributions say everything about it. They are computed
once per kind and parameter; a value then costs one 32-bit random word and a table look-up. The distributions are those of the
published formulas, clipped to [0, 1] and truncated to uint8:

    gaussian  x + N(0, s)      shot  Poisson(c x) / c      speckle  x + x N(0, s)
    impulse   x, or 0 or 1 with probability a/2 each
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.heavy import scipy
from augment.kernels.compiled import kernel
from augment.kernels.counters import philox
from eval.corruptions.contract import Draws, Setting, corruption, each

NoiseTable = tuple[NDArray[np.uint32], NDArray[np.uint8]]
"""Cumulative thresholds (256, 256) and, per level and top bits of a word, where to start the search, (256, 1024)."""

_TOP_BITS: Final = 10

_INPUT: Final = np.arange(256, dtype=np.float64)[:, None]
_OUTPUT: Final = np.arange(256, dtype=np.float64)[None, :]


def gaussian_cumulative(sigma: float) -> NDArray[np.float64]:
    """Return P(output <= column | input = row) of additive Gaussian noise, (256, 256)."""
    return np.asarray(scipy.special.ndtr((_OUTPUT + 1 - _INPUT) / (255 * sigma)))


def speckle_cumulative(sigma: float) -> NDArray[np.float64]:
    """Return P(output <= column | input = row) of Gaussian noise in proportion to the value, (256, 256)."""
    ratio = (_OUTPUT + 1) / np.maximum(_INPUT, 1) - 1
    return np.where(_INPUT == 0, 1.0, scipy.special.ndtr(ratio / sigma))


def shot_cumulative(photons: float) -> NDArray[np.float64]:
    """Return P(output <= column | input = row) of Poisson noise with this many photons at white, (256, 256)."""
    most = np.ceil(photons * (_OUTPUT + 1) / 255) - 1
    return np.asarray(scipy.special.pdtr(most, photons * _INPUT / 255))


def impulse_cumulative(amount: float) -> NDArray[np.float64]:
    """Return P(output <= column | input = row) of salt and pepper in equal parts, (256, 256)."""
    return np.where(_OUTPUT < _INPUT, amount / 2, 1 - amount / 2)


@functools.lru_cache(maxsize=64)
def noise_table(cumulative: Callable[[float], NDArray[np.float64]], parameter: float) -> NoiseTable:
    """Return a distribution as the tables that the kernel samples from."""
    probability = cumulative(parameter)
    probability[:, 255] = 1.0
    thresholds = np.minimum(np.floor(probability * 2.0**32), 2.0**32 - 1).astype(np.uint32)
    tops = np.arange(1 << _TOP_BITS, dtype=np.uint64) << np.uint64(32 - _TOP_BITS)
    start = [np.searchsorted(row.astype(np.uint64), tops, side="right") for row in thresholds]
    return thresholds, np.minimum(np.stack(start), 255).astype(np.uint8)


def add_noise(images: NDArray[np.uint8], table: NoiseTable, draws: Draws) -> NDArray[np.uint8]:
    """Return images with every value replaced by a draw from its level's distribution, same shape."""
    flat = np.ascontiguousarray(images).reshape(len(images), -1)
    return np.asarray(_sample(flat, *table, *draws.address("noise"))).reshape(images.shape)


@kernel()
def _sample(images, thresholds, start, low, high, stream, level, indices):  # type: ignore[no-untyped-def]
    """Return bytes drawn from a distribution for each byte, (N, size) uint8.

    Args:
        images: (N, size) uint8.
        thresholds: Cumulative distribution for each byte in units of 2**-32, (256, 255 or more) uint32.
        start: First value to try for each byte and the top 10 bits of a draw, (256, 1024).
        low: Low word of the key; low to indices are the words of `philox`, one index an image.
    """
    out = np.empty_like(images)
    size = images.shape[1]
    words = np.empty(size + 4, dtype=np.uint32)
    for n in range(images.shape[0]):
        for block in range((size + 3) // 4):
            w0, w1, w2, w3 = philox(block, indices[n], level, stream, low, high)
            words[4 * block], words[4 * block + 1], words[4 * block + 2], words[4 * block + 3] = w0, w1, w2, w3
        source, target = images[n], out[n]
        for place in range(size):
            word, row = words[place], thresholds[source[place]]
            found = np.intp(start[source[place], word >> np.uint32(22)])
            while found < 255 and word >= row[found]:
                found += 1
            target[place] = found
    return out


@corruption(
    group="noise",
    semantics=1,
    parameters={
        32: each(0.04, 0.06, 0.08, 0.09, 0.10),
        64: each(0.04, 0.08, 0.12, 0.15, 0.18),
        224: each(0.08, 0.12, 0.18, 0.26, 0.38),
    },
)
def gaussian_noise(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Add the same Gaussian noise to every value."""
    return add_noise(images, noise_table(gaussian_cumulative, setting.parameters[0]), setting.draws)


@corruption(
    group="noise",
    semantics=1,
    parameters={32: each(500, 250, 100, 75, 50), 64: each(250, 100, 50, 30, 15), 224: each(60, 25, 12, 5, 3)},
)
def shot_noise(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Count photons, so many at white."""
    return add_noise(images, noise_table(shot_cumulative, setting.parameters[0]), setting.draws)


@corruption(
    group="noise",
    semantics=1,
    parameters={
        32: each(0.01, 0.02, 0.03, 0.05, 0.07),
        64: each(0.01, 0.02, 0.05, 0.08, 0.14),
        224: each(0.03, 0.06, 0.09, 0.17, 0.27),
    },
    is_thresholded=True,
)
def impulse_noise(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Turn values black or white."""
    return add_noise(images, noise_table(impulse_cumulative, setting.parameters[0]), setting.draws)


@corruption(
    group="noise",
    semantics=1,
    parameters={
        32: each(0.06, 0.10, 0.12, 0.16, 0.20),
        64: each(0.15, 0.20, 0.25, 0.30, 0.35),
        224: each(0.15, 0.20, 0.35, 0.45, 0.60),
    },
    is_extra=True,
)
def speckle_noise(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Add Gaussian noise in proportion to the value."""
    return add_noise(images, noise_table(speckle_cumulative, setting.parameters[0]), setting.draws)


def _warm_up() -> None:
    draws = Draws(0, "warm", 1, np.zeros(1, dtype=np.int64))
    add_noise(np.zeros((1, 8, 8, 3), dtype=np.uint8), noise_table(gaussian_cumulative, 0.1), draws)


WARM_UP = (_warm_up,)
