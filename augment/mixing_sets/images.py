"""From decoded images to square arrays, by Pillow, and from an array to a sheet to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


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


def contact_sheet(images: NDArray[np.uint8], path: Path | str, columns: int, *, gap_px: int = 2) -> None:
    """Write images row by row to a PNG, on white.

    Args:
        images: (N, H, W, C) uint8 with C of 1 (grey) or 3 (RGB).
        path: File to write; its folder is made.
        columns: Images per row.
        gap_px: Pixels between images.

    Raises:
        ValueError: If there is no image, or the shape or number of columns is impossible.
    """
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or len(images) == 0 or columns < 1:
        raise ValueError(
            f"a contact sheet needs (N >= 1, H, W, 1 or 3) images and columns >= 1, got {images.shape}, {columns}"
        )
    num, height, width, channels = images.shape
    columns = min(columns, num)
    rows = -(-num // columns)
    sheet = np.full((rows * (height + gap_px) - gap_px, columns * (width + gap_px) - gap_px, channels), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + gap_px), (i % columns) * (width + gap_px)
        sheet[top : top + height, left : left + width] = image
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet[:, :, 0] if channels == 1 else sheet).save(path, format="PNG")
