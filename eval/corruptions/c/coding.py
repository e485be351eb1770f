"""What storing an image does to it: pixelation and JPEG compression."""

from __future__ import annotations

import functools
import io
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eval.corruptions.contract import Setting, corruption, each
from eval.corruptions.filters.operators import Operator, as_operator, separable

_FIXED_POINT: Final = float(1 << 22)


@functools.lru_cache(maxsize=128)
def box_operator(size: int, new_size: int) -> Operator:
    """Return Pillow's box resampling of an axis with its fixed-point weights (multiples of 2**-22, times 2**22)."""
    scale = size / new_size
    support = 0.5 * max(scale, 1.0)
    matrix = np.zeros((new_size, size))
    for out in range(new_size):
        centre = (out + 0.5) * scale
        low, high = max(0, int(centre - support + 0.5)), min(size, int(centre + support + 0.5))
        offsets = (np.arange(low, high) - centre + 0.5) / max(scale, 1.0)
        weights = ((offsets > -0.5) & (offsets <= 0.5)).astype(np.float64)
        matrix[out, low:high] = np.floor(0.5 + weights / weights.sum() * _FIXED_POINT)
    return as_operator(matrix)


def box_resize(images: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return images (N, H, W, C) resized by box averages to (height, width), rounded after each axis as Pillow does."""
    across, down = box_operator(images.shape[2], width), box_operator(images.shape[1], height)
    wide = _rounded(images, as_operator(np.eye(images.shape[1])), across, is_copy=_copies(across), axis=2)
    return _rounded(wide, down, as_operator(np.eye(width)), is_copy=_copies(down), axis=1)


def _copies(operator: Operator) -> bool:
    """Return whether every output is one input, as in an enlargement."""
    return bool(np.all(operator.high - operator.low == 1))


def _rounded(
    images: NDArray[np.uint8], rows: Operator, columns: Operator, *, is_copy: bool, axis: int
) -> NDArray[np.uint8]:
    if is_copy:
        return np.take(images, (rows if axis == 1 else columns).low, axis=axis)
    total = separable(images.astype(np.float64), [rows], [columns])
    return np.asarray(np.clip(np.floor(total / _FIXED_POINT + 0.5), 0, 255).astype(np.uint8))


@corruption(
    group="digital",
    semantics=1,
    parameters={
        32: each(0.95, 0.9, 0.85, 0.75, 0.65),
        64: each(0.9, 0.8, 0.7, 0.6, 0.5),
        224: each(0.6, 0.5, 0.4, 0.3, 0.25),
    },
    is_random=False,
)
def pixelate(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Shrink by box averages to int(side * scale) and enlarge again, also by boxes."""
    height, width = images.shape[1:3]
    scale = setting.parameters[0]
    small = box_resize(images, max(1, math.floor(height * scale)), max(1, math.floor(width * scale)))
    return box_resize(small, height, width)


@corruption(
    group="digital",
    semantics=1,
    parameters={32: each(80, 65, 58, 50, 40), 64: each(65, 58, 50, 40, 25), 224: each(25, 18, 15, 10, 7)},
    is_random=False,
)
def jpeg_compression(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Store as JPEG with Pillow's defaults at the given quality, and read back; grey images are stored as grey."""
    quality = int(setting.parameters[0])
    return np.stack([_through_jpeg(pixels, quality) for pixels in images])


def _through_jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    squeezed = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    Image.fromarray(np.ascontiguousarray(squeezed)).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return np.asarray(image, dtype=np.uint8).reshape(pixels.shape)
