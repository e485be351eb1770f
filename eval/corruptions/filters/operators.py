"""Separable linear maps of images, read off the library that defines them.

A zoom acts on rows and on columns by one matrix each. The matrix is what the library makes of the unit vectors, so borders and
sampling positions are its own; a banded product then treats whole batches.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment.heavy import scipy
from augment.kernels.compiled import kernel


@dataclass(frozen=True, slots=True)
class Operator:
    """A linear map of one axis as a banded matrix.

    Attributes:
        matrix: Weights, (outputs, inputs).
        low: First input with a weight, per output, (outputs,) int64.
        high: One past the last input with a weight, per output, (outputs,) int64.
    """

    matrix: NDArray[np.floating]
    low: NDArray[np.int64]
    high: NDArray[np.int64]


def as_operator(matrix: NDArray[np.floating]) -> Operator:
    """Return a dense matrix with the extent of its bands."""
    used = matrix != 0
    width = matrix.shape[1]
    low = np.where(used.any(axis=1), used.argmax(axis=1), 0)
    high = np.where(used.any(axis=1), width - used[:, ::-1].argmax(axis=1), 0)
    return Operator(np.ascontiguousarray(matrix), low.astype(np.int64), high.astype(np.int64))


@functools.lru_cache(maxsize=512)
def zoom_operator(size: int, factor: float) -> Operator:
    """Return the zoom of an axis about its centre: crop to ceil(size / factor), SciPy's linear zoom, trim to `size`."""
    crop = math.ceil(size / factor)
    zoomed = scipy.ndimage.zoom(np.eye(crop), (factor, 1), order=1)
    trim = (len(zoomed) - size) // 2
    matrix = np.zeros((size, size))
    top = (size - crop) // 2
    matrix[:, top : top + crop] = zoomed[trim : trim + size]
    return as_operator(matrix)


def separable(
    images: NDArray[np.floating], rows: Sequence[Operator], columns: Sequence[Operator]
) -> NDArray[np.floating]:
    """Return the sum over pairs of `rows[i]` applied down and `columns[i]` applied across, (N, h, w, C).

    Each pair is worked out in float64 and rounded to the precision of the result before it is added, as a library call per
    pair does: a flat region keeps its value.

    Args:
        images: (N, H, W, C) float32 or float64, which is also the precision of the result.
        rows: Operators of the vertical axis.
        columns: As many operators of the horizontal axis.
    """
    stacked = [
        np.stack([np.asarray(getattr(operator, part), dtype=kind) for operator in axis])
        for axis in (rows, columns)
        for part, kind in (("matrix", np.float64), ("low", np.int64), ("high", np.int64))
    ]
    return np.asarray(_separable(np.ascontiguousarray(images), *stacked))


@kernel()
def _rows_into(operator, low, high, source, out):  # type: ignore[no-untyped-def]
    """Apply a banded matrix down the first axis of a flat image; adds to `out`."""
    for y in range(out.shape[0]):
        target = out[y]
        for k in range(low[y], high[y]):
            weight = operator[y, k]
            line = source[k]
            for j in range(target.shape[0]):
                target[j] += weight * line[j]


@kernel()
def _separable(images, down, down_low, down_high, across, across_low, across_high):  # type: ignore[no-untyped-def]
    """Return the sum of the outer applications of pairs of banded matrices, (N, new H, new W, C).

    Args:
        images: (N, H, W, C) floats, contiguous.
        down: Matrices for the first axis, (pairs, new H, H) float64, with the band of each row, `down_low` to `down_high`.
        across: Likewise for the second axis, (pairs, new W, W).
    """
    count, height, width, channels = images.shape
    new_height, new_width = down.shape[1], across.shape[1]
    out = np.zeros((count, new_height, new_width, channels), dtype=images.dtype)
    tall = np.empty((new_height, width * channels))
    turned = np.empty((width, new_height * channels))
    result = np.empty((new_width, new_height * channels))
    for n in range(count):
        source = images[n].reshape(height, width * channels)
        for i in range(down.shape[0]):
            tall[:] = 0
            result[:] = 0
            _rows_into(down[i], down_low[i], down_high[i], source, tall)
            for x in range(width):
                for y in range(new_height):
                    for c in range(channels):
                        turned[x, y * channels + c] = tall[y, x * channels + c]
            _rows_into(across[i], across_low[i], across_high[i], turned, result)
            for y in range(new_height):
                for x in range(new_width):
                    for c in range(channels):
                        out[n, y, x, c] += images.dtype.type(result[x, y * channels + c])
    return out


def _warm_up() -> None:
    identity = [as_operator(np.eye(8))]
    for kind in (np.float32, np.float64):
        separable(np.zeros((1, 8, 8, 3), dtype=kind), identity, identity)


WARM_UP = (_warm_up,)
