"""Reading published files whole: complete, of the right shapes, in order, with the checksums that are published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from augment.files.numpy_files import map_array
from augment.files.walk import class_folders
from augment.lookup.wording import count
from eval.corruptions.c.registry import CORRUPTIONS
from eval.corruptions.cbar.registry import cbar_kinds
from eval.perturbations.p.registry import PERTURBATIONS
from eval.published_files.arrays import CIFAR, cifar_corruptions, cifar_perturbations, mnist_corruptions
from eval.published_files.folders import corrupted_folders, rendition_folders
from eval.published_files.layout import COLLECTIONS, FILE_MD5, published_collection
from eval.published_files.sets import PublishedFilesError, PublishedSet
from eval.published_files.videos import video_perturbations

Labels = Callable[[str], NDArray[np.int64] | None]
"""Gives the test labels of a dataset, or None where the dataset is not there."""


def verify_folder(name: str, data_root: Path, labels_of: Labels) -> str:
    """Read one folder of published files and return what it holds.

    Arrays are compared with their published MD5 where there is one, and their labels with the test labels; of trees of images
    and of videos the number per set is checked. The first and the last image of every set are read.

    Args:
        name: Folder as the archives unpack it, such as "CIFAR-10-C".

    Raises:
        PublishedFilesError: With the first fault that is found.
    """
    dataset = COLLECTIONS[name].dataset
    sets = _READERS[COLLECTIONS[name].family](data_root / name, dataset, labels_of(dataset))
    for images in sets:
        for row in {0, len(images) - 1} if len(images) else ():
            images.load(row, row + 1)
    total = sum(len(images) for images in sets)
    checksums = "checksums as published" if name in FILE_MD5 else "no published checksums"
    return f"{count(len(sets), 'set')}, {total} entries, {checksums}"


def published_corruptions(
    family: str,
    dataset: str,
    labels: NDArray[np.int64],
    data_root: Path,
    *,
    kinds: Sequence[str],
    severities: Sequence[int],
) -> list[PublishedSet]:
    """Return published sets of corrupted images, one per corruption and severity.

    Args:
        family: "c", "cbar" or "mnist-c".
        dataset: The dataset whose test images they show.
        severities: Severities to read (MNIST-C has one).

    Raises:
        EvalError: If there are none for the dataset.
        PublishedFilesError: If they are missing or broken.
    """
    folder = data_root / published_collection(dataset, family).name
    if family == "mnist-c":
        return mnist_corruptions(folder, labels, kinds=kinds)
    if dataset in CIFAR:
        return cifar_corruptions(folder, labels, kinds=kinds, severities=severities)
    classes = class_folders(folder / kinds[0] / str(severities[0]))
    return corrupted_folders(folder, classes, kinds=kinds, severities=severities, side=_side(dataset))


def _side(dataset: str) -> int:
    return 64 if dataset == "tiny-imagenet" else 224


def _corruptions(folder: Path, dataset: str, labels: NDArray[np.int64] | None) -> list[PublishedSet]:
    is_bar, suffix = folder.name.endswith("-Bar"), ".npy" if dataset in CIFAR else ""
    known = cbar_kinds(32 if dataset in CIFAR else 224) if is_bar else tuple(CORRUPTIONS)
    needed = {kind for kind in known if is_bar or not CORRUPTIONS[kind].is_extra}  # the extras may be absent
    kinds = [kind for kind in known if kind in needed or (folder / f"{kind}{suffix}").exists()]
    if dataset in CIFAR:
        return cifar_corruptions(folder, _given_or_own(labels, folder), kinds=kinds, check="checksums")
    return corrupted_folders(folder, class_folders(folder / kinds[0] / "1"), kinds=kinds, side=_side(dataset))


def _given_or_own(labels: NDArray[np.int64] | None, folder: Path) -> NDArray[np.int64]:
    """Return the test labels, or where the dataset is not there the files' own for the first severity."""
    if labels is not None:
        return labels
    try:
        own = map_array(folder / "labels.npy").astype(np.int64)
    except (ValueError, TypeError) as error:
        raise PublishedFilesError(
            f"'{folder / 'labels.npy'}' must be whole numbers, but {error}; unpack it again"
        ) from error
    first: NDArray[np.int64] = own[: len(own) // 5]
    return first


def _sequences(folder: Path, dataset: str, labels: NDArray[np.int64] | None) -> list[PublishedSet]:
    if dataset not in CIFAR:
        kinds = [kind for kind in PERTURBATIONS if (folder / kind).is_dir()]
        return video_perturbations(folder, class_folders(folder / kinds[0]) if kinds else (), kinds=kinds)
    kinds = [kind for kind in PERTURBATIONS if (folder / f"{kind}.npy").is_file()]
    if not kinds:
        raise PublishedFilesError(f"'{folder}' contains none of the sequences of P; unpack the published folder there")
    return cifar_perturbations(folder, 10_000 if labels is None else len(labels), kinds=kinds)


def _mnist(folder: Path, dataset: str, labels: NDArray[np.int64] | None) -> list[PublishedSet]:
    if labels is None:
        raise PublishedFilesError(f"the labels in '{folder}' are compared with those of {dataset!r}, which is missing")
    return mnist_corruptions(folder, labels, check="checksums")


def _renditions(folder: Path, dataset: str, labels: NDArray[np.int64] | None) -> list[PublishedSet]:
    return [rendition_folders(folder, class_folders(folder))]


_READERS: Final[Mapping[str, Callable[[Path, str, Any], list[PublishedSet]]]] = {
    "c": _corruptions,
    "cbar": _corruptions,
    "p": _sequences,
    "mnist-c": _mnist,
    "r": _renditions,
}
