"""PixMix over a whole batch in one compiled pass per image."""

# mypy: no-check-untyped-defs
# (kernels are typed by Numba)

from __future__ import annotations

from typing import Final

import numpy as np

from augment.kernels.compiled import kernel, read_only
from augment.kernels.mixings import ADD, mix_add, mix_add_bytes, mix_multiply, mix_multiply_bytes, to_unit
from augment.kernels.operations import apply_operation, arguments, scratch

PLAIN: Final = -1
"""In place of an operation at the start: the image itself (`apply_operation` copies)."""
MIXING_IMAGE: Final = -2
"""In place of a partner's operation: the mixing image."""


@kernel()
def _crop(mixing_index, top, left, height, width, target):  # type: ignore[no-untyped-def]
    """Copy a window of a flat mixing image into flat bytes."""
    count = width * mixing_index.shape[2]
    for row in range(height):
        line = mixing_index[top + row].reshape(-1)[left * mixing_index.shape[2] : left * mixing_index.shape[2] + count]
        here = target[row * count : (row + 1) * count]
        for index in range(count):
            here[index] = line[index]


@kernel()
def _mix_first(started, other, mixing, a, b, out):  # type: ignore[no-untyped-def]
    """Mix the bytes that the rounds start from: the cheaper form of the first round."""
    if mixing == ADD:
        mix_add_bytes(started, other, a, b, out)
    else:
        mix_multiply_bytes(started, other, a, b, out)


@kernel()
def pixmix_batch(  # type: ignore[no-untyped-def]
    images, mixing_images, mixing_index, top, left, start, start_argument, rounds, partner, argument, mixing, a, b, out
):
    """Mix every image of a batch; the arrays are those of `PixMixDraw`."""
    count, height, width, channels = images.shape
    centres, padded = scratch(height, width, channels)
    started = np.empty(height * width * channels, dtype=np.uint8)
    other = np.empty(height * width * channels, dtype=np.uint8)
    for index in range(count):
        source, current = images[index].reshape(-1), out[index].reshape(-1)
        apply_operation(start[index], start_argument[index], source, started, height, width, channels, centres, padded)
        if rounds[index] == 0:
            to_unit(started, current)
        for step in range(rounds[index]):
            if partner[index, step] == MIXING_IMAGE:
                _crop(mixing_images[mixing_index[index]], top[index], left[index], height, width, other)
            else:
                apply_operation(
                    partner[index, step], argument[index, step], source, other, height, width, channels, centres, padded
                )
            if step == 0:
                _mix_first(started, other, mixing[index, step], a[index, step], b[index, step], current)
            elif mixing[index, step] == ADD:
                mix_add(current, other, a[index, step], b[index, step])
            else:
                mix_multiply(current, other, a[index, step], b[index, step])


@kernel()
def round_to_bytes(images, out):  # type: ignore[no-untyped-def]
    """Write the nearest byte of flat values in [0, 1], (N,) float32, to `out`, (N,) uint8; halves go up."""
    for index in range(images.size):
        out[index] = np.uint8(np.int32(images[index] * np.float32(255.0) + np.float32(0.5)))


def _warm_up() -> None:
    arguments(np.zeros(1, dtype=np.int64), np.ones(1), np.ones(1), 2, 2)
    for channels in (1, 3):
        images = read_only(np.zeros((1, 2, 2, channels), dtype=np.uint8))
        zeros, rows = np.zeros(1, dtype=np.int64), np.zeros((1, 1), dtype=np.int64)
        coefficient = np.ones((1, 1), dtype=np.float32)
        pixmix_batch(
            images, images, zeros, zeros, zeros, zeros, np.zeros(1), zeros, rows, np.zeros((1, 1)), rows,
            coefficient, coefficient, np.zeros((1, 2, 2, channels), dtype=np.float32),
        )  # fmt: skip
    round_to_bytes(np.zeros(4, dtype=np.float32), np.zeros(4, dtype=np.uint8))


WARM_UP = (_warm_up,)
