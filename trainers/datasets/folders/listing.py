"""Which images a split in folders has, and the class of each: listed once, kept in the cache folder."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from augment.files.kept import DamagedFileError, keep, kept_facts
from augment.files.walk import ImageFolder, walk_images
from trainers.datasets.content import ANNOTATIONS, dataset_content
from trainers.datasets.contract import DatasetSpec
from trainers.datasets.user_folder import PREFIX
from trainers.errors import CorruptData, MissingData, as_data_errors

logger = logging.getLogger(__name__)
VERSION: Final = 2
"""Version of the rules by which a folder is listed; older listings in a cache are not used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The images of a split.

    Attributes:
        root: Folder that the names are relative to.
        labels: Index of each one's class in sorted order, (N,) int64.
        fingerprint: SHA-256 of names and labels.
        unread: Names of images that are seen to be unreadable without opening them.
    """

    root: Path
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    fingerprint: str
    unread: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.names)


def list_split(spec: DatasetSpec, split: Literal["train", "test"], data_root: Path, cache_dir: Path) -> Listing:
    """Return the images of a split of a dataset in folders; those outside of class folders are left out.

    Args:
        spec: A dataset of the layout "folders".
        split: "train" or "test".
        cache_dir: Where the listing is kept: walking a million files takes minutes on a network disk.

    Raises:
        MissingData: If the folder is not there.
        CorruptData: If the number of images or of classes is not the declared one.
    """
    assert spec.folders is not None
    absent = spec.absent_paths(data_root, split)
    if absent:
        raise MissingData(spec.missing_line(data_root, absent))
    root = (data_root / spec.folders[split == "test"]).resolve()
    identity = dataset_content(spec, data_root).key
    name = hashlib.sha256(f"{VERSION} {identity} {split} {root}".encode()).hexdigest()[:24]
    kept = cache_dir / "listings" / f"{name}.json"
    listing = _kept_listing(kept, root)
    if listing is None:
        with as_data_errors():
            found = walk_images(root)
        is_published = not spec.name.startswith(
            PREFIX
        )  # a user's classes are folders; annotations are no part of the key
        pairs = [(name, kind) for name, kind in _pairs(found, _annotations(root) if is_published else {}) if kind]
        kept.parent.mkdir(parents=True, exist_ok=True)
        keep(kept, {}, {"pairs": pairs, "unread": found.unread})
        listing = _listing(root, pairs, found.unread)
    wanted = spec.num_train if split == "train" else spec.num_test
    if len(listing) != wanted or len(listing.classes) != spec.num_classes:
        kept.unlink(missing_ok=True)
        raise CorruptData(
            f"the {split} split of {spec.name!r} must have {wanted} images of {spec.num_classes} classes, but {root} has "
            f"{len(listing)} of {len(listing.classes)}; {spec.fetch_hint(Path(data_root))}"
        )
    return listing


def listing_of(found: ImageFolder) -> Listing:
    """Return the listing of a walk; images in no folder have the class ""."""
    return _listing(found.root.resolve(), _pairs(found, {}), found.unread)


def _kept_listing(kept: Path, root: Path) -> Listing | None:
    """Return a kept listing, or None where there is no whole one."""
    try:
        facts = kept_facts(kept)
    except FileNotFoundError:
        return None
    except DamagedFileError as error:
        logger.warning("a folder is listed again: %s", error)
        return None
    return _listing(root, [(name, kind) for name, kind in facts["pairs"]], facts["unread"])


def _annotations(root: Path) -> dict[str, str]:
    """Return file name -> class from the annotation file of a flat split, or nothing where there is none."""
    if not (root / ANNOTATIONS).is_file():
        return {}
    try:
        lines = (root / ANNOTATIONS).read_text(encoding="utf-8").splitlines()
        return {line.split("\t")[0]: line.split("\t")[1] for line in lines if line}
    except (UnicodeDecodeError, IndexError) as error:
        raise CorruptData(
            f"{root / ANNOTATIONS} must be lines of a file name, a tabulator and its class; unpack the published archive again"
        ) from error


def _pairs(found: ImageFolder, annotated: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return sorted (name, class): the class is the first folder of the name, or the one that is annotated."""
    pairs = []
    for name in found.names:
        folder, slash, _ = name.partition("/")
        pairs.append((name, annotated.get(name.rpartition("/")[2], folder if slash else "")))
    return sorted(pairs)


def _listing(root: Path, pairs: list[tuple[str, str]], unread: Sequence[str]) -> Listing:
    classes = tuple(sorted({kind for _, kind in pairs}))
    index = {kind: number for number, kind in enumerate(classes)}
    text = "".join(f"{name}\0{kind}\n" for name, kind in pairs)
    return Listing(
        root=root,
        names=tuple(name for name, _ in pairs),
        labels=np.array([index[kind] for _, kind in pairs], dtype=np.int64),
        classes=classes,
        fingerprint=hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest(),
        unread=tuple(unread),
    )
