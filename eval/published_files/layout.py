"""What the published files of harder images are called, how large they are, how to get them, and their checksums.

The collections, their checksums and the classes of ImageNet-R are in `published.json`. Sources: the Zenodo records that the
collections name, and the data loaders of TensorFlow Datasets and torch-uncertainty, which state the checksums.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from augment.files.absent import fetch_command
from eval.errors import EvalError

_PUBLISHED: Final[Mapping[str, Any]] = json.loads(
    Path(__file__).with_name("published.json").read_text(encoding="utf-8")
)

ARCHIVE_MD5: Final[Mapping[str, str]] = _PUBLISHED["archives"]
"""Archive -> MD5."""

FILE_MD5: Final[Mapping[str, Mapping[str, str]]] = _PUBLISHED["files"]
"""Folder -> file stem -> MD5. CIFAR-P, CIFAR-C-bar and ImageNet-P have no published checksums."""

RENDITION_CLASSES: Final[tuple[int, ...]] = tuple(_PUBLISHED["imagenet-r classes"])
"""The 200 classes of ImageNet-R among the 1000, in the order of their sorted folders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Published files of one dataset.

    Attributes:
        name: Folder in the data root, as the archives unpack.
        dataset: The dataset whose test images they show.
        address: Folder of a server that has its archives, whose checksums are published; "" where there is none.
        archives: Archives with published checksums that it is unpacked from, where no checksum of its files is published.
        image: Shape of an image where the files are arrays, else None.
        per_image: Images (or sequences) in an array for each test image.
        images_per_set: Images (or sequences) of a set of a tree, where the number is published.
        classes: Class folders of a set of a tree.
    """

    name: str
    dataset: str
    family: str
    source: str
    address: str = ""
    archives: tuple[str, ...] = ()
    image: tuple[int, int, int] | None = None
    per_image: int = 1
    images_per_set: int | None = None
    classes: int | None = None

    @property
    def packed(self) -> tuple[str, ...]:
        """The archives that it is unpacked from."""
        return self.archives or (f"{self.name}.tar",)

    def how_to_get(self, data_root: Path) -> str:
        """Return the command that gets its files, or what a person does where none can."""
        return f"get it with: {fetch_command(self.name, data_root)}" if self.address else self.source


COLLECTIONS: Final[Mapping[str, Collection]] = {
    each.name: each for each in msgspec.convert(_PUBLISHED["collections"], tuple[Collection, ...])
}
"""Folder in the data root -> the collection."""

_BY_FAMILY: Final = {(each.dataset, each.family): each for each in COLLECTIONS.values()}


def collection_of(dataset: str, family: str) -> Collection | None:
    """Return the published files of a dataset that a benchmark reads, or None where none are published."""
    return _BY_FAMILY.get((dataset, family))


def published_collection(dataset: str, family: str) -> Collection:
    """Return the published files of a dataset that a benchmark reads.

    Raises:
        EvalError: If none are published.
    """
    found = collection_of(dataset, family)
    if found is None:
        known = sorted(each for each, other in _BY_FAMILY if other == family)
        instead = "" if family == "r" else f"; generate them with the benchmark '{family}-generated'"
        raise EvalError(f"there are no published files of {family!r} for {dataset!r}, only for {known}{instead}")
    return found


def images_per_set(folder: Path) -> int | None:
    """Return how many images (or sequences) are published per set of a tree, by its folder's name, or None where unknown."""
    return COLLECTIONS[folder.name].images_per_set if folder.name in COLLECTIONS else None
