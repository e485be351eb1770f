"""Correlation of images with a list of weighted shifts, over a chosen border."""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel

Border = Literal["edge", "reflect"]
"""`edge` repeats the border pixel; `reflect` mirrors about it without repeating it."""


@functools.lru_cache(maxsize=256)
def border_index(size: int, before: int, after: int, border: Border) -> NDArray[np.int64]:
    """Return the source position of every position of an axis extended by `before` and `after`."""
    position = np.arange(-before, size + after)
    if border == "edge":
        return np.asarray(np.clip(position, 0, size - 1).astype(np.int64))
    period = max(2 * size - 2, 1)
    folded = np.abs(position) % period
    return np.asarray(np.minimum(folded, period - folded).astype(np.int64))


def correlate(
    images: NDArray[np.float64],
    shifts_y: NDArray[np.int64],
    shifts_x: NDArray[np.int64],
    weights: NDArray[np.float64],
    *,
    border: Border,
) -> NDArray[np.float64]:
    """Return sum over t of weights[t] * images[y + shifts_y[t], x + shifts_x[t]], same shape.

    Args:
        images: (N, H, W, C) float64.
        shifts_y: Vertical shifts in pixels, (M, T): of each image, or one row for all.
        shifts_x: Horizontal shifts, likewise.
        weights: (T,).
        border: What is outside an image.
    """
    height, width = images.shape[1:3]
    above, below = max(0, -int(shifts_y.min())), max(0, int(shifts_y.max()))
    left, right = max(0, -int(shifts_x.min())), max(0, int(shifts_x.max()))
    rows, columns = border_index(height, above, below, border), border_index(width, left, right, border)
    shifted_y, shifted_x = (shifts_y + above).astype(np.int64), (shifts_x + left).astype(np.int64)
    return np.asarray(_correlate(np.ascontiguousarray(images), rows, columns, shifted_y, shifted_x, weights))


@kernel()
def _correlate(images, rows, columns, shifts_y, shifts_x, weights):  # type: ignore[no-untyped-def]
    """Return weighted sums of shifted images, (N, H, W * C) float64.

    Args:
        images: (N, H, W, C), contiguous.
        rows: Row that each row of the padded image is, (H + margins,) integers; `columns` likewise for the width.
        shifts_y: Rows that each tap is shifted by in the padded image, (M, taps); image n uses row n % M. `shifts_x` likewise.
        weights: (taps,) float64.
    """
    count, height, width, channels = images.shape
    out = np.zeros((count, height, width * channels), dtype=np.float64)
    padded = np.empty((rows.shape[0], columns.shape[0] * channels), dtype=np.float64)
    for n in range(count):
        for y in range(rows.shape[0]):
            line = images[n, rows[y]]
            for x in range(columns.shape[0]):
                for c in range(channels):
                    padded[y, x * channels + c] = line[columns[x], c]
        m = n % shifts_y.shape[0]
        for y in range(height):
            target = out[n, y]
            for t in range(weights.shape[0]):
                start = shifts_x[m, t] * channels
                source = padded[y + shifts_y[m, t], start : start + width * channels]
                weight = weights[t]
                for j in range(target.shape[0]):
                    target[j] += weight * source[j]
    return out.reshape(count, height, width, channels)


def _warm_up() -> None:
    shift = np.zeros((1, 1), dtype=np.int64)
    correlate(np.zeros((1, 8, 8, 3)), shift, shift, np.ones(1), border="edge")


WARM_UP = (_warm_up,)
