"""What the published files of harder images are called, how large they are, how to get them, and their checksums.

The checksums and the classes of ImageNet-R are in `published.json`. Sources: the Zenodo records that the collections name, and
the data loaders of TensorFlow Datasets and torch-uncertainty, which state the checksums.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

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

_CIFAR_IMAGE: Final = (32, 32, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Published files of one dataset.

    Attributes:
        name: Folder in the data root, as the archives unpack.
        dataset: The dataset whose test images they show.
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
    archives: tuple[str, ...] = ()
    image: tuple[int, int, int] | None = None
    per_image: int = 1
    images_per_set: int | None = None
    classes: int | None = None


_ALL: Final = (
    Collection(
        name="CIFAR-10-C",
        dataset="cifar-10",
        family="c",
        source="unpack CIFAR-10-C.tar of Zenodo record 2535967 there",
        image=_CIFAR_IMAGE,
        per_image=5,
    ),
    Collection(
        name="CIFAR-100-C",
        dataset="cifar-100",
        family="c",
        source="unpack CIFAR-100-C.tar of Zenodo record 3555552 there",
        image=_CIFAR_IMAGE,
        per_image=5,
    ),
    Collection(
        name="CIFAR-10-C-Bar",
        dataset="cifar-10",
        family="cbar",
        source="write them with make_cifar10_c_bar.py of facebookresearch/augmentation-corruption",
        image=_CIFAR_IMAGE,
        per_image=5,
    ),
    Collection(
        name="CIFAR-100-C-Bar",
        dataset="cifar-100",
        family="cbar",
        source="no files of it are published; use the benchmark 'cbar-generated'",
        image=_CIFAR_IMAGE,
        per_image=5,
    ),
    Collection(
        name="CIFAR-10-P",
        dataset="cifar-10",
        family="p",
        source="get the folder that the README of hendrycks/robustness links to",
        image=_CIFAR_IMAGE,
    ),
    Collection(
        name="CIFAR-100-P",
        dataset="cifar-100",
        family="p",
        source="get the folder that the README of hendrycks/robustness links to",
        image=_CIFAR_IMAGE,
    ),
    Collection(
        name="mnist_c",
        dataset="mnist",
        family="mnist-c",
        source="unpack mnist_c.zip of Zenodo record 3239543 there",
        archives=("mnist_c.zip",),
        image=(28, 28, 1),
    ),
    Collection(
        name="ImageNet-C",
        dataset="imagenet",
        family="c",
        source="unpack blur, digital, noise and weather.tar of Zenodo record 2235448 there",
        archives=("blur.tar", "digital.tar", "noise.tar", "weather.tar", "extra.tar"),
        images_per_set=50_000,
        classes=1000,
    ),
    Collection(
        name="ImageNet-C-Bar",
        dataset="imagenet",
        family="cbar",
        source="unpack dl.fbaipublicfiles.com/inc_bar/imagenet_c_bar.tar.gz there",
        images_per_set=50_000,
        classes=1000,
    ),
    Collection(
        name="ImageNet-P",
        dataset="imagenet",
        family="p",
        source="unpack the archives of Zenodo record 3565846 there",
        images_per_set=50_000,
    ),
    Collection(
        name="imagenet-r",
        dataset="imagenet",
        family="r",
        source="unpack people.eecs.berkeley.edu/~hendrycks/imagenet-r.tar there",
        archives=("imagenet-r.tar",),
        images_per_set=30_000,
        classes=200,
    ),
    Collection(
        name="Tiny-ImageNet-C",
        dataset="tiny-imagenet",
        family="c",
        source="unpack Tiny-ImageNet-C.tar of Zenodo record 2536630 there",
        archives=("Tiny-ImageNet-C.tar", "Tiny-ImageNet-C-extra.tar"),
        images_per_set=10_000,
        classes=200,
    ),
)

COLLECTIONS: Final[Mapping[str, Collection]] = {each.name: each for each in _ALL}
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
