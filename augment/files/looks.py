"""The content hash of one part of a collection: a file, or a folder of images or videos. Light to import."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from augment.files.content import file_hash, folder_hash, named_files_hash
from augment.files.walk import walk_images

VIDEO_SUFFIX: Final = ".mp4"
LOOK_LASTS: Final = 20
"""A look at a folder is good for this many times as long as it took, so that looking again costs one twentieth at most."""

_LOOKS: Final[dict[Path, tuple[float, str]]] = {}
"""Folder -> time of the process's clock, in seconds, up to which a look is good, and the hash that it found."""


def content_of(folder: Path, part: str) -> str:
    """Return the content hash of a file, or of the images or videos in a folder; "" where there is none.

    Args:
        folder: Folder of a collection.
        part: File or folder in it, or ".".

    Raises:
        ImageFolderError: If one cannot be read.
    """
    path = folder / part
    if path.is_file():
        return file_hash(path)
    if not path.is_dir():
        return ""
    until, known = _LOOKS.get(path, (0.0, ""))
    if time.monotonic() < until:
        return known
    started = time.monotonic()
    images = walk_images(path)
    took = time.monotonic() - started
    videos = [] if images.files else [each.relative_to(path).as_posix() for each in path.rglob(f"*{VIDEO_SUFFIX}")]
    found = named_files_hash(path, videos) if videos else folder_hash(images) if images.files else ""
    _LOOKS[path] = (time.monotonic() + LOOK_LASTS * took, found)
    return found
