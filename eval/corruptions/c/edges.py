"""Edges, distances and histograms of grey images, as OpenCV computes them (for spatter).

All functions take batches (N, H, W); borders are mirrored without repeating the border pixel.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel
from eval.corruptions.filters.taps import correlate

_NEAR, _DIAGONAL, _KNIGHT = np.float32(1.0), np.float32(1.4), np.float32(2.1969)
"""Lengths of the steps of the 5 x 5 distance mask."""

FAR: Final = np.float32(1e6)


def correlate_levels(images: NDArray[np.float64], window: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return images of grey levels correlated with a 3 x 3 window, rounded and clipped to uint8."""
    return np.clip(np.rint(_window(images, window)), 0, 255).astype(np.uint8)


def box_blur(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return means over 3 x 3 pixels: nine values are added up before they are divided, so that nine 20s give 20."""
    return _window(images, np.ones((3, 3))) * (1.0 / 9.0)


def _window(images: NDArray[np.float64], window: NDArray[np.float64]) -> NDArray[np.float64]:
    down, across = (shift.reshape(1, -1).astype(np.int64) - 1 for shift in np.indices(window.shape))
    weights = np.ascontiguousarray(window.reshape(-1))
    return correlate(images[..., None].astype(np.float64), down, across, weights, border="reflect")[..., 0]


def equalise(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images with their histograms equalised: the lowest occupied level becomes 0, the highest 255."""
    return np.stack([_equalised(image) for image in images])


def _equalised(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    counts = np.bincount(image.reshape(-1), minlength=256)
    first = int(np.flatnonzero(counts)[0])
    rest = image.size - int(counts[first])
    if rest == 0:
        return image.copy()
    cumulative = np.cumsum(counts) - counts[first]
    table = np.clip(np.rint(cumulative * (255.0 / rest)), 0, 255)
    table[:first] = 0
    return np.asarray(table.astype(np.uint8)[image])


def canny(images: NDArray[np.uint8], low: float, high: float) -> NDArray[np.bool_]:
    """Return edges by Canny's method: 3 x 3 Sobel gradients, |gx| + |gy|, thinning along the gradient, two thresholds."""
    levels = images.astype(np.float64)
    smooth, slope = np.array([1.0, 2.0, 1.0]), np.array([-1.0, 0.0, 1.0])
    across = _edge_window(levels, np.outer(smooth, slope))
    down = _edge_window(levels, np.outer(slope, smooth))
    return np.asarray(_thin_and_follow(across, down, low, high))


def _edge_window(images: NDArray[np.float64], window: NDArray[np.float64]) -> NDArray[np.float64]:
    down, across = (shift.reshape(1, -1).astype(np.int64) - 1 for shift in np.indices(window.shape))
    return correlate(images[..., None], down, across, np.ascontiguousarray(window.reshape(-1)), border="edge")[..., 0]


def chamfer_distance(edges: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance of every pixel to the nearest edge by two passes of a 5 x 5 chamfer mask; huge without edges.

    Steps are added up in float32, as in OpenCV: means of distances are truncated to whole numbers later.
    """
    return np.asarray(_chamfer(edges, FAR))


@kernel()
def _thin_and_follow(across, down, low, high):  # type: ignore[no-untyped-def]
    """Return the edges of gradients by Canny's last two steps: thinning, and hysteresis between two thresholds.

    Args:
        across: Gradient along x, (N, H, W); `down` along y.
        low: Strength |gx| + |gy| that continues an edge; `high` is what begins one.
    """
    count, height, width = across.shape
    out = np.zeros((count, height, width), dtype=np.bool_)
    strength = np.zeros((height + 2, width + 2), dtype=np.float64)
    weak = np.zeros((height, width), dtype=np.bool_)
    stack = np.empty((height * width, 2), dtype=np.int64)
    for n in range(count):
        for y in range(height):
            for x in range(width):
                strength[y + 1, x + 1] = abs(across[n, y, x]) + abs(down[n, y, x])
        waiting = 0
        for y in range(height):
            for x in range(width):
                here, gx, gy = strength[y + 1, x + 1], across[n, y, x], down[n, y, x]
                weak[y, x] = False
                if here <= low:
                    continue
                ax, ay = abs(gx), abs(gy)
                if ay < ax * 0.41421356:
                    peak = here > strength[y + 1, x] and here >= strength[y + 1, x + 2]
                elif ay > ax * 2.41421356:
                    peak = here > strength[y, x + 1] and here >= strength[y + 2, x + 1]
                else:
                    side = 1 if gx * gy >= 0 else -1
                    peak = here > strength[y, x + 1 - side] and here > strength[y + 2, x + 1 + side]
                weak[y, x] = peak
                if peak and here > high:
                    out[n, y, x] = True
                    stack[waiting, 0], stack[waiting, 1] = y, x
                    waiting += 1
        while waiting > 0:
            waiting -= 1
            y, x = stack[waiting, 0], stack[waiting, 1]
            for v in range(max(0, y - 1), min(height, y + 2)):
                for u in range(max(0, x - 1), min(width, x + 2)):
                    if weak[v, u] and not out[n, v, u]:
                        out[n, v, u] = True
                        stack[waiting, 0], stack[waiting, 1] = v, u
                        waiting += 1
    return out


@kernel()
def _chamfer(edges, far):  # type: ignore[no-untyped-def]
    """Return chamfer distances, (N, H, W) float32, to the edges, (N, H, W) bool; `far` where there is none."""
    count, height, width = edges.shape
    steps_y = np.array([-2, -2, -1, -1, -1, -1, -1, 0])
    steps_x = np.array([-1, 1, -2, -1, 0, 1, 2, -1])
    lengths = np.array([_KNIGHT, _KNIGHT, _KNIGHT, _DIAGONAL, _NEAR, _DIAGONAL, _KNIGHT, _NEAR])
    out = np.empty((count, height, width), dtype=np.float32)
    for n in range(count):
        for y in range(height):
            for x in range(width):
                out[n, y, x] = 0.0 if edges[n, y, x] else far
        for sign in (1, -1):
            for row in range(height):
                y = row if sign == 1 else height - 1 - row
                for column in range(width):
                    x = column if sign == 1 else width - 1 - column
                    best = out[n, y, x]
                    for k in range(8):
                        v, u = y + sign * steps_y[k], x + sign * steps_x[k]
                        if 0 <= v < height and 0 <= u < width:
                            best = min(best, out[n, v, u] + lengths[k])
                    out[n, y, x] = best
    return out


def _warm_up() -> None:
    chamfer_distance(canny(np.zeros((1, 8, 8), dtype=np.uint8), 50, 150))


WARM_UP = (_warm_up,)
