"""Decoding pictures from files: test pictures with a fixed centre crop, training pictures with a random crop resized."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainers.errors import CorruptData

LARGEST_BROKEN_SHARE: Final = 0.01
ATTEMPTS: Final = 10
CROP_SLOTS: Final = 4 * ATTEMPTS + 1
"""Draws per picture: area, ratio, top and left of each attempt, then the flip."""


def open_picture(path: Path) -> Image.Image | None:
    """Return a decoded RGB picture, or None where the file is broken."""
    try:
        with Image.open(path) as opened:
            return opened.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def centre_crop(picture: Image.Image, *, resize: int, size: int) -> NDArray[np.uint8]:
    """Resize the shorter side (bilinear, antialiased) and crop the centre, (size, size, 3) uint8, as torchvision does."""
    scale = resize / min(picture.size)
    width, height = (max(resize, int(side * scale)) for side in picture.size)
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return np.asarray(resized.crop((left, top, left + size, top + size)), dtype=np.uint8)


def random_resized_crop(picture: Image.Image, draws: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """Cut a random area (8 % to all) of a random ratio (3/4 to 4/3), resize it (bilinear, antialiased), perhaps flip it.

    Ten attempts, then the largest centre crop within the ratios: the rule of torchvision's RandomResizedCrop.

    Args:
        picture: RGB or grey.
        draws: Uniform in [0, 1), (CROP_SLOTS,); a flip where the last is below 1/2.
        size: Side of the result in pixels.

    Returns:
        (size, size, C) uint8.
    """
    left, top, width, height = _random_box(picture.size, draws)
    resized = picture.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + width, top + height))
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


def decode_all(
    root: Path, names: Sequence[str], target: Path, *, resize: int, size: int, threads: int
) -> tuple[NDArray[np.bool_], list[str]]:
    """Decode files in parallel into one array file of those that are whole.

    Args:
        root: Folder that the names are relative to.
        names: Files.
        target: The .npy file, (number of whole ones, size, size, 3) uint8.
        resize: Length of the shorter side before the crop.
        size: Side of the centre crop.
        threads: Decoding threads.

    Returns:
        Which files are whole, and the names of the broken ones.

    Raises:
        CorruptData: If more than one in a hundred is broken; names the first.
    """
    pixels = np.lib.format.open_memmap(target, mode="w+", dtype=np.uint8, shape=(len(names), size, size, 3))

    def one(number: int) -> bool:
        picture = open_picture(root / names[number])
        if picture is None:
            return False
        pixels[number] = centre_crop(picture, resize=resize, size=size)
        return True

    with ThreadPoolExecutor(max(1, threads)) as pool:
        whole = np.fromiter(pool.map(one, range(len(names))), dtype=np.bool_, count=len(names))
    broken = [name for name, is_whole in zip(names, whole, strict=True) if not is_whole]
    if broken:
        refuse_broken(root, broken, len(names))
        np.save(target, np.array(pixels[whole]))
    else:
        pixels.flush()
    return whole, broken


def refuse_broken(root: Path, broken: Sequence[str], total: int, share: float = LARGEST_BROKEN_SHARE) -> None:
    """Raise if too many pictures of a folder are broken.

    Raises:
        CorruptData: With their number and the first few names.
    """
    if len(broken) > share * total:
        raise CorruptData(
            f"at most {share:.0%} of the pictures in {root} may be undecodable, but {len(broken)} of {total} are: "
            f"{', '.join(list(broken)[:3])}{' ...' if len(broken) > 3 else ''}; replace or remove them"
        )
