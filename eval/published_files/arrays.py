"""Published files that are NumPy arrays: CIFAR-C, CIFAR-C-bar, CIFAR-P and MNIST-C."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.files.numpy_files import ArrayFileError, map_array
from eval.corruptions.c.registry import BENCHMARK_KINDS
from eval.corruptions.contract import SEVERITIES
from eval.corruptions.mnist.registry import MNIST_CORRUPTIONS
from eval.perturbations.p.registry import num_frames, sequence_stem
from eval.published_files.layout import FILE_MD5
from eval.published_files.sets import PublishedFilesError, PublishedSet, Thoroughness, check_md5, need_files

CIFAR: Final = ("cifar-10", "cifar-100")
"""The datasets whose published files are arrays of 32 px."""

_IMAGE: Final = (32, 32, 3)


def cifar_corruptions(
    folder: Path,
    labels: NDArray[np.int64],
    *,
    kinds: Sequence[str] = BENCHMARK_KINDS,
    severities: Sequence[int] = SEVERITIES,
    check: Thoroughness = "sizes",
) -> list[PublishedSet]:
    """Return one set per corruption and severity of CIFAR-C or CIFAR-C-bar.

    A file holds the five severities one after the other, each in the order of the test split.

    Args:
        folder: With one `<kind>.npy` per corruption and `labels.npy`.
        labels: Labels of the test split in its order, (N,).

    Raises:
        PublishedFilesError: If a file is missing, truncated or of another shape, or the labels differ or are in another order.
    """
    need_files(folder, [f"{name}.npy" for name in (*kinds, "labels")], "corrupted CIFAR images")
    size = len(labels)
    _check_labels(folder / "labels.npy", np.tile(labels, len(SEVERITIES)), "the test labels five times over")
    sets = []
    for kind in kinds:
        array = _open(folder / f"{kind}.npy", (len(SEVERITIES) * size, *_IMAGE), check)
        for severity in severities:
            load = _rows(array, (severity - 1) * size, size)
            sets.append(PublishedSet(fields={"corruption": kind, "severity": severity}, labels=labels, load=load))
    return sets


def cifar_perturbations(
    folder: Path, num_images: int, *, kinds: Sequence[str], difficulty: int = 1
) -> list[PublishedSet]:
    """Return the sequences of CIFAR-P, one set per perturbation; they carry no labels.

    Args:
        folder: With one `<kind>.npy` per perturbation, noises of difficulty 2 and 3 with the suffixes `_2` and `_3`.
        difficulty: Level of the noises, 1 to 3.

    Raises:
        PublishedFilesError: If a file is missing, truncated or of another shape.
    """
    stems = {kind: sequence_stem(kind, difficulty) for kind in kinds}
    need_files(folder, [f"{stem}.npy" for stem in stems.values()], "perturbed CIFAR images")
    sets = []
    for kind, stem in stems.items():
        frames = num_frames(kind, _IMAGE[0])
        array = _open(folder / f"{stem}.npy", (num_images, frames, *_IMAGE), "sizes")
        fields = {"perturbation": kind, "difficulty": difficulty}
        unknown = np.full(num_images, -1, dtype=np.int64)
        sets.append(PublishedSet(fields=fields, labels=unknown, load=_rows(array, 0, num_images), frames=frames))
    return sets


def mnist_corruptions(
    folder: Path,
    labels: NDArray[np.int64],
    *,
    kinds: Sequence[str] = tuple(MNIST_CORRUPTIONS),
    check: Thoroughness = "sizes",
) -> list[PublishedSet]:
    """Return the test sets of MNIST-C, one per corruption.

    Args:
        folder: With `<kind>/test_images.npy` and `<kind>/test_labels.npy` for every corruption.
        labels: Labels of MNIST's test split in its order, (N,).

    Raises:
        PublishedFilesError: If a file is missing, truncated or of another shape, or the labels differ or are in another order.
    """
    names = [f"{kind}/test_{part}.npy" for kind in kinds for part in ("images", "labels")]
    need_files(folder, names, "MNIST-C")
    sets = []
    for kind in kinds:
        _check_labels(folder / kind / "test_labels.npy", labels, "the test labels")
        array = _open(folder / kind / "test_images.npy", (len(labels), 28, 28, 1), check)
        fields = {"corruption": kind, "severity": 1}
        sets.append(PublishedSet(fields=fields, labels=labels, load=_rows(array, 0, len(labels))))
    return sets


def _open(path: Path, shape: tuple[int, ...], check: Thoroughness) -> NDArray[np.uint8]:
    array = _load(path)
    if array.dtype != np.uint8 or array.shape != shape:
        raise PublishedFilesError(
            f"'{path}' must contain uint8 of shape {shape}, but contains {array.dtype} of {array.shape}"
        )
    if check == "checksums":
        check_md5(path, FILE_MD5.get(path.parent.name, {}).get(path.stem))
    return array


def _load(path: Path) -> NDArray[np.uint8]:
    try:
        return map_array(path)
    except ArrayFileError as error:
        size = path.stat().st_size
        raise PublishedFilesError(f"'{path}' ({size} bytes) {error}; download it again") from error


def _check_labels(path: Path, expected: NDArray[np.int64], what: str) -> None:
    found = np.asarray(_load(path)).reshape(-1)
    if len(found) != len(expected):
        raise PublishedFilesError(
            f"'{path}' must contain {what}, {len(expected)} labels, but contains {len(found)}; is it of another dataset?"
        )
    wrong = np.flatnonzero(found.astype(np.int64) != expected)
    if len(wrong):
        place = int(wrong[0])
        order = (
            "they are in a different order"
            if np.array_equal(np.sort(found), np.sort(expected))
            else "they are different labels"
        )
        raise PublishedFilesError(
            f"'{path}' must contain {what}, but {len(wrong)} labels differ, first at {place} "
            f"({int(found[place])} instead of {int(expected[place])}): {order}"
        )


def _rows(array: NDArray[np.uint8], first: int, size: int) -> Callable[[int, int], NDArray[np.uint8]]:
    def load(start: int, stop: int) -> NDArray[np.uint8]:
        if not 0 <= start <= stop <= size:
            raise ValueError(f"rows must be in 0..{size}, but got {start}..{stop}")
        return array[first + start : first + stop]

    return load
