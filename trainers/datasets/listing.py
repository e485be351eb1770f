"""Which pictures a split in folders has, and the class of each: listed once, kept in the cache folder."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from augment.kept_files import DamagedFileError, keep, kept_facts
from trainers.datasets.registry import absent_paths, missing_line
from trainers.datasets.spec import DatasetSpec
from trainers.datasets.user_folder import SUFFIXES
from trainers.errors import CorruptData, MissingData

logger = logging.getLogger(__name__)
ANNOTATIONS: Final = "val_annotations.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The pictures of a split.

    Attributes:
        root: Folder that the names are relative to.
        names: Their paths below it, sorted.
        labels: Index of each one's class in sorted order, (N,) int64.
        classes: Names of the classes.
        fingerprint: SHA-256 of names and labels.
    """

    root: Path
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.names)


def list_split(spec: DatasetSpec, split: Literal["train", "test"], data_root: Path, cache_dir: Path) -> Listing:
    """Return the pictures of a split of a dataset in folders.

    Args:
        spec: A dataset of the layout "folders".
        split: "train" or "test".
        data_root: Folder of datasets.
        cache_dir: Where the listing is kept: walking a million files takes minutes on a network disk.

    Raises:
        MissingData: If the folder is not there.
        CorruptData: If the number of pictures or of classes is not the declared one.
    """
    assert spec.folders is not None
    absent = absent_paths(spec, data_root, split)
    if absent:
        raise MissingData(missing_line(spec, data_root, absent))
    root = (data_root / spec.folders[split == "test"]).resolve()
    kept = (
        cache_dir / "listings" / f"{hashlib.sha256(f'{spec.identity} {split} {root}'.encode()).hexdigest()[:24]}.json"
    )
    pairs = _kept_pairs(kept)
    if pairs is None:
        pairs = sorted(walk(root))
        kept.parent.mkdir(parents=True, exist_ok=True)
        keep(kept, {}, {"pairs": pairs})
    listing = listing_of(root, pairs)
    wanted = spec.num_train if split == "train" else spec.num_test
    if len(listing) != wanted or len(listing.classes) != spec.num_classes:
        kept.unlink(missing_ok=True)
        raise CorruptData(
            f"the {split} split of {spec.name!r} must have {wanted} pictures of {spec.num_classes} classes, but {root} has "
            f"{len(listing)} of {len(listing.classes)}; unpack the published archives again"
        )
    return listing


def _kept_pairs(kept: Path) -> list[tuple[str, str]] | None:
    """Return the (name, class) pairs of a kept listing, or None where there is no whole one."""
    try:
        return [(name, kind) for name, kind in kept_facts(kept)["pairs"]]
    except FileNotFoundError:
        return None
    except DamagedFileError as error:
        logger.warning("a folder is listed again: %s", error)
        return None


def listing_of(root: Path, pairs: list[tuple[str, str]]) -> Listing:
    """Return the listing of (name, class) pairs."""
    classes = tuple(sorted({kind for _, kind in pairs}))
    index = {kind: number for number, kind in enumerate(classes)}
    digest = hashlib.sha256("".join(f"{name}\0{kind}\n" for name, kind in pairs).encode()).hexdigest()
    labels = np.array([index[kind] for _, kind in pairs], dtype=np.int64)
    return Listing(
        root=root, names=tuple(name for name, _ in pairs), labels=labels, classes=classes, fingerprint=digest
    )


def walk(root: Path) -> Iterator[tuple[str, str]]:
    """Yield (name, class): the class is the first folder of the name, or what an annotation file beside them says."""
    annotated = {}
    if (root / ANNOTATIONS).is_file():
        lines = (root / ANNOTATIONS).read_text().splitlines()
        annotated = {line.split("\t")[0]: line.split("\t")[1] for line in lines if line}
    for folder, _, files in os.walk(root):
        for file in files:
            if os.path.splitext(file)[1].lower() not in SUFFIXES:
                continue
            name = (Path(folder) / file).relative_to(root).as_posix()
            yield name, annotated.get(file, name.partition("/")[0])
