"""Bringing images of another dataset to the size and channels of the test images.

As published for outlier sets: the shorter side is resized (bilinear) and the middle cut out. Grey is repeated; colour turns grey.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eval.errors import EvalError


def fit_images(images: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return images in another shape.

    Args:
        images: (N, H, W, C) uint8 with C = 1 or 3.
        shape: The other (H, W, C).

    Raises:
        EvalError: If the images are no (N, H, W, C) uint8 with one or three channels.
    """
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3):
        raise EvalError(f"images must be (N, H, W, C) uint8 with C = 1 or 3, but are {images.shape} {images.dtype}")
    if images.shape[1:] == shape:
        return images
    resized = images if images.shape[1:3] == shape[:2] else _resized(images, shape[0], shape[1])
    return _with_channels(resized, shape[2])


def _resized(images: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    scale = max(height / images.shape[1], width / images.shape[2])
    size = (max(width, round(images.shape[2] * scale)), max(height, round(images.shape[1] * scale)))
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    out = np.empty((len(images), height, width, images.shape[3]), dtype=np.uint8)
    for row, image in enumerate(images):
        drawn = Image.fromarray(image[:, :, 0] if images.shape[3] == 1 else image)
        array = np.asarray(drawn.resize(size, Image.Resampling.BILINEAR))
        out[row] = array.reshape(size[1], size[0], -1)[top : top + height, left : left + width]
    return out


def _with_channels(images: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    if images.shape[3] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=3)
    weights = np.array([19595, 38470, 7471], dtype=np.uint32)  # ITU-R 601, in 16 bits, as Pillow has it
    return ((images.astype(np.uint32) @ weights + 32768) >> 16).astype(np.uint8)[..., None]
