"""Crop and flip of training pictures: the loader's own part, before any treatment.

The published CIFAR order: horizontal flip with probability 1/2, then a random crop of the zero-padded picture.
"""

# mypy: no-check-untyped-defs
# (kernels are typed by Numba)

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from augment.compiled import kernel, read_only
from augment.counters import SampleKeys, uniforms

if TYPE_CHECKING:
    from numpy.typing import NDArray


def crop_flip(images: NDArray[np.uint8], keys: SampleKeys, *, padding: int, flip: bool) -> NDArray[np.uint8]:
    """Flip pictures with probability 1/2, pad them with black and crop them back to their size at random.

    Args:
        images: (N, H, W, C) uint8; not written to.
        keys: Identity of each picture, N of them.
        padding: Black pixels on each side before the crop; 0 for no crop.
        flip: Whether pictures are flipped at all.

    Returns:
        New pictures, (N, H, W, C) uint8.
    """
    return gather_crop_flip(images, np.arange(len(images), dtype=np.int64), keys, padding=padding, flip=flip)


def gather_crop_flip(
    dataset: NDArray[np.uint8],
    rows: NDArray[np.int64],
    keys: SampleKeys,
    *,
    padding: int,
    flip: bool,
    stream: str = "crop-flip",
) -> NDArray[np.uint8]:
    """Take rows of a dataset and crop and flip them, in one pass: the same result as `crop_flip(dataset[rows], ...)`.

    Args:
        dataset: (M, H, W, C) uint8, may be memory-mapped; not written to.
        rows: Rows to take, (N,) int64 in [0, M).
        keys: Identity of each taken picture, N of them.
        padding: Black pixels on each side before the crop; 0 for no crop.
        flip: Whether pictures are flipped at all.
        stream: Name of the random stream.

    Returns:
        New pictures, (N, H, W, C) uint8.

    Raises:
        ValueError: If the padding is negative, the numbers of rows and keys differ, or a row is outside the dataset.
    """
    if padding < 0:
        raise ValueError(f"padding must be 0 or more pixels, but got {padding}")
    if len(rows) != len(keys):
        raise ValueError(f"every picture needs a key, but got {len(rows)} pictures and {len(keys)} keys")
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(dataset):
        raise ValueError(f"rows must be in [0, {len(dataset)}), but got {rows.min()}..{rows.max()}")
    draws = uniforms(keys, 3, stream=stream)
    shift = (draws[:, :2] * (2 * padding + 1)).astype(np.int64) - padding
    out = np.empty((len(rows), *dataset.shape[1:]), dtype=np.uint8)
    if out.size:
        _gather_crop_flip(read_only(dataset), rows, shift, flip & (draws[:, 2] < 0.5), out)
    return out


@kernel()
def _gather_crop_flip(dataset, rows, shift, flipped, out):  # type: ignore[no-untyped-def]
    height, width, channels = dataset.shape[1:]
    for index in range(rows.shape[0]):
        picture, target = dataset[rows[index]].reshape(-1), out[index].reshape(-1)
        down, right = shift[index, 0], shift[index, 1]
        first, last = min(max(0, -right), width), max(min(width, width - right), 0)
        for row in range(height):
            line = target[row * width * channels : (row + 1) * width * channels]
            if row + down < 0 or row + down >= height or first >= last:
                line[:] = 0
                continue
            line[: first * channels] = 0
            line[last * channels :] = 0
            origin = picture[(row + down) * width * channels : (row + down + 1) * width * channels]
            if flipped[index]:
                _copy_reversed(origin, line, width, channels, right, first, last)
            else:
                line[first * channels : last * channels] = origin[
                    (first + right) * channels : (last + right) * channels
                ]


@kernel()
def _copy_reversed(origin, line, width, channels, right, first, last):  # type: ignore[no-untyped-def]
    if channels == 3:
        for x in range(first, last):
            here, there = np.uint64(3 * x), np.uint64(3 * (width - 1 - (x + right)))
            line[here] = origin[there]
            line[here + np.uint64(1)] = origin[there + np.uint64(1)]
            line[here + np.uint64(2)] = origin[there + np.uint64(2)]
        return
    for x in range(first, last):
        for channel in range(channels):
            line[x * channels + channel] = origin[(width - 1 - (x + right)) * channels + channel]


def _warm_up() -> None:
    keys = SampleKeys(0, 0, np.zeros(1, dtype=np.int64))
    crop_flip(np.zeros((1, 2, 2, 1), dtype=np.uint8), keys, padding=1, flip=True)


WARM_UP = (_warm_up,)
