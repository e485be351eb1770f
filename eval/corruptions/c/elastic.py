"""Elastic transform: a small random affine map followed by a smooth random displacement."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel
from eval.corruptions.contract import Draws, Setting, corruption
from eval.corruptions.fields import uniform_fields
from eval.corruptions.filters.gaussian import gaussian_filter
from eval.corruptions.levels import to_uint8

PUBLISHED_SIDE_AT_224: Final = 244
"""The published parameters at 224 px are multiples of 244."""


@corruption(
    group="digital",
    semantics=1,
    parameters={
        32: ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
        64: ((0, 0, 0.08), (0.05, 0.3, 0.06), (0.1, 0.08, 0.06), (0.1, 0.03, 0.03), (0.16, 0.03, 0.02)),
        224: ((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)),
    },
)
def elastic_transform(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Warp by an affine map of three jittered points (borders mirrored), then displace by blurred uniform noise."""
    height, width = images.shape[1:3]
    side = min(height, width) * (PUBLISHED_SIDE_AT_224 / 224 if setting.scale == 224 else 1.0)
    alpha, sigma, jitter = (side * parameter for parameter in setting.parameters)
    inverse = inverse_affine(setting.draws, height, width, jitter)
    down = displacement(setting.draws, "down", height, width, alpha, sigma)
    across = displacement(setting.draws, "across", height, width, alpha, sigma)
    unit = (images / 255.0).astype(np.float32)
    return to_uint8(np.asarray(_warp(unit, inverse, down, across)))


def inverse_affine(draws: Draws, height: int, width: int, jitter: float) -> NDArray[np.float64]:
    """Return each image's map from output (x, y, 1) to input (x, y), (N, 2, 3).

    Three points around the centre move by up to `jitter` pixels along each axis; the map takes the moved ones back.
    """
    centre = np.array([width // 2, height // 2], dtype=np.float64)
    reach = min(height, width) // 3
    fixed = centre + reach * np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    moved = fixed + jitter * (2.0 * draws.uniforms(6, "affine").reshape(-1, 3, 2) - 1.0)
    homogeneous = np.concatenate([moved, np.ones((len(moved), 3, 1))], axis=2)
    solved = [np.linalg.solve(points, fixed).T for points in homogeneous]
    return np.stack(solved)


def displacement(
    draws: Draws, purpose: str, height: int, width: int, alpha: float, sigma: float
) -> NDArray[np.float32]:
    """Return alpha times uniform noise in (-1, 1) blurred by sigma (borders mirrored, 3 sigma wide), (N, H, W)."""
    if alpha == 0:
        return np.zeros((len(draws.indices), height, width), dtype=np.float32)
    noise = 2.0 * uniform_fields(draws, purpose, height, width, 1) - 1.0
    return (gaussian_filter(noise, sigma, mode="reflect", truncate=3.0)[..., 0] * alpha).astype(np.float32)


@kernel()
def _mirrored(position, size):  # type: ignore[no-untyped-def]
    """Fold a position into the axis, mirrored about its border pixels (which are not repeated)."""
    if size == 1:
        return 0
    period = 2 * size - 2
    folded = abs(position) % period
    return min(folded, period - folded)


@kernel()
def _reflected(position, size):  # type: ignore[no-untyped-def]
    """Fold a position into the axis, mirrored at its outer edge (border pixels repeat)."""
    period = 2 * size
    folded = position % period
    return min(folded, period - 1 - folded)


@kernel()
def _blend(source, y0, y1, x0, x1, fraction_y, fraction_x, out):  # type: ignore[no-untyped-def]
    """Write the bilinear blend of four pixels of an image, (H, W, C), to `out`, (C,); fractions are in [0, 1)."""
    for c in range(out.shape[0]):
        top = source[y0, x0, c] * (1.0 - fraction_x) + source[y0, x1, c] * fraction_x
        bottom = source[y1, x0, c] * (1.0 - fraction_x) + source[y1, x1, c] * fraction_x
        out[c] = top * (1.0 - fraction_y) + bottom * fraction_y


@kernel()
def _warp(images, inverse, down, across):  # type: ignore[no-untyped-def]
    """Return images mapped affinely, then by a field of displacements, of their shape and type.

    Args:
        images: (N, H, W, C) floats.
        inverse: Map from target to source pixels (x, y, 1), (N, 2, 3) float64.
        down: Rows that the second map reads from below, (N, H, W); `across` likewise for columns.
    """
    count, height, width, _ = images.shape
    out = np.empty_like(images)
    straight = np.empty_like(images[0])
    for n in range(count):
        m = inverse[n]
        for y in range(height):
            for x in range(width):
                from_x = m[0, 0] * x + m[0, 1] * y + m[0, 2]
                from_y = m[1, 0] * x + m[1, 1] * y + m[1, 2]
                x0, y0 = np.int64(np.floor(from_x)), np.int64(np.floor(from_y))
                left, right = _mirrored(x0, width), _mirrored(x0 + 1, width)
                top, bottom = _mirrored(y0, height), _mirrored(y0 + 1, height)
                _blend(images[n], top, bottom, left, right, from_y - y0, from_x - x0, straight[y, x])
        for y in range(height):
            for x in range(width):
                from_x, from_y = x + across[n, y, x], y + down[n, y, x]
                x0, y0 = np.int64(np.floor(from_x)), np.int64(np.floor(from_y))
                left, right = _reflected(x0, width), _reflected(x0 + 1, width)
                top, bottom = _reflected(y0, height), _reflected(y0 + 1, height)
                _blend(straight, top, bottom, left, right, from_y - y0, from_x - x0, out[n, y, x])
    return out


def _warm_up() -> None:
    field = np.zeros((1, 8, 8), dtype=np.float32)
    _warp(np.zeros((1, 8, 8, 3), dtype=np.float32), np.zeros((1, 2, 3)), field, field)


WARM_UP = (_warm_up,)
