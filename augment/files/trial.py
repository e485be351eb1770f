"""A trial of a folder while planning: are its images of a kind that can be decoded?

Decoding everything would take as long as the first job. All images of a small folder are tried, else some that are evenly
spread; where one of those fails, more are. What was found is remembered like the content hash, so a folder is tried once. Light
to import.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from augment.files.content import THREADS, remembered
from augment.files.decode import decode_all
from augment.files.walk import (
    LARGEST_UNREADABLE_SHARE,
    ImageFile,
    ImageFolder,
    ImageFolderError,
    images_in,
    named,
    refuse_unreadable,
)

FEW: Final = 256
"""Folders of up to so many images are tried as a whole."""

FIRST: Final = 64
MORE: Final = 2048
CERTAIN: Final = 3
"""A sample refuses a folder where its broken share is over this many times the allowed one: 62 of 2,048 images, not 21."""


def tried_images_in(folder: Path, purpose: str) -> ImageFolder:
    """Return the images in a folder as `images_in`, after trying them as `refuse_undecodable`."""
    found = images_in(folder, purpose)
    refuse_undecodable(found)
    return found


def refuse_undecodable(found: ImageFolder, part: str = "") -> None:
    """Refuse a folder of which too many images cannot be decoded.

    Args:
        part: Name of what was walked, where that is a part of the root.

    Raises:
        ImageFolderError: If that is sure from the images that were tried; names the first, and what is wrong with it.
    """
    if not found.files:
        return
    result = json.loads(remembered(found.root, found.files, lambda: json.dumps(_try(found)), kind=f"trial{part}"))
    tried, broken = int(result["tried"]), dict(result["broken"])
    why = next(iter(broken.values()), "")
    if tried == len(found.files):
        refuse_unreadable(found.root, [*found.unread, *broken], tried + len(found.unread), why)
    elif len(broken) > CERTAIN * LARGEST_UNREADABLE_SHARE * tried:
        raise ImageFolderError(
            f"at most {LARGEST_UNREADABLE_SHARE:.0%} of the images in {found.root} may be unreadable, but {len(broken)} of the "
            f"{tried} that were tried are: {named([*broken])} ({why}); convert, replace or remove them"
        )


def _try(found: ImageFolder) -> dict[str, object]:
    """Return how many images were tried, and those that cannot be decoded with what is wrong with them."""
    chosen = found.files if len(found.files) <= FEW else _spread(found.files, FIRST)
    broken = _undecodable(found.root, chosen)
    if broken and len(chosen) < len(found.files):
        chosen = _spread(found.files, MORE)
        broken = _undecodable(found.root, chosen)
    return {"tried": len(chosen), "broken": broken}


def _spread(files: tuple[ImageFile, ...], number: int) -> tuple[ImageFile, ...]:
    return files if len(files) <= number else tuple(files[index * len(files) // number] for index in range(number))


def _undecodable(root: Path, files: tuple[ImageFile, ...]) -> dict[str, str]:
    try:
        reasons = decode_all([root / file.name for file in files], lambda number, image: None, threads=THREADS)
    except OSError as error:
        raise ImageFolderError(
            f"{error.filename} must be readable, but is not: {error.strerror}; make it readable"
        ) from error
    return {file.name: why for file, why in zip(files, reasons, strict=True) if why is not None}
