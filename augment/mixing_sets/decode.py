"""Picture files to square arrays, by Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from augment.mixing_sets.source import MixingSetError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_picture(path: Path, side: int) -> NDArray[np.uint8]:
    """Return the middle square of a picture file at a side, (S, S, 3) uint8.

    Raises:
        MixingSetError: If the file cannot be decoded.
    """
    try:
        with Image.open(path) as file:
            file.draft("RGB", (2 * side, 2 * side))  # JPEG decodes at a smaller scale, still at least twice the side
            picture = file.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MixingSetError(f"picture {path} cannot be decoded ({error}); remove or replace it") from error
    return _square(picture, side)


def resize_picture(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the middle square of a picture (H, W, 3) at a side, (S, S, 3) uint8; as it is where nothing changes."""
    if pixels.shape[:2] == (side, side):
        return np.asarray(pixels)
    return _square(Image.fromarray(np.ascontiguousarray(pixels)), side)


def to_channels(rgb: NDArray[np.uint8], num_channels: int) -> NDArray[np.uint8]:
    """Return RGB pictures (N, S, S, 3) as they are, or their luma (N, S, S, 1) for one channel."""
    if num_channels == 3:
        return rgb
    red, green, blue = np.moveaxis(rgb.astype(np.uint32), -1, 0)
    luma: NDArray[np.uint8] = ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(np.uint8)
    return luma[..., None]


def _square(picture: Image.Image, side: int) -> NDArray[np.uint8]:
    shorter = min(picture.size)
    left, top = (picture.width - shorter) / 2, (picture.height - shorter) / 2
    box = (left, top, left + shorter, top + shorter)
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR, box=box))
