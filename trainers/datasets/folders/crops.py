"""From decoded images to those that networks are given: a fixed centre crop for tests, a random crop resized for training."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ATTEMPTS: Final = 10
CROP_SLOTS: Final = 4 * ATTEMPTS + 1
"""Draws per image: area, ratio, top and left of each attempt, then the flip."""


def centre_crop(image: Image.Image, *, resize: int, size: int) -> NDArray[np.uint8]:
    """Resize the shorter side (bilinear, antialiased) and crop the centre, (size, size, 3) uint8, as torchvision does."""
    scale = resize / min(image.size)
    width, height = (max(resize, int(side * scale)) for side in image.size)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return np.asarray(resized.crop((left, top, left + size, top + size)), dtype=np.uint8)


def random_resized_crop(image: Image.Image, draws: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """Cut a random area (8 % to all) of a random ratio (3/4 to 4/3), resize it (bilinear, antialiased), perhaps flip it.

    Ten attempts, then the largest centre crop within the ratios: the rule of torchvision's RandomResizedCrop.

    Args:
        image: RGB or grey.
        draws: Uniform in [0, 1), (CROP_SLOTS,); a flip where the last is below 1/2.
        size: Side of the result in pixels.

    Returns:
        (size, size, C) uint8.
    """
    left, top, width, height = _random_box(image.size, draws)
    resized = image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + width, top + height))
    pixels = np.asarray(resized, dtype=np.uint8).reshape(size, size, -1)
    return pixels[:, ::-1] if draws[-1] < 0.5 else pixels


def _random_box(sides: tuple[int, int], draws: NDArray[np.float64]) -> tuple[int, int, int, int]:
    """Return left, top, width and height of the crop."""
    full_width, full_height = sides
    log_ratios = (math.log(3 / 4), math.log(4 / 3))
    for attempt in range(ATTEMPTS):
        area_draw, ratio_draw, top_draw, left_draw = draws[4 * attempt : 4 * attempt + 4]
        area = full_width * full_height * (0.08 + 0.92 * area_draw)
        ratio = math.exp(log_ratios[0] + (log_ratios[1] - log_ratios[0]) * ratio_draw)
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= full_width and 0 < height <= full_height:
            return int(left_draw * (full_width - width + 1)), int(top_draw * (full_height - height + 1)), width, height
    ratio = full_width / full_height
    width = full_width if ratio <= 4 / 3 else round(full_height * 4 / 3)
    height = full_height if ratio >= 3 / 4 else round(full_width / (3 / 4))
    return (full_width - width) // 2, (full_height - height) // 2, width, height
