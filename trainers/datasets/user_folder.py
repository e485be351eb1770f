"""A user's own pictures as a dataset: `folder:/path` or `folder:/path@SIZE`, described by looking at names only; light to import.

The folder holds `train` and `test` (or `val`), each with one sub-folder of pictures per class, the same classes in both. SIZE is
the side of the pictures in pixels that networks are given, 224 if it is left out.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Final

from trainers.datasets.spec import DatasetSpec
from trainers.errors import CorruptData, ImpossibleJob, MissingData

PREFIX: Final = "folder:"
DEFAULT_SIZE: Final = 224
LARGEST_SIZE: Final = 1024
MOST_RESIDENT_BYTES: Final = 4 * 2**30
"""Decoded training pictures up to this size are kept as one array; larger folders are decoded when needed."""

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".tif", ".tiff"})


def user_folder(name: str) -> DatasetSpec | None:
    """Return the dataset that "folder:PATH[@SIZE]" describes, or None for other names.

    Raises:
        MissingData: If there is no such folder, split or picture.
        CorruptData: If the splits do not have the same classes; names those that differ.
        ImpossibleJob: If the size is no sensible number.
    """
    if not name.startswith(PREFIX):
        return None
    path, size = _parsed(name)
    return _described(name, path, size, _stamps(path))


def key_name(name: str) -> str:
    """Return what stands for a dataset's or stream's name in keys: no paths, since the content is hashed beside it."""
    if not name.startswith(PREFIX):
        return name
    _, at, size = name.rpartition("@")
    return f"{PREFIX}@{size}" if at and size.isdigit() else PREFIX


def content_identity(folder: Path) -> str:
    """Return the content hash of a folder's pictures, remembered by names, sizes and times; "pending" while it is absent."""
    if not folder.is_dir():
        return "pending"
    from augment.mixing_sets.content_hash import folder_content_hash

    return f"sha256-of-content:{folder_content_hash(folder)}"


def _parsed(name: str) -> tuple[Path, int]:
    text, at, number = name.removeprefix(PREFIX).rpartition("@")
    if not at or not number.isdigit():
        text, number = name.removeprefix(PREFIX), str(DEFAULT_SIZE)
    size = int(number)
    if not 8 <= size <= LARGEST_SIZE:
        raise ImpossibleJob(
            f"the side of pictures must be between 8 and {LARGEST_SIZE} pixels, but {name!r} says {size}"
        )
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise ImpossibleJob(
            f"a picture folder must be an absolute path, since workers start elsewhere, but got {name!r}; "
            f"write {PREFIX}{path.absolute()}@{size}"
        )
    return path, size


def _stamps(path: Path) -> tuple[int, ...]:
    """Return the times of the splits' class folders: what makes a remembered description stale."""
    return tuple(
        entry.stat().st_mtime_ns
        for split in ("train", "test", "val")
        if (path / split).is_dir()
        for entry in sorted(os.scandir(path / split), key=lambda entry: entry.name)
    )


@lru_cache(maxsize=64)
def _described(name: str, path: Path, size: int, stamps: tuple[int, ...]) -> DatasetSpec:
    train, test = path / "train", path / ("test" if (path / "test").is_dir() else "val")
    absent = [str(split) for split in (train, test) if not split.is_dir()]
    if absent:
        raise MissingData(
            f"a picture folder must hold train and test (or val) with one folder per class, but {absent[0]} does not exist"
        )
    trained, tested = _count(train), _count(test)
    differing = sorted(trained.keys() ^ tested.keys())
    if differing:
        shown = ", ".join(differing[:5]) + (" ..." if len(differing) > 5 else "")
        raise CorruptData(
            f"both splits of {path} must have the same classes, but train has {len(trained)} and {test.name} "
            f"{len(tested)}; only in one of them: {shown}"
        )
    num_train = sum(trained.values())
    if len(trained) < 2:
        raise CorruptData(f"{train} must hold at least two classes of pictures, but holds {len(trained)}")
    return DatasetSpec(
        name=name,
        title=path.name,
        image_size=size,
        num_channels=3,
        num_classes=len(trained),
        num_train=num_train,
        num_test=sum(tested.values()),
        identity=content_identity(path),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        layout="folders",
        source=str(path),
        folders=(str(train), str(test)),
        resize=size if size < 128 else size * 8 // 7,
        is_resident=num_train * size * size * 3 <= MOST_RESIDENT_BYTES,
        how_to_get=f"put pictures into {train}/<class>/ and {test}/<class>/",
    )


def _count(split: Path) -> dict[str, int]:
    """Return class -> number of picture files, by name; classes without any are left out."""
    found: dict[str, int] = {}
    for entry in os.scandir(split):
        if entry.is_dir():
            number = sum(
                os.path.splitext(file)[1].lower() in SUFFIXES for _, _, files in os.walk(entry.path) for file in files
            )
            if number:
                found[entry.name] = number
    return found
