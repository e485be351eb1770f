"""Blurs that are linear in the image: defocus, motion, zoom and Gaussian."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from eval.corruptions.contract import Setting, corruption, each
from eval.corruptions.filters.gaussian import gaussian_filter
from eval.corruptions.filters.operators import separable, zoom_operator
from eval.corruptions.filters.taps import border_index, correlate
from eval.corruptions.levels import to_uint8


@corruption(
    group="blur",
    semantics=2,
    parameters={32: each(0.4, 0.6, 0.7, 0.8, 1.0), 64: each(0.5, 0.75, 1, 1.25, 1.5), 224: each(1, 2, 3, 4, 6)},
    is_random=False,
    is_extra=True,
)
def gaussian_blur(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Blur each channel with a Gaussian of the given sigma, borders repeated."""
    return to_uint8(gaussian_filter(images / 255.0, setting.parameters[0]))


@functools.lru_cache(maxsize=32)
def disk_kernel(radius: float, alias_sigma: float) -> NDArray[np.float32]:
    """Return a disk on a square grid, smoothed by a Gaussian of 3 or 5 taps against aliasing; float32 as published.

    Up to radius 8 the grid spans -8..8 and the smoothing 3 taps; beyond, -radius..radius and 5 taps. Borders of the grid are
    mirrored. Single precision counts: the weights add up to 1 only within 1e-7, and a flat region darkens by one grey level
    where they add up to less, since results are truncated.
    """
    reach, taps = (8, 3) if radius <= 8 else (int(radius), 5)
    grid = np.arange(-reach, reach + 1)
    disk = (grid[:, None] ** 2 + grid[None, :] ** 2 <= radius**2).astype(np.float32)
    disk /= disk.sum()
    half = taps // 2
    window = np.exp(-(np.arange(half + 1) ** 2) / (2 * alias_sigma**2))
    window = (window / (2 * window.sum() - window[0])).astype(np.float32)
    return _smoothed(_smoothed(disk, window).T, window).T


def _smoothed(rows: NDArray[np.float32], window: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows correlated with a symmetric window, of which the middle and one half are given, borders mirrored.

    Neighbours are added in pairs and each pair joins by a fused multiply-add, as in OpenCV's GaussianBlur of 3 or 5 taps: the
    product of two float32 is exact in float64.
    """
    size, half = rows.shape[1], len(window) - 1
    padded = rows[:, border_index(size, half, half, "reflect")]
    total = padded[:, half : half + size] * window[0]
    for k in range(1, half + 1):
        pair = padded[:, half - k : half - k + size] + padded[:, half + k : half + k + size]
        total = (pair.astype(np.float64) * np.float64(window[k]) + total).astype(np.float32)
    return np.asarray(total)


@corruption(
    group="blur",
    semantics=2,
    parameters={
        32: ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        64: ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
        224: ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    },
    is_random=False,
)
def defocus_blur(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Correlate each channel with a disk, borders mirrored."""
    disk = disk_kernel(*setting.parameters)
    where_y, where_x = np.nonzero(disk)
    reach = len(disk) // 2
    shifts_y, shifts_x = (where_y - reach)[None].astype(np.int64), (where_x - reach)[None].astype(np.int64)
    weights = disk[where_y, where_x].astype(np.float64)
    return to_uint8(correlate(images / 255.0, shifts_y, shifts_x, weights, border="reflect"))


def motion_trail(
    radius: float, sigma: float, angles: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the shifts (N, T) down and across, and the weights (T,), of one-sided motion blur.

    Args:
        radius: The trail has 2 * radius + 1 taps.
        sigma: Width of the Gaussian whose one half weighs the taps.
        angles: Direction of each image's trail in degrees, (N,).

    Source: the formula that reproduces ImageMagick's motion blur within one grey level; the shift of tap i is
    ceil(i * p / hypot(p) - 0.5) with p = taps * (sin, cos), and the order of these operations decides ties.
    """
    taps = int(2 * radius + 1)
    steps = np.arange(taps, dtype=np.float64)
    weights = np.exp(-(steps**2) / (2 * sigma * sigma))
    radians = np.deg2rad(angles)
    down, across = taps * np.sin(radians), taps * np.cos(radians)
    length = np.hypot(down, across)
    shifts_y = np.ceil(steps * down[:, None] / length[:, None] - 0.5).astype(np.int64)
    shifts_x = np.ceil(steps * across[:, None] / length[:, None] - 0.5).astype(np.int64)
    return shifts_y, shifts_x, weights / weights.sum()


def move(levels: NDArray[np.float64], radius: float, sigma: float, angles: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return images of grey levels in 0..255, (N, H, W, C), blurred along each one's angle in degrees.

    ImageMagick holds a level as 257 times itself in 16 bits, rounds the blurred value there, and drops what is less than a
    level: a flat region stays as it is.
    """
    blurred = correlate(levels, *motion_trail(radius, sigma, angles), border="edge")
    return np.asarray(((blurred * 257.0 + 0.5).astype(np.uint16) // np.uint16(257)).astype(np.uint8))


@corruption(
    group="blur",
    semantics=2,
    parameters={
        32: ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        64: ((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
        224: ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    },
)
def motion_blur(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Smear each image along an angle uniform in (-45, 45) degrees."""
    radius, sigma = setting.parameters
    angles = -45.0 + 90.0 * setting.draws.uniforms(1, "angle")[:, 0]
    return move(images.astype(np.float64), radius, sigma, angles)


@functools.lru_cache(maxsize=32)
def zoom_factors(stop: float, step: float) -> tuple[float, ...]:
    """Return the zoom factors from 1; floating-point `arange` gives one more than the decimals suggest in places."""
    return tuple(float(factor) for factor in np.arange(1, stop, step))


@corruption(
    group="blur",
    semantics=2,
    parameters={
        32: ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        64: ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        224: ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    },
    is_random=False,
)
def zoom_blur(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Average an image with its zooms about the centre."""
    factors = zoom_factors(*setting.parameters)
    height, width = images.shape[1:3]
    unit = (images / 255.0).astype(np.float32)
    zoomed = separable(unit, [zoom_operator(height, z) for z in factors], [zoom_operator(width, z) for z in factors])
    return to_uint8((unit + zoomed) / np.float32(len(factors) + 1))
