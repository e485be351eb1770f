"""Noise that treats every value on its own: Gaussian, shot, impulse and speckle.

Such a noise maps a grey level to a random grey level, so 256 cumulative distributions say everything about it. They are computed
once per kind and parameter; a value then costs one 32-bit random word and a table look-up. The distributions are those of the
published formulas, clipped to [0, 1] and truncated to uint8:

    gaussian  x + N(0, s)      shot  Poisson(c x) / c      speckle  x + x N(0, s)
    impulse   x, or 0 or 1 with probability a/2 each
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from augment.kernels.compiled import kernel
from augment.kernels.counters import philox
from eval.corruptions.setting import CorruptionKernel, Draws, Setting

NoiseTable = tuple[NDArray[np.uint32], NDArray[np.uint8]]
"""Cumulative thresholds (256, 256) and, per level and top bits of a word, where to start the search, (256, 1024)."""

_TOP_BITS: Final = 10

_INPUT: Final = np.arange(256, dtype=np.float64)[:, None]
_OUTPUT: Final = np.arange(256, dtype=np.float64)[None, :]


def gaussian_cumulative(sigma: float) -> NDArray[np.float64]:
    """Return P(output <= column | input = row) of additive Gaussian noise, (256, 256)."""
    return np.asarray(special.ndtr((_OUTPUT + 1 - _INPUT) / (255 * sigma)))


def speckle_cumulative(sigma: float) -> NDArray[np.float64]:
    """Return P(output <= column | input = row) of Gaussian noise in proportion to the value, (256, 256)."""
    ratio = (_OUTPUT + 1) / np.maximum(_INPUT, 1) - 1
    return np.where(_INPUT == 0, 1.0, special.ndtr(ratio / sigma))


def shot_cumulative(photons: float) -> NDArray[np.float64]:
    """Return P(output <= column | input = row) of Poisson noise with this many photons at white, (256, 256)."""
    most = np.ceil(photons * (_OUTPUT + 1) / 255) - 1
    return np.asarray(special.pdtr(most, photons * _INPUT / 255))


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


def _from_table(cumulative: Callable[[float], NDArray[np.float64]]) -> CorruptionKernel:
    def apply(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
        return add_noise(images, noise_table(cumulative, setting.parameters[0]), setting.draws)

    return apply


KERNELS: Final[Mapping[str, CorruptionKernel]] = {
    "gaussian_noise": _from_table(gaussian_cumulative),
    "shot_noise": _from_table(shot_cumulative),
    "impulse_noise": _from_table(impulse_cumulative),
    "speckle_noise": _from_table(speckle_cumulative),
}


def _warm_up() -> None:
    draws = Draws(0, "warm", 1, np.zeros(1, dtype=np.int64))
    add_noise(np.zeros((1, 8, 8, 3), dtype=np.uint8), noise_table(gaussian_cumulative, 0.1), draws)


WARM_UP = (_warm_up,)
