"""Crop and flip of training images: the loader's own part, before any treatment.

The published CIFAR order: horizontal flip with probability 1/2, then a random crop of the zero-padded image.
"""

# mypy: no-check-untyped-defs
# (kernels are typed by Numba)

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel, read_only
from augment.kernels.counters import SampleKeys, uniforms

BLOCK: Final = 32
"""Pixels that are mirrored at once."""


def gather_crop_flip(
    dataset: NDArray[np.uint8],
    rows: NDArray[np.int64],
    keys: SampleKeys,
    *,
    padding: int,
    flip: bool,
    stream: str = "crop-flip",
) -> NDArray[np.uint8]:
    """Take rows of a dataset, flip them with probability 1/2, pad them with black, and crop them back at random, in one pass.

    Args:
        dataset: (M, H, W, C) uint8, may be memory-mapped; not written to.
        rows: Rows to take, (N,) int64 in [0, M).
        keys: Identity of each taken image, N of them.
        padding: Black pixels on each side before the crop; 0 for no crop.
        flip: Whether images are flipped at all.
        stream: Name of the random stream.

    Returns:
        New images, (N, H, W, C) uint8.

    Raises:
        ValueError: If the padding is negative, the numbers of rows and keys differ, or a row is outside the dataset.
    """
    if padding < 0:
        raise ValueError(f"padding must be 0 or more pixels, but got {padding}")
    if len(rows) != len(keys):
        raise ValueError(f"every image needs a key, but got {len(rows)} images and {len(keys)} keys")
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(dataset):
        raise ValueError(f"rows must be in [0, {len(dataset)}), but got {rows.min()}..{rows.max()}")
    draws = uniforms(keys, 3, stream=stream)
    shift = (draws[:, :2] * (2 * padding + 1)).astype(np.int64) - padding
    out = np.empty((len(rows), *dataset.shape[1:]), dtype=np.uint8)
    if out.size:
        _gather_crop_flip(read_only(dataset), rows, shift, flip & (draws[:, 2] < 0.5), out)
    return out


# Places are unsigned (no wrap-around to check) and images are flat arrays with an offset (a view costs a counted reference).
# `source` and `target` are such arrays of uint8, `first` and `begin` the places where an image begins in them; height and width
# are in pixels.


@kernel()
def _gather_crop_flip(dataset, rows, shift, flipped, out):  # type: ignore[no-untyped-def]
    """Take, flip and shift rows of a dataset.

    Args:
        dataset: (M, H, W, C) uint8, contiguous.
        rows: (N,) int64 in [0, M).
        shift: Pixels down and to the right that each image is read from, (N, 2) int64.
        flipped: Which images are mirrored, (N,) bool.
        out: Written, (N, H, W, C) uint8.
    """
    height, width, channels = dataset.shape[1:]
    size = height * width * channels
    source, target = dataset.reshape(-1), out.reshape(-1)
    mirrored = np.empty(size, dtype=np.uint8)
    for index in range(rows.shape[0]):
        first, begin, down, right = rows[index] * size, index * size, shift[index, 0], shift[index, 1]
        if flipped[index]:
            if channels == 3:
                _mirror_rgb(source, first, mirrored, height, width)
            else:
                _mirror(source, first, mirrored, height, width, channels)
            _shift(mirrored, 0, target, begin, height, width, channels, down, right)
        else:
            _shift(source, first, target, begin, height, width, channels, down, right)


@kernel()
def _blacken(target, begin, end):  # type: ignore[no-untyped-def]
    """Write zeros to the places begin..end - 1."""
    for index in range(np.uint64(begin), np.uint64(end)):
        target[index] = 0


@kernel()
def _shift(source, first, target, begin, height, width, channels, down, right):  # type: ignore[no-untyped-def]
    """Read from `down` rows below and `right` columns to the right: one flat copy, then black over what wrapped around."""
    stride, margin = width * channels, abs(right) * channels
    top, bottom = max(0, -down), min(height, height - down)
    if margin >= stride or top >= bottom:
        _blacken(target, begin, begin + height * stride)
        return
    _blacken(target, begin, begin + top * stride)
    _blacken(target, begin + bottom * stride, begin + height * stride)
    here = np.uint64(begin + top * stride + max(0, -right) * channels)
    there = np.uint64(first + (top + down) * stride + max(0, right) * channels)
    for index in range(np.uint64((bottom - top) * stride - margin)):
        target[here + index] = source[there + index]
    if stride % 8 == 0 and target.size % 8 == 0:
        _blacken_edge(target.view(np.uint64), (begin + top * stride) // 8, stride // 8, bottom - top, margin, right > 0)
        return
    edge = begin + top * stride + (0 if right < 0 else stride - margin)
    for byte in range(np.uint64(edge), np.uint64(edge + margin)):
        for row in range(np.uint64(bottom - top)):
            target[byte + row * np.uint64(stride)] = 0


@kernel()
def _blacken_edge(words, first, stride, rows, margin, is_right):  # type: ignore[no-untyped-def]
    """Clear the first or last `margin` bytes of each row: few bytes cost less by masks than by filling.

    Args:
        words: The target as uint64; the mask's order of bytes is that of little-endian processors.
        first: Word of the first row.
        stride: Words per row; `rows` is the number of rows.
        margin: Bytes to clear per row.
        is_right: Whether at the end of the row.
    """
    ones = np.uint64(0xFFFFFFFFFFFFFFFF)
    for word in range((margin + 7) // 8):
        bits = np.uint64(8 * min(8, margin - 8 * word))
        mask = np.uint64(0) if bits == 64 else (ones >> bits if is_right else ones << bits)
        at = first + (stride - 1 - word if is_right else word)
        for row in range(np.uint64(rows)):
            words[np.uint64(at) + row * np.uint64(stride)] &= mask


@kernel()
def _mirror(source, first, target, height, width, channels):  # type: ignore[no-untyped-def]
    """Reverse the pixels of every row."""
    stride = width * channels
    for row in range(height):
        for x in range(width):
            here, there = row * stride + x * channels, first + row * stride + (width - 1 - x) * channels
            for channel in range(channels):
                target[np.uint64(here + channel)] = source[np.uint64(there + channel)]


@kernel()
def _mirror_rgb(source, first, target, height, width):  # type: ignore[no-untyped-def]
    """Reverse rows of RGB pixels; blocks of a constant number of pixels let the compiler turn them into shuffles."""
    stride, num_blocks = width * 3, width // BLOCK
    for row in range(height):
        for block in range(num_blocks):
            begin = row * stride + block * 3 * BLOCK
            end = first + (row + 1) * stride - block * 3 * BLOCK
            line, origin = target[begin : begin + 3 * BLOCK], source[end - 3 * BLOCK : end]
            for x in range(np.uint64(BLOCK)):
                here = np.uint64(3) * x
                there = np.uint64(3 * (BLOCK - 1)) - here
                line[here] = origin[there]
                line[here + np.uint64(1)] = origin[there + np.uint64(1)]
                line[here + np.uint64(2)] = origin[there + np.uint64(2)]
        for x in range(num_blocks * BLOCK, width):
            for channel in range(3):
                place = first + row * stride + (width - 1 - x) * 3 + channel
                target[np.uint64(row * stride + x * 3 + channel)] = source[np.uint64(place)]


def _warm_up() -> None:
    keys = SampleKeys(0, 0, np.zeros(1, dtype=np.int64))
    images = np.zeros((1, 2, 2, 1), dtype=np.uint8)
    gather_crop_flip(images, np.zeros(1, dtype=np.int64), keys, padding=1, flip=True)


WARM_UP = (_warm_up,)
