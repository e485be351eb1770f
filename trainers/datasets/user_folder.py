"""A user's own images as a dataset: `folder:/path` or `folder:/path@SIZE`, described by one walk of the folder; light to import.

The folder has `train` and `test` (or `val`), each with one sub-folder of images per class, the same classes in both. SIZE is
the side of the images in pixels that networks are given, 224 if it is left out. What counts as an image, and which files and
folders are left out, is said in `augment.files.walk`; the images that are counted here are those that are hashed and read.
"""

from __future__ import annotations

import os
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from augment.files.content import folder_hash
from augment.files.trial import refuse_undecodable
from augment.files.walk import ImageFolder, ImageFolderError, class_folders, named, refuse_unreadable, walk_images
from eval.tables.labels import difference
from trainers.datasets.contract import DatasetSpec
from trainers.errors import CorruptData, ImpossibleJob, MissingData

PREFIX: Final = "folder:"
DEFAULT_SIZE: Final = 224
LARGEST_SIZE: Final = 1024
MOST_RESIDENT_BYTES: Final = 4 * 2**30
"""Decoded training images up to this size are kept as one array; larger folders are decoded when needed."""

LARGEST_SHARED: Final = 0.01
"""Share of the test images that may be files of the training split."""

LOOK_LASTS: Final = 20
"""A look is good for this many times as long as the walk took, so that looking again and again costs one twentieth at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What a folder of a user had when it was last looked at.

    Attributes:
        splits: Names of the training and the test folder.
        counts: Class -> number of images, for each of them.
        identity: Content hash of those images.
        left_out: A sentence on each kind of image that is not read.
        stamps: Times of the folders of splits and classes.
        until: Time of the process's clock, in seconds, up to which the look is good.
    """

    splits: tuple[str, str]
    counts: tuple[dict[str, int], dict[str, int]]
    identity: str
    left_out: tuple[str, ...]
    stamps: tuple[int, ...]
    until: float


_LOOKS: Final[dict[Path, _Look]] = {}


def user_folder(name: str) -> DatasetSpec | None:
    """Return the dataset that "folder:PATH[@SIZE]" describes, or None for other names.

    Raises:
        MissingData: If there is no such folder, split or image.
        CorruptData: If the splits do not have the same classes, or too many images cannot be read; names them.
        ImpossibleJob: If the size is no sensible number.
    """
    if not name.startswith(PREFIX):
        return None
    path, size = _parsed(name)
    look = _look(path)
    train, test = (path / split for split in look.splits)
    num_train, num_test = (sum(counts.values()) for counts in look.counts)
    return DatasetSpec(
        name=name,
        title=path.name,
        image_size=size,
        num_channels=3,
        num_classes=len(look.counts[0]),
        num_train=num_train,
        num_test=num_test,
        identity=look.identity,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        source=str(path),
        folders=(str(train), str(test)),
        resize=size if size < 128 else size * 8 // 7,
        is_resident=num_train * size * size * 3 <= MOST_RESIDENT_BYTES,
        how_to_get=f"put images into {train}/<class>/ and {test}/<class>/",
        left_out=look.left_out,
    )


def key_name(name: str) -> str:
    """Return what represents a dataset's or stream's name in keys: no paths, since the content is hashed next to it."""
    if not name.startswith(PREFIX):
        return name
    _, at, size = name.rpartition("@")
    return f"{PREFIX}@{size}" if at and size.isdigit() else PREFIX


def content_identity(found: ImageFolder) -> str:
    """Return what identifies the images that a walk found, in keys of datasets and of outlier streams."""
    return f"sha256-of-content:{folder_hash(found)}"


def _parsed(name: str) -> tuple[Path, int]:
    text, at, number = name.removeprefix(PREFIX).rpartition("@")
    # More digits than any size has, and letters such as "²", are part of the path.
    if not at or not re.fullmatch(r"[0-9]{1,9}", number):
        text, number = name.removeprefix(PREFIX), str(DEFAULT_SIZE)
    size = int(number)
    if not 8 <= size <= LARGEST_SIZE:
        raise ImpossibleJob(f"the side of images must be between 8 and {LARGEST_SIZE} pixels, but {name!r} has {size}")
    path = Path(os.path.expanduser(text))
    if not path.is_absolute():
        raise ImpossibleJob(
            f"an image folder must be an absolute path, since workers start elsewhere, but got {name!r}; "
            f"write {PREFIX}{path.absolute()}@{size}"
        )
    return path, size


def _look(path: Path) -> _Look:
    """Return what is in a folder now; see `LOOK_LASTS` for how new that is."""
    stamps, known = _stamps(path), _LOOKS.get(path)
    if known is not None and known.stamps == stamps and time.monotonic() < known.until:
        return known
    splits = _splits(path)
    try:
        started = time.monotonic()
        found = walk_images(path, splits)
        took = time.monotonic() - started
        used, left_out = _classified(found, splits)
        parts = [_part(used, split) for split in splits]
        for split, part in zip(splits, parts, strict=True):
            refuse_unreadable(path / split, part.unread, len(part.files) + len(part.unread))
        counts = (_count(parts[0]), _count(parts[1]))
        _check_classes(path, splits, parts, left_out)
        _check_apart(path, splits, parts)
        for split, part in zip(splits, parts, strict=True):
            refuse_undecodable(part, split)
        identity = content_identity(used)
    except ImageFolderError as error:
        raise CorruptData(str(error)) from error
    until = time.monotonic() + LOOK_LASTS * took
    _LOOKS[path] = _Look(splits=splits, counts=counts, identity=identity, left_out=left_out, stamps=stamps, until=until)
    return _LOOKS[path]


def _stamps(path: Path) -> tuple[int, ...]:
    """Return the times of the folders of splits and classes, which change where images come or go."""
    return tuple(
        (path / split / kind).stat().st_mtime_ns
        for split in ("train", "test", "val")
        for kind in ("", *class_folders(path / split))
        if (path / split).is_dir()
    )


def _splits(path: Path) -> tuple[str, str]:
    splits = ("train", "test" if (path / "test").is_dir() else "val")
    absent = [str(path / split) for split in splits if not (path / split).is_dir()]
    if absent:
        raise MissingData(
            f"an image folder must have train and test (or val) with one folder per class, but {absent[0]} does not exist"
        )
    return splits


def _classified(found: ImageFolder, splits: tuple[str, str]) -> tuple[ImageFolder, tuple[str, ...]]:
    """Return the images that have a class, and a sentence on each kind of the others."""
    inside = tuple(file for file in found.files if file.name.count("/") >= 2)
    stray = [file.name for file in found.files if file.name.count("/") < 2]
    filled = {file.name.rsplit("/", file.name.count("/") - 1)[0] for file in inside}
    empty = [
        name
        for split in splits
        for name in (f"{split}/{kind}" for kind in class_folders(found.root / split))
        if name not in filled
    ]
    kinds = {
        "image{s} outside of class folders": stray,
        "unreadable": found.unread,
        "file{s} without an image suffix": found.others,
        "folder{s} without images": empty,
    }
    left_out = tuple(
        f"{found.root}: {len(names)} {what.format(s='s' if len(names) > 1 else '')}: {named(names)}"
        for what, names in kinds.items()
        if names
    )
    return ImageFolder(root=found.root, files=inside, unread=found.unread, others=found.others), left_out


def _part(found: ImageFolder, split: str) -> ImageFolder:
    """Return the images of one split: that is what a worker decodes, and counts the unreadable ones of."""
    files = tuple(file for file in found.files if file.name.startswith(f"{split}/"))
    unread = tuple(name for name in found.unread if name.startswith(f"{split}/"))
    return ImageFolder(root=found.root, files=files, unread=unread)


def _count(part: ImageFolder) -> dict[str, int]:
    """Return class -> number of images of a split."""
    return dict(Counter(file.name.split("/", 2)[1] for file in part.files))


def _check_classes(path: Path, splits: tuple[str, str], parts: Sequence[ImageFolder], left_out: Sequence[str]) -> None:
    trained, tested = (_count(part) for part in parts)
    alike = _look_alikes(trained.keys() | tested.keys())
    if alike:
        raise CorruptData(
            f"the class folders of {path} must differ visibly in name, but {alike[0]!a} and {alike[1]!a} look the same: "
            f"{difference(*alike)}; give them one name, in both splits"
        )
    also = f" (left out: {'; '.join(left_out)})" if left_out else ""
    differing = sorted(trained.keys() ^ tested.keys())
    if differing:
        raise CorruptData(
            f"both splits of {path} must have the same classes, but {splits[0]} has {len(trained)} and {splits[1]} "
            f"{len(tested)}; only in one of them: {named(differing)}{also}"
        )
    if len(trained) < 2:
        raise CorruptData(
            f"{path / splits[0]} must have at least two classes of images, but has {len(trained)}; "
            f"put images into one folder per class{also}"
        )


def _look_alikes(classes: Iterable[str]) -> tuple[str, str] | None:
    """Return two names that differ in their spaces or in how Unicode composes their letters only, as archives of macOS do."""
    first: dict[str, str] = {}
    for name in sorted(classes):
        known = first.setdefault(" ".join(unicodedata.normalize("NFC", name).split()), name)
        if known != name:
            return known, name
    return None


def _check_apart(path: Path, splits: tuple[str, str], parts: Sequence[ImageFolder]) -> None:
    """Refuse a test split that consists of links to training images, or the other way round."""
    trained = {file.inode for file in parts[0].files}
    shared = [file.name for file in parts[1].files if file.inode in trained]
    if len(shared) > LARGEST_SHARED * len(parts[1].files):
        raise CorruptData(
            f"{splits[1]} of {path} must show other images than {splits[0]}, but {len(shared)} of its {len(parts[1].files)} "
            f"files are the same ones (links): {named(shared)}; the error on them would be that of training"
        )
