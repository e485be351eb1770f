"""Images of frost: given ones, or procedural ice, which is labelled as such."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from augment.files.content import file_hash
from augment.files.published import Identified, absent, given, joined
from eval.corruptions.contract import Draws, FrostImages
from eval.corruptions.fields import uniform_fields
from eval.corruptions.filters.gaussian import gaussian_filter
from eval.errors import EvalError

FROST: Final = "frost"
"""Folder of the images of frost in the data root."""

FROST_FILES: Final = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
"""The published images of frost that are drawn from; a sixth one exists and is never used."""

REDUCTION: Final = {28: 0.2, 32: 0.2, 64: 0.3, 224: 1.0}
"""Published reduction of the frost images by image scale."""

ICE_LABEL: Final = "procedural ice"
ICE_IDENTITY: Final = "procedural-ice-1"
"""Generator and semantics version: raised by hand whenever the ice changes."""

_ICE_SHAPE: Final = (360, 540)
_NEEDLES: Final = 360


def frost_identity(data_root: Path | None) -> Identified:
    """Return what identifies the images of frost in a data root."""
    folder = None if data_root is None else data_root / FROST
    if folder is None or any(not (folder / name).is_file() for name in FROST_FILES):
        return absent("")
    return given(joined({name: file_hash(folder / name) for name in FROST_FILES}))


def frost_from_folder(folder: Path) -> FrostImages:
    """Return the five published images of frost from a folder.

    Raises:
        EvalError: If one is missing or cannot be decoded.
    """
    missing = [name for name in FROST_FILES if not (folder / name).is_file()]
    if missing:
        raise EvalError(
            f"frost needs five images in '{folder}', but {', '.join(missing)} are missing; add them or leave "
            "the folder out to use procedural ice"
        )
    images = []
    for name in FROST_FILES:
        try:
            with Image.open(folder / name) as image:
                images.append(np.asarray(image.convert("RGB"), dtype=np.uint8))
        except Exception as error:  # decoders answer to damaged content with nearly any exception
            raise EvalError(
                f"{folder / name} must be an image of frost, but cannot be decoded; download it again"
            ) from error
    return FrostImages(tuple(images), "given frost images", _identity(images))


@functools.cache
def procedural_ice() -> FrostImages:
    """Return five textures of ridges and needles in the colours of ice: a stand-in for the published photographs."""
    images = [_ice(number) for number in range(len(FROST_FILES))]
    return FrostImages(tuple(images), ICE_LABEL, ICE_IDENTITY)


def _identity(images: list[NDArray[np.uint8]]) -> str:
    digest = hashlib.sha256()
    for image in images:
        digest.update(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()


def _ice(number: int) -> NDArray[np.uint8]:
    height, width = _ICE_SHAPE
    draws = Draws(0, "procedural-ice", number, np.arange(1, dtype=np.int64))
    relief = np.zeros((height, width))
    for octave, sigma in enumerate((24.0, 12.0, 6.0, 3.0, 1.5)):
        noise = uniform_fields(draws, f"octave-{octave}", height, width, 1) - 0.5
        smooth = gaussian_filter(noise, sigma, mode="wrap")[0, :, :, 0]
        relief += 0.75**octave * np.exp(-3.0 * np.abs(smooth) / smooth.std())
    relief += 0.9 * _needles(draws, height, width)
    relief = np.clip((relief - relief.min()) / (np.quantile(relief, 0.995) - relief.min()), 0, 1)
    dark, light = np.array([38.0, 62.0, 92.0]), np.array([232.0, 243.0, 252.0])
    return np.asarray((dark + (light - dark) * relief[:, :, None] ** 0.9).astype(np.uint8))


def _needles(draws: Draws, height: int, width: int) -> NDArray[np.float64]:
    """Return thin bright strokes that fan out from a few seeds, (height, width) in [0, 1]."""
    count, canvas = _NEEDLES, np.zeros((height, width))
    uniform = draws.uniforms(4 * count + 24, "needles")[0]
    seeds = uniform[4 * count :].reshape(12, 2) * (height, width)
    for which, turn, reach, start in uniform[: 4 * count].reshape(count, 4):
        origin = seeds[int(which * 12)]
        angle = np.round(turn * 36) * (np.pi / 18)  # crystals grow along few directions
        direction = np.array([np.sin(angle), np.cos(angle)])
        steps = np.arange(0, 12 + 90 * reach, 0.5) + 120 * start * start
        rows, columns = (np.round(origin[axis] + direction[axis] * steps).astype(np.int64) for axis in (0, 1))
        canvas[rows % height, columns % width] = 1.0
    return np.asarray(np.minimum(3.0 * gaussian_filter(canvas[None, :, :, None], 0.8, mode="wrap")[0, :, :, 0], 1.0))


@functools.lru_cache(maxsize=4)
def reduced(frost: FrostImages, scale: int, height: int, width: int) -> tuple[NDArray[np.uint8], ...]:
    """Return images of frost at the reduction of a scale, at least one pixel larger than (height, width)."""
    return tuple(_reduce(image, REDUCTION[scale], height, width) for image in frost.images)


def _reduce(image: NDArray[np.uint8], factor: float, height: int, width: int) -> NDArray[np.uint8]:
    """Resize by bilinear sampling at pixel centres without smoothing, as OpenCV's default does."""
    factor = max(factor, (height + 1) / image.shape[0], (width + 1) / image.shape[1])
    if factor == 1.0:
        return image
    rows, row_fraction = _positions(image.shape[0], factor)
    columns, column_fraction = _positions(image.shape[1], factor)
    levels = image.astype(np.float64)
    tall = levels[rows] * (1 - row_fraction)[:, None, None]
    tall += levels[np.minimum(rows + 1, len(levels) - 1)] * row_fraction[:, None, None]
    right = np.minimum(columns + 1, levels.shape[1] - 1)
    wide = tall[:, columns] * (1 - column_fraction)[:, None] + tall[:, right] * column_fraction[:, None]
    return np.round(wide).astype(np.uint8)


def _positions(size: int, factor: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    new_size = int(np.ceil(size * factor - 0.5))
    centres = np.clip((np.arange(new_size) + 0.5) * (size / new_size) - 0.5, 0, size - 1)
    whole = np.floor(centres)
    return whole.astype(np.int64), centres - whole
