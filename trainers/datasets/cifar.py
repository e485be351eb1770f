"""CIFAR-10 and CIFAR-100 in their published batches, which torchvision reads."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from augment.heavy import numpy as np
from augment.heavy import torchvision
from trainers.datasets.contract import Arrays, DataFile, DatasetSpec, SplitName


def _read(name: str, split: SplitName, root: Path) -> Arrays:
    found = getattr(torchvision.datasets, name)(root, train=split == "train")
    return np.ascontiguousarray(found.data), np.asarray(found.targets, dtype=np.int64)


def _download(name: str, root: Path) -> None:
    getattr(torchvision.datasets, name)(root, download=True)


def _dataset(
    name: str, title: str, *, kind: str, num_classes: int, identity: str, files: tuple[DataFile, ...]
) -> DatasetSpec:
    """Return one of the two; `kind` is its class in torchvision."""
    return DatasetSpec(
        name=name,
        title=title,
        image_size=32,
        num_channels=3,
        num_classes=num_classes,
        num_train=50_000,
        num_test=10_000,
        identity=identity,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        source="Krizhevsky 2009: Learning Multiple Layers of Features from Tiny Images",
        read=partial(_read, kind),
        download=partial(_download, kind),
        files=files,
    )


CIFAR_10: Final = _dataset(
    "cifar-10",
    "CIFAR-10",
    kind="CIFAR10",
    num_classes=10,
    identity="md5:d8ae88150aa4e61d545420901487eaa9444a4e420e00dd34c63dd249a0cee83b",
    files=(
        DataFile(path="cifar-10-batches-py/data_batch_1", split="train", md5="c99cafc152244af753f735de768cd75f"),
        DataFile(path="cifar-10-batches-py/data_batch_2", split="train", md5="d4bba439e000b95fd0a9bffe97cbabec"),
        DataFile(path="cifar-10-batches-py/data_batch_3", split="train", md5="54ebc095f3ab1f0389bbae665268c751"),
        DataFile(path="cifar-10-batches-py/data_batch_4", split="train", md5="634d18415352ddfa80567beed471001a"),
        DataFile(path="cifar-10-batches-py/data_batch_5", split="train", md5="482c414d41f54cd18b22e5b47cb7c3cb"),
        DataFile(path="cifar-10-batches-py/test_batch", split="test", md5="40351d587109b95175f43aff81a1287e"),
        DataFile(path="cifar-10-batches-py/batches.meta", split="both", md5="5ff9c542aee3614f3951f8cda6e48888"),
    ),
)

CIFAR_100: Final = _dataset(
    "cifar-100",
    "CIFAR-100",
    kind="CIFAR100",
    num_classes=100,
    identity="md5:6a652a46873d7e84a72119f1ec63c53225d99d6cf49f9ee7e91cbab6dec80392",
    files=(
        DataFile(path="cifar-100-python/train", split="train", md5="16019d7e3df5f24257cddd939b257f8d"),
        DataFile(path="cifar-100-python/test", split="test", md5="f0ef6b0ae62326f3e7ffdfab6717acfc"),
        DataFile(path="cifar-100-python/meta", split="both", md5="7973b15100ade9c7d40fb424638fde48"),
    ),
)
