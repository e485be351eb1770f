"""The handwritten digits that ship inside scikit-learn, as 32 px grey images with a fixed split.

The file lists the 8x8 images (0..16 per pixel) writer by writer. Within each class, in the order of the file, the last
fifth (rounded down) is the test split: stratified, and mostly of writers that are not in the training split.

The images are resized to 32x32 bilinearly with pixel centres at half-integers and scaled to 0..255, all in whole numbers,
so that the bytes are the same on every machine.
"""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path
from typing import Final

from augment.heavy import NDArray
from augment.heavy import numpy as np
from trainers.datasets.contract import Arrays, DatasetSpec, SplitName
from trainers.errors import MissingData

SCALE: Final = 4


def enlarge(images: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Resize (N, 8, 8) values in 0..16 to (N, 32, 32) in 0..255."""
    weights = _weights(images.shape[1])
    sums = weights @ images @ weights.T
    denominator = 16 * (2 * SCALE) ** 2
    enlarged: NDArray[np.uint8] = ((sums * 255 + denominator // 2) // denominator).astype(np.uint8)
    return enlarged


def _weights(size: int) -> NDArray[np.int64]:
    """Return the bilinear weights of each output pixel, (SCALE * size, size), in units of 1 / (2 * SCALE)."""
    unit = 2 * SCALE
    position = 2 * np.arange(SCALE * size) + 1 - SCALE  # of the output's centre, from the first input centre, in units
    left, share = np.divmod(position, unit)
    weights = np.zeros((SCALE * size, size), dtype=np.int64)
    rows = np.arange(SCALE * size)
    np.add.at(weights, (rows, np.clip(left, 0, size - 1)), unit - share)
    np.add.at(weights, (rows, np.clip(left + 1, 0, size - 1)), share)
    return weights


def _is_test(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    is_test = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        is_test[members[len(members) - len(members) // 5 :]] = True
    return is_test


def _table() -> NDArray[np.int64]:
    """Read scikit-learn's file without importing scikit-learn, which takes seconds."""
    spec = importlib.util.find_spec("sklearn")
    path = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise MissingData(
            f"the digits ship inside scikit-learn, but {path or 'it'} is missing; install scikit-learn again"
        )
    with gzip.open(path, "rt") as handle:
        return np.loadtxt(handle, delimiter=",", dtype=np.int64)


def read_digits(split: SplitName, root: Path | None = None) -> Arrays:
    """Return the images, (N, 32, 32, 1) uint8, and classes, (N,) int64, of a split."""
    table = _table()
    labels = table[:, 64]
    chosen = _is_test(labels) == (split == "test")
    images = table[chosen, :64].reshape(-1, 8, 8)
    return enlarge(images)[..., None], labels[chosen]


DIGITS: Final = DatasetSpec(
    name="digits",
    title="Digits",
    image_size=32,
    num_channels=1,
    num_classes=10,
    num_train=1442,
    num_test=355,
    identity="sha256:46e722fd18cf092bce1b5c814e0e613e7b8696161cc04247a24091adcd844409",
    mean=(0.5,),
    std=(0.5,),
    read=read_digits,
    source="handwritten digits that ship inside scikit-learn (UCI, Alpaydin and Kaynak 1998), 8x8 resized to 32x32",
)
