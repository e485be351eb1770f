"""SVHN: street-view house numbers, cropped digits, in MATLAB files that torchvision reads."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from augment.heavy import numpy as np
from augment.heavy import torchvision
from trainers.datasets.contract import Arrays, DataFile, DatasetSpec, SplitName


def _read(split: SplitName, root: Path) -> Arrays:
    found = torchvision.datasets.SVHN(root, split=split)
    return np.ascontiguousarray(found.data.transpose(0, 2, 3, 1)), np.asarray(found.labels, dtype=np.int64)


def _download(root: Path) -> None:
    for split in ("train", "test"):
        torchvision.datasets.SVHN(root, split=split, download=True)


SVHN: Final = DatasetSpec(
    name="svhn",
    title="SVHN",
    image_size=32,
    num_channels=3,
    num_classes=10,
    num_train=73_257,
    num_test=26_032,
    identity="md5:ceb38531ebeff7ad4593d9d733966d26e97b8bfadedf50fd4643687a9cb82a52",
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    read=_read,
    download=_download,
    source="Netzer et al. 2011: Reading Digits in Natural Images with Unsupervised Feature Learning",
    files=(
        DataFile(path="train_32x32.mat", split="train", md5="e26dedcc434d2e4c54c9b2d4a06d8373"),
        DataFile(path="test_32x32.mat", split="test", md5="eb5a983be6a315427106f1b164d9cef3"),
    ),
)
