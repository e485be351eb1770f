"""Contact sheets: what corruptions and perturbations look like, one row per kind, for documents and for the eye."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from eval.corruptions.contract import FrostImages
from eval.corruptions.families import family_named
from eval.corruptions.generate import CorruptedSet
from eval.perturbations.frames import perturb

MARGIN: Final = 4
LABEL_WIDTH: Final = 190
_FINGERPRINT: Final = "contact-sheet"
_SHOWN: Final[tuple[int, ...]] = (1, 3, 5)
"""Severities next to the clean image; a family with one severity has one."""


def corruption_sheet(
    image: NDArray[np.uint8],
    family: str,
    kinds: Sequence[str],
    *,
    tile: int = 96,
    frost: FrostImages | None = None,
) -> NDArray[np.uint8]:
    """Return a sheet with the clean image and its corruptions at some severities, one row per kind, (H, W, 3) uint8.

    Args:
        image: (H, W, C) uint8.
        family: Key of `FAMILIES`.
        kinds: Rows.
        tile: Side that images are enlarged to (nearest pixel) or shrunk to.
        frost: Images for `frost`.
    """
    known = family_named(family).severities
    levels = [level for level in _SHOWN if level in known] or list(known)
    rows = []
    for kind in kinds:
        made = [
            CorruptedSet(
                images=image[None], kind=kind, severity=level, fingerprint=_FINGERPRINT, family=family, frost=frost
            ).at(np.zeros(1, int))[0]
            for level in levels
        ]
        rows.append((kind, [image, *made]))
    return lay_out(rows, tile)


def sequence_sheet(
    image: NDArray[np.uint8], kinds: Sequence[str], *, num_shown: int = 7, tile: int = 72
) -> NDArray[np.uint8]:
    """Return a sheet with some frames of each perturbation's sequence, evenly spaced, one row per kind, (H, W, 3) uint8."""
    rows = []
    for kind in kinds:
        frames = perturb(image[None], kind, fingerprint=_FINGERPRINT, indices=np.zeros(1, int))[0]
        shown = np.linspace(0, len(frames) - 1, num_shown).round().astype(int)
        rows.append((kind, list(frames[shown])))
    return lay_out(rows, tile)


def lay_out(rows: Sequence[tuple[str, Sequence[NDArray[np.uint8]]]], tile: int) -> NDArray[np.uint8]:
    """Return labelled rows of square tiles on white, (H, W, 3) uint8."""
    columns = max(len(images) for _, images in rows)
    sheet = Image.new("RGB", (LABEL_WIDTH + columns * (tile + MARGIN), len(rows) * (tile + MARGIN)), "white")
    pen = ImageDraw.Draw(sheet)
    for row, (label, images) in enumerate(rows):
        top = row * (tile + MARGIN)
        pen.text((MARGIN, top + tile // 2 - 6), label, fill="black")
        for column, image in enumerate(images):
            colour = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
            shrinks = image.shape[0] > tile
            method = Image.Resampling.BOX if shrinks else Image.Resampling.NEAREST
            sheet.paste(
                Image.fromarray(colour).resize((tile, tile), method), (LABEL_WIDTH + column * (tile + MARGIN), top)
            )
    return np.asarray(sheet, dtype=np.uint8)
