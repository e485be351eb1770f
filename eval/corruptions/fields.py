"""Fields of random numbers, one per image, four 32-bit words a Philox call."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel
from augment.kernels.counters import philox
from eval.corruptions.contract import Address, Draws


def uniform_fields(draws: Draws, purpose: str, *shape: int) -> NDArray[np.float64]:
    """Return uniform draws in [0, 1) with 32 random bits, (N, *shape)."""
    return _fill(_uniform_fields, draws.address(purpose), shape)


def normal_fields(draws: Draws, purpose: str, *shape: int) -> NDArray[np.float64]:
    """Return standard normal draws, (N, *shape), by Box and Muller's transform of pairs of 32-bit words."""
    return _fill(_normal_fields, draws.address(purpose), shape)


def _fill(fill, address: Address, shape: tuple[int, ...]) -> NDArray[np.float64]:  # type: ignore[no-untyped-def]
    count = int(np.prod(shape))
    padded = np.empty((len(address[4]), -(-count // 4) * 4), dtype=np.float64)
    fill(*address, padded)
    return padded[:, :count].reshape(len(padded), *shape)


@kernel()
def _uniform_fields(low, high, stream, level, indices, out):  # type: ignore[no-untyped-def]
    """Fill `out`, (N, size) floats with a size divisible by 4, with uniforms in [0, 1); the other words are those of `philox`."""
    scale = 1.0 / 4294967296.0
    for n in range(out.shape[0]):
        row = out[n]
        for block in range(out.shape[1] // 4):
            w0, w1, w2, w3 = philox(block, indices[n], level, stream, low, high)
            row[4 * block] = w0 * scale
            row[4 * block + 1] = w1 * scale
            row[4 * block + 2] = w2 * scale
            row[4 * block + 3] = w3 * scale


@kernel()
def _normal_fields(low, high, stream, level, indices, out):  # type: ignore[no-untyped-def]
    """Fill `out`, as `_uniform_fields`, with standard normal numbers (Box and Muller), four a call."""
    scale = 1.0 / 4294967296.0
    for n in range(out.shape[0]):
        row = out[n]
        for block in range(out.shape[1] // 4):
            w0, w1, w2, w3 = philox(block, indices[n], level, stream, low, high)
            near = np.sqrt(-2.0 * np.log((w0 + 0.5) * scale))
            far = np.sqrt(-2.0 * np.log((w2 + 0.5) * scale))
            row[4 * block] = near * np.cos(2.0 * np.pi * (w1 * scale))
            row[4 * block + 1] = near * np.sin(2.0 * np.pi * (w1 * scale))
            row[4 * block + 2] = far * np.cos(2.0 * np.pi * (w3 * scale))
            row[4 * block + 3] = far * np.sin(2.0 * np.pi * (w3 * scale))


def _warm_up() -> None:
    draws = Draws(0, "warm", 0, np.zeros(1, dtype=np.int64))
    uniform_fields(draws, "warm", 2, 2)
    normal_fields(draws, "warm", 2, 2)


WARM_UP = (_warm_up,)
