"""Separable linear maps of pictures, read off the library that defines them.

A Gaussian blur with a given border, or a zoom, acts on rows and on columns by one matrix each. The matrix is what the library
makes of the unit vectors, so borders and sampling positions are its own; a banded product then treats whole batches.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment.compiled import kernel


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


@functools.lru_cache(maxsize=128)
def gaussian_operator(size: int, sigma: float, *, mode: str = "nearest", truncate: float = 4.0) -> Operator:
    """Return SciPy's Gaussian filter of an axis, with its border and half-width int(truncate * sigma + 0.5)."""
    from scipy import ndimage

    if sigma <= 0:
        return as_operator(np.eye(size))
    return as_operator(ndimage.gaussian_filter1d(np.eye(size), sigma, axis=0, mode=mode, truncate=truncate))


@functools.lru_cache(maxsize=512)
def zoom_operator(size: int, factor: float) -> Operator:
    """Return the zoom of an axis about its centre: crop to ceil(size / factor), SciPy's linear zoom, trim to `size`."""
    from scipy import ndimage

    crop = math.ceil(size / factor)
    zoomed = ndimage.zoom(np.eye(crop), (factor, 1), order=1)
    trim = (len(zoomed) - size) // 2
    matrix = np.zeros((size, size), dtype=np.float32)
    top = (size - crop) // 2
    matrix[:, top : top + crop] = zoomed[trim : trim + size]
    return as_operator(matrix)


def separable(
    images: NDArray[np.floating], rows: Sequence[Operator], columns: Sequence[Operator]
) -> NDArray[np.floating]:
    """Return the sum over pairs of `rows[i]` applied down and `columns[i]` applied across, (N, h, w, C).

    Args:
        images: (N, H, W, C) float32 or float64, which is also the precision of the result.
        rows: Operators of the vertical axis.
        columns: As many operators of the horizontal axis.
    """
    kind = images.dtype
    stacked = [
        np.stack(
            [np.asarray(getattr(operator, part), dtype=kind if part == "matrix" else np.int64) for operator in axis]
        )
        for axis in (rows, columns)
        for part in ("matrix", "low", "high")
    ]
    return np.asarray(_separable(np.ascontiguousarray(images), *stacked))


@kernel()
def _rows_into(operator, low, high, source, out):  # type: ignore[no-untyped-def]
    """Apply a banded matrix down the first axis of a flat picture; adds to `out`."""
    for y in range(out.shape[0]):
        target = out[y]
        for k in range(low[y], high[y]):
            weight = operator[y, k]
            line = source[k]
            for j in range(target.shape[0]):
                target[j] += weight * line[j]


@kernel()
def _separable(images, down, down_low, down_high, across, across_low, across_high):  # type: ignore[no-untyped-def]
    count, height, width, channels = images.shape
    new_height, new_width = down.shape[1], across.shape[1]
    out = np.empty((count, new_height, new_width, channels), dtype=images.dtype)
    tall = np.empty((new_height, width * channels), dtype=images.dtype)
    turned = np.empty((width, new_height * channels), dtype=images.dtype)
    result = np.empty((new_width, new_height * channels), dtype=images.dtype)
    for n in range(count):
        source = images[n].reshape(height, width * channels)
        result[:] = 0
        for i in range(down.shape[0]):
            tall[:] = 0
            _rows_into(down[i], down_low[i], down_high[i], source, tall)
            for x in range(width):
                for y in range(new_height):
                    for c in range(channels):
                        turned[x, y * channels + c] = tall[y, x * channels + c]
            _rows_into(across[i], across_low[i], across_high[i], turned, result)
        for y in range(new_height):
            for x in range(new_width):
                for c in range(channels):
                    out[n, y, x, c] = result[x, y * channels + c]
    return out


def _warm_up() -> None:
    identity = [as_operator(np.eye(8))]
    for kind in (np.float32, np.float64):
        separable(np.zeros((1, 8, 8, 3), dtype=kind), identity, identity)


WARM_UP = (_warm_up,)
