"""Reading published files whole: complete, of the right shapes, in order, with the checksums that are published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from augment.files.walk import class_folders
from eval.benchmarks.presence import CIFAR
from eval.corruptions.c.registry import CORRUPTIONS
from eval.corruptions.cbar.registry import cbar_kinds
from eval.perturbations.p.registry import PERTURBATIONS
from eval.published_files.layout import FILE_MD5, FOLDERS
from eval.published_files.sets import PublishedFilesError, PublishedSet

if TYPE_CHECKING:
    from numpy.typing import NDArray

PER_DATASET: Final = {name: dataset_family for dataset_family, name in FOLDERS.items()}
"""Folder below the data root -> (dataset, family)."""

Labels = Callable[[str], "NDArray[np.int64] | None"]
"""Gives the test labels of a dataset, or None where the dataset is not there."""


def verify_folder(name: str, data_root: Path, labels_of: Labels) -> str:
    """Read one folder of published files and return what it holds.

    Arrays are compared with their published MD5 where there is one, and their labels with the test labels; of trees of images
    and of videos the number per set is checked. The first and the last image of every set are read.

    Args:
        name: Folder as the archives unpack it, such as "CIFAR-10-C".
        data_root: Where it lies.
        labels_of: Test labels by dataset.

    Raises:
        PublishedFilesError: With the first fault that is found.
    """
    dataset, family = PER_DATASET[name]
    folder = data_root / name
    sets = _READERS[family](folder, dataset, labels_of(dataset))
    for images in sets:
        rows = range(len(images)) if len(images) <= 1 else (0, len(images) - 1)
        for row in rows:
            images.load(row, row + 1)
    has_checksums = name in FILE_MD5
    total = sum(len(images) for images in sets)
    return (
        f"{len(sets)} sets, {total} entries, {'checksums as published' if has_checksums else 'no published checksums'}"
    )


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
        labels: Its test labels.
        data_root: Where the files lie.
        kinds: Corruptions to read.
        severities: Severities to read (MNIST-C has one).

    Raises:
        PublishedFilesError: If there are none for the dataset, or they are missing or broken.
    """
    from eval.published_files.arrays import cifar_corruptions, mnist_corruptions
    from eval.published_files.folders import corrupted_folders

    name = FOLDERS.get((dataset, family))
    if name is None:
        known = sorted(each for each, of in FOLDERS if of == family)
        raise PublishedFilesError(f"there are no published files of {family!r} for {dataset!r}, only for {known}")
    folder = data_root / name
    if family == "mnist-c":
        return mnist_corruptions(folder, labels, kinds=kinds)
    if dataset in CIFAR:
        return cifar_corruptions(folder, labels, kinds=kinds, severities=severities)
    side = 64 if dataset == "tiny-imagenet" else 224
    classes = class_folders(folder / kinds[0] / str(severities[0]))
    return corrupted_folders(folder, classes, kinds=kinds, severities=severities, side=side)


def _arrays(folder: Path, dataset: str, labels: NDArray[np.int64] | None) -> list[PublishedSet]:
    if dataset not in CIFAR:
        return _tree(folder, dataset, labels)
    from eval.published_files.arrays import cifar_corruptions

    is_bar = folder.name.endswith("-Bar")
    known = cbar_kinds(32) if is_bar else tuple(CORRUPTIONS)
    kinds = [kind for kind in known if (folder / f"{kind}.npy").is_file() or kind in _required(is_bar, known)]
    return cifar_corruptions(folder, _given_or_own(labels, folder), kinds=kinds, check="checksums")


def _required(is_bar: bool, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the kinds without which the files are not complete: the extras may be away."""
    return known if is_bar else tuple(kind for kind in known if not CORRUPTIONS[kind].is_extra)


def _given_or_own(labels: NDArray[np.int64] | None, folder: Path) -> NDArray[np.int64]:
    """Return the test labels, or where the dataset is not there the files' own for the first severity."""
    if labels is not None:
        return labels
    try:
        own = np.load(folder / "labels.npy", allow_pickle=False).astype(np.int64)
    except (OSError, ValueError, EOFError) as error:
        raise PublishedFilesError(f"'{folder / 'labels.npy'}' is missing or truncated: {error}") from error
    first: NDArray[np.int64] = own[: len(own) // 5]
    return first


def _sequences(folder: Path, dataset: str, labels: NDArray[np.int64] | None) -> list[PublishedSet]:
    if dataset not in CIFAR:
        from eval.published_files.videos import video_perturbations

        kinds = [kind for kind in PERTURBATIONS if (folder / kind).is_dir()]
        return video_perturbations(folder, class_folders(folder / kinds[0]) if kinds else (), kinds=kinds)
    from eval.published_files.arrays import cifar_perturbations

    kinds = [kind for kind in PERTURBATIONS if (folder / f"{kind}.npy").is_file()]
    if not kinds:
        raise PublishedFilesError(f"'{folder}' holds none of the sequences of P; unpack the published folder there")
    return cifar_perturbations(folder, 10_000 if labels is None else len(labels), kinds=kinds)


def _mnist(folder: Path, dataset: str, labels: NDArray[np.int64] | None) -> list[PublishedSet]:
    from eval.published_files.arrays import mnist_corruptions

    if labels is None:
        raise PublishedFilesError(f"the labels in '{folder}' are compared with those of {dataset!r}, which is missing")
    return mnist_corruptions(folder, labels, check="checksums")


def _tree(folder: Path, dataset: str, labels: NDArray[np.int64] | None) -> list[PublishedSet]:
    from eval.published_files.folders import corrupted_folders

    is_bar = folder.name.endswith("-Bar")
    known = cbar_kinds(224) if is_bar else tuple(CORRUPTIONS)
    kinds = [kind for kind in known if (folder / kind).is_dir() or kind in _required(is_bar, known)]
    side = 64 if dataset == "tiny-imagenet" else 224
    return corrupted_folders(folder, class_folders(folder / kinds[0] / "1"), kinds=kinds, side=side)


def _renditions(folder: Path, dataset: str, labels: NDArray[np.int64] | None) -> list[PublishedSet]:
    from eval.published_files.folders import rendition_folders

    return [rendition_folders(folder, class_folders(folder))]


_READERS: Final[Mapping[str, Callable[[Path, str, Any], list[PublishedSet]]]] = {
    "c": _arrays,
    "cbar": _arrays,
    "p": _sequences,
    "mnist-c": _mnist,
    "r": _renditions,
}
