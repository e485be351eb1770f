"""Reading datasets: checked bytes become uint8 arrays in the order of the published files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainers.datasets.content import file_contradiction
from trainers.datasets.idx import read_idx
from trainers.datasets.image_errors import as_data_errors
from trainers.datasets.registry import absent_paths, dataset_for, missing_line, readers_of
from trainers.datasets.spec import DataFile, DatasetSpec
from trainers.errors import CorruptData, DataError, MissingData

SplitName = Literal["train", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One split of a dataset.

    Attributes:
        images: (N, H, W, C) uint8.
        labels: Classes, (N,) int64.
        fingerprint: SHA-256 of the pixels, labels and shape.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.labels)


def load_split(name: str, split: SplitName, data_root: str | Path) -> Split:
    """Read and check one split of a dataset.

    Args:
        name: Key of `DATASETS`, or a dataset installed under the entry point group.
        split: "train" or "test".
        data_root: Folder of datasets in torchvision's layouts; plays no part for digits.

    Raises:
        UnknownName: If nobody knows the dataset.
        MissingData: If its files are not there; names the command that gets them.
        CorruptData: If a file is not the published one, or the classes do not fit; names the file.
    """
    spec = dataset_for(name)
    files = tuple(file for file in spec.files if file.split in (split, "both"))
    absent = absent_paths(spec, data_root, split)
    if absent:
        raise MissingData(missing_line(spec, data_root, absent))
    for file in files:
        _verify(spec, file, Path(data_root))
    images, labels = _read(spec, split, Path(data_root))
    _check_arrays(spec, split, images, labels)
    return Split(images=images, labels=labels, fingerprint=fingerprint(images, labels))


def fingerprint(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> str:
    """Return the SHA-256 of images, labels and shape."""
    digest = hashlib.sha256(repr(images.shape).encode())
    digest.update(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(labels, dtype="<i8").data)
    return digest.hexdigest()


def _read(spec: DatasetSpec, split: SplitName, root: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    if spec.layout == "digits":
        from trainers.datasets.digits import read_digits

        return read_digits(split)
    if spec.layout == "idx":
        images, labels = (read_idx(root / file.path) for file in spec.files if file.split == split)
        return images[..., None], labels.astype(np.int64)
    if spec.layout == "folders":
        raise DataError(
            f"dataset {spec.name!r} lies in folders of images, which are decoded into a cache; it is read through "
            "trainers.datasets.shared.shared_split"
        )
    if spec.layout == "entry-point":
        (entry,) = readers_of(spec.name)
        read = entry.load()(split, root)
        return np.asarray(read[0]), np.asarray(read[1], dtype=np.int64)
    return _read_by_torchvision(spec, split, root)


def _read_by_torchvision(
    spec: DatasetSpec, split: SplitName, root: Path
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from torchvision import datasets

    dataset_class = getattr(datasets, spec.torchvision)
    if spec.layout == "svhn":
        read = dataset_class(root, split=split)
        return np.ascontiguousarray(read.data.transpose(0, 2, 3, 1)), np.asarray(read.labels, dtype=np.int64)
    read = dataset_class(root, train=split == "train")
    return np.ascontiguousarray(read.data), np.asarray(read.targets, dtype=np.int64)


def _verify(spec: DatasetSpec, file: DataFile, root: Path) -> None:
    with as_data_errors():
        wrong = file_contradiction(spec, file, root)
    if wrong:
        raise CorruptData(wrong)


def _check_arrays(spec: DatasetSpec, split: str, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    wanted = spec.num_train if split == "train" else spec.num_test
    shape = (wanted, spec.image_size, spec.image_size, spec.num_channels)
    if images.shape != shape or images.dtype != np.uint8 or labels.shape != (wanted,):
        raise CorruptData(
            f"the {split} split of {spec.name!r} must be {shape} uint8 with {wanted} labels, "
            f"but is {images.shape} {images.dtype} with {labels.shape[0]}"
        )
    if labels.size and not (labels.min() >= 0 and labels.max() < spec.num_classes):
        raise CorruptData(
            f"labels of {spec.name!r} must be in 0..{spec.num_classes - 1}, but lie in {labels.min()}..{labels.max()}"
        )
