"""From decoded images to square arrays, by Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray


def middle_square(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """Return the middle square of an RGB image at a side (bilinear, antialiased), (S, S, 3) uint8."""
    shorter = min(image.size)
    left, top = (image.width - shorter) / 2, (image.height - shorter) / 2
    box = (left, top, left + shorter, top + shorter)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box=box))


def resize_image(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the middle square of an image (H, W, 3) at a side, (S, S, 3) uint8; as it is where nothing changes."""
    if pixels.shape[:2] == (side, side):
        return np.asarray(pixels)
    return middle_square(Image.fromarray(np.ascontiguousarray(pixels)), side)


def to_channels(rgb: NDArray[np.uint8], num_channels: int) -> NDArray[np.uint8]:
    """Return RGB images (N, S, S, 3) as they are, or their luma (N, S, S, 1) for one channel."""
    if num_channels == 3:
        return rgb
    red, green, blue = np.moveaxis(rgb.astype(np.uint32), -1, 0)
    luma: NDArray[np.uint8] = ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(np.uint8)
    return luma[..., None]
