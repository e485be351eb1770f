"""From decoded images to square arrays, by Pillow, and from arrays to a sheet to look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from augment.errors import AugmentError
from augment.files.decode import middle_square
from augment.kernels.counters import SampleKeys
from augment.mixing_sets.contract import SetRequest
from augment.treatment import Treatment


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


def render_each(
    indices: NDArray[np.int64], request: SetRequest, draw: Callable[[int], NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """Return the images of the indices at the side and channels of a request, (N, S, S, C) uint8.

    Args:
        indices: (N,) int64.
        draw: Returns the image of an index at any size, (H, W, 3) uint8.
    """
    rgb = np.empty((len(indices), request.image_size, request.image_size, 3), np.uint8)
    for row, index in zip(rgb, indices, strict=True):
        row[:] = resize_image(draw(int(index)), request.image_size)
    return to_channels(rgb, request.num_channels)


def contact_sheet(images: NDArray[np.uint8], path: Path | str, columns: int, *, gap_px: int = 2) -> None:
    """Write images row by row to a PNG, on white.

    Args:
        images: (N, H, W, C) uint8 with C of 1 (grey) or 3 (RGB).

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


def treated_rows(treatment: Treatment, images: NDArray[np.uint8], *, repeats: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return each image as it is, followed by what the sample stage makes of it in several epochs.

    Args:
        images: (N, H, W, C) uint8.

    Returns:
        (N * (1 + repeats), H, W, C) uint8, the images of one row after the other.

    Raises:
        AugmentError: If the treatment changes no image on the host, so that there is nothing to see.
    """
    if type(treatment).sample is Treatment.sample:
        raise AugmentError(
            "a preview needs a method that acts on single images, but this one acts on batches; try pixmix"
        )
    epochs = []
    for epoch in range(repeats):
        changed = treatment.sample(images, SampleKeys(seed, epoch, np.arange(len(images), dtype=np.int64)))
        last = changed[-1] if treatment.num_views > 1 else changed
        epochs.append(last if last.dtype == np.uint8 else np.rint(last * np.float32(255.0)).astype(np.uint8))
    rows = np.stack([images, *epochs], axis=1)
    return rows.reshape(-1, *images.shape[1:])


def enlarged(images: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Return images with every pixel repeated, (N, H * factor, W * factor, C)."""
    tall: NDArray[np.uint8] = images.repeat(factor, axis=1)
    return tall.repeat(factor, axis=2)
