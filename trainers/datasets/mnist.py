"""MNIST, Fashion-MNIST and KMNIST, and their idx format: a magic number, big-endian sizes, unsigned bytes."""

from __future__ import annotations

import math
import struct
from functools import partial
from pathlib import Path
from typing import Final

from augment.heavy import NDArray, torchvision
from augment.heavy import numpy as np
from trainers.datasets.contract import Arrays, DataFile, DatasetSpec, SplitName
from trainers.errors import CorruptData

_MOST_DIMS: Final = 4
_NAMES: Final[tuple[tuple[str, SplitName], ...]] = (
    ("train-images-idx3-ubyte", "train"),
    ("train-labels-idx1-ubyte", "train"),
    ("t10k-images-idx3-ubyte", "test"),
    ("t10k-labels-idx1-ubyte", "test"),
)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array of an idx file of unsigned bytes."""
    data = path.read_bytes()
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise CorruptData(
            f"{path} must begin with the magic number of an idx file of bytes, but begins with {data[:4]!r}"
        )
    num_dims = data[3]
    start = 4 + 4 * num_dims
    if len(data) < start:
        raise CorruptData(f"{path} must have a header of {start} bytes, but has {len(data)}; download it again")
    shape = struct.unpack(f">{num_dims}I", data[4:start])
    # Not by NumPy, whose products wrap around at 64 bits; it has no arrays of more than 64 dimensions either.
    if not 1 <= num_dims <= _MOST_DIMS or len(data) - start != math.prod(shape):
        raise CorruptData(
            f"{path} must contain {shape} bytes after its header, but contains {len(data) - start}; download it again"
        )
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape).copy()


def _read(folder: str, split: SplitName, root: Path) -> Arrays:
    images, labels = (read_idx(root / folder / "raw" / name) for name, of in _NAMES if of == split)
    return images[..., None], labels.astype(np.int64)


def _download(name: str, root: Path) -> None:
    getattr(torchvision.datasets, name)(root, download=True)


def _dataset(
    name: str,
    title: str,
    *,
    folder: str,
    identity: str,
    source: str,
    sha256: tuple[str, ...] = ("",) * 4,
    packed_md5: tuple[str, ...] = ("",) * 4,
    unstated: str = "",
) -> DatasetSpec:
    """Return one of the three; checksums in the order of `_NAMES`, of the files or of the packed ones that are published."""
    return DatasetSpec(
        name=name,
        title=title,
        image_size=28,
        num_channels=1,
        num_classes=10,
        num_train=60_000,
        num_test=10_000,
        identity=identity,
        mean=(0.5,),
        std=(0.5,),
        source=source,
        unstated=unstated,
        read=partial(_read, folder),
        download=partial(_download, folder),
        files=tuple(
            DataFile(path=f"{folder}/raw/{file}", split=split, packed_md5=md5, sha256=sha)
            for (file, split), md5, sha in zip(_NAMES, packed_md5, sha256, strict=True)
        ),
    )


MNIST: Final = _dataset(
    "mnist",
    "MNIST",
    folder="MNIST",
    identity="sha256:09d9c50106a93c14b1c99b45352fb39f965a05109c94a632c226bc377bfa50e7",
    source="LeCun, Cortes, Burges: The MNIST database of handwritten digits",
    unstated="every part of the MNIST report's recipe",
    sha256=(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)

FASHION_MNIST: Final = _dataset(
    "fashion-mnist",
    "Fashion-MNIST",
    folder="FashionMNIST",
    identity="sha256:daf9de4cf12669ecda2c289b235db8654ca1a41e08fab265b0fc64c56f960be8",
    source="Xiao, Rasul, Vollgraf 2017: Fashion-MNIST",
    sha256=(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)

KMNIST: Final = _dataset(
    "kmnist",
    "KMNIST",
    folder="KMNIST",
    identity="md5-of-archives:6afdc9e944d934934d59c1b20f8dffb68e4655e666238b573a59685d15afdf04",
    source="Clanuwat et al. 2018: Deep Learning for Classical Japanese Literature",
    packed_md5=(
        "bdb82020997e1d708af4cf47b453dcf7",
        "e144d726b3acfaa3e44228e80efcd344",
        "5c965bf0a639b31b8f53240b1b52f4d7",
        "7320c461ea6c1c855c0b718fb2a4b134",
    ),
)
