"""Kernels of the learned and random policies: programs of operations, with nearest or bicubic affine maps and a fill value.

A program is one row of codes and operands per image. Codes below 20 are values of `augment.kernels.operations.Operation` with
their argument as the first operand; negative codes do nothing. Affine maps equal Pillow bit for bit: nearest ones are in 16.16
fixed point, or stepped along the axis where the map neither shears nor turns; bicubic ones are in float64.
"""

# mypy: no-check-untyped-defs
# (kernels are typed by Numba)

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel, read_only
from augment.kernels.operations import apply_operation, scratch

SKIP: Final = -1
AFFINE_NEAREST: Final = 20
AFFINE_BICUBIC: Final = 21


@kernel()
def _fixed(value):  # type: ignore[no-untyped-def]
    """Return a number in 16.16 fixed point."""
    return np.int64(np.floor(value * 65536.0 + 0.5))


@kernel()
def _cell(position):  # type: ignore[no-untyped-def]
    """Return the pixel of a position, -1 for negative ones."""
    return np.int64(-1) if position < 0.0 else np.int64(position)


@kernel()
def affine_nearest(source, target, height, width, channels, matrix, fill):  # type: ignore[no-untyped-def]
    """Map every pixel (x, y) of the target to (a x + b y + c, d x + e y + f) of the source and take the nearest one."""
    target[:] = fill
    if matrix[1] == 0.0 and matrix[3] == 0.0:
        _stepped(source, target, height, width, channels, matrix)
        return
    a, b, d, e = _fixed(matrix[0]), _fixed(matrix[1]), _fixed(matrix[3]), _fixed(matrix[4])
    start_x = _fixed(matrix[2] + matrix[0] * 0.5 + matrix[1] * 0.5)
    start_y = _fixed(matrix[5] + matrix[3] * 0.5 + matrix[4] * 0.5)
    for y in range(height):
        at_x, at_y = start_x, start_y
        for x in range(width):
            from_x, from_y = at_x >> 16, at_y >> 16
            if 0 <= from_x < width and 0 <= from_y < height:
                here, there = (y * width + x) * channels, (from_y * width + from_x) * channels
                for channel in range(channels):
                    target[here + channel] = source[there + channel]
            at_x += a
            at_y += d
        start_x += b
        start_y += e


@kernel()
def _stepped(source, target, height, width, channels, matrix):  # type: ignore[no-untyped-def]
    """Map along the axes only; Pillow adds up the steps in float64 there, and so the rounding errors must be its own."""
    columns = np.empty(width, dtype=np.int64)
    at_x = matrix[2] + matrix[0] * 0.5
    for x in range(width):
        columns[x] = _cell(at_x)
        at_x += matrix[0]
    at_y = matrix[5] + matrix[4] * 0.5
    for y in range(height):
        from_y = _cell(at_y)
        at_y += matrix[4]
        if not 0 <= from_y < height:
            continue
        for x in range(width):
            if 0 <= columns[x] < width:
                here, there = (y * width + x) * channels, (from_y * width + columns[x]) * channels
                for channel in range(channels):
                    target[here + channel] = source[there + channel]


@kernel()
def _cubic(v1, v2, v3, v4, fraction):  # type: ignore[no-untyped-def]
    """Return Pillow's cubic (a = -1) of four neighbours, float64, at a fraction in [0, 1) between the middle two."""
    linear = -v1 + v3
    square = 2.0 * (v1 - v2) + v3 - v4
    cube = -v1 + v2 - v3 + v4
    return v2 + fraction * (linear + fraction * (square + fraction * cube))


@kernel()
def _cubic_row(source, start, channels, width, column, fraction):  # type: ignore[no-untyped-def]
    """Return `_cubic` around a column of a row whose values begin at `start` and are `channels` apart; the edge repeats."""
    v1 = np.float64(source[start + min(max(column - 1, 0), width - 1) * channels])
    v2 = np.float64(source[start + min(max(column, 0), width - 1) * channels])
    v3 = np.float64(source[start + min(max(column + 1, 0), width - 1) * channels])
    v4 = np.float64(source[start + min(max(column + 2, 0), width - 1) * channels])
    return _cubic(v1, v2, v3, v4, fraction)


@kernel()
def affine_bicubic(source, target, height, width, channels, matrix, fill):  # type: ignore[no-untyped-def]
    """Map as `affine_nearest` does, but blend 4x4 neighbours by cubics; beyond the edge its pixels are repeated."""
    stride = width * channels
    for y in range(height):
        for x in range(width):
            at_x = matrix[0] * (x + 0.5) + matrix[1] * (y + 0.5) + matrix[2]
            at_y = matrix[3] * (x + 0.5) + matrix[4] * (y + 0.5) + matrix[5]
            here = y * stride + x * channels
            if at_x < 0.0 or at_x >= width or at_y < 0.0 or at_y >= height:
                for channel in range(channels):
                    target[here + channel] = fill
                continue
            column, row = np.int64(np.floor(at_x - 0.5)), np.int64(np.floor(at_y - 0.5))
            dx, dy = at_x - 0.5 - column, at_y - 0.5 - row
            for channel in range(channels):
                v1 = _cubic_row(source, max(row - 1, 0) * stride + channel, channels, width, column, dx)
                v2, v3, v4 = v1, v1, v1
                if row >= 0:
                    v2 = _cubic_row(source, row * stride + channel, channels, width, column, dx)
                v3 = v2
                if row + 1 < height:
                    v3 = _cubic_row(source, (row + 1) * stride + channel, channels, width, column, dx)
                v4 = v3
                if row + 2 < height:
                    v4 = _cubic_row(source, (row + 2) * stride + channel, channels, width, column, dx)
                target[here + channel] = np.uint8(min(max(_cubic(v1, v2, v3, v4, dy), 0.0), 255.0))


@kernel()
def _run(images, codes, operands, fill, out):  # type: ignore[no-untyped-def]
    """Run the program of every image, (N, S) codes and (N, S, 6) operands, from one buffer into the other."""
    count, height, width, channels = images.shape
    centres, padded = scratch(height, width, channels)
    buffer = np.empty(height * width * channels, dtype=np.uint8)
    for index in range(count):
        source, current = images[index].reshape(-1), out[index].reshape(-1)
        for value in range(source.size):
            current[value] = source[value]
        for step in range(codes.shape[1]):
            code = codes[index, step]
            if code < 0:
                continue
            if code == AFFINE_NEAREST:
                affine_nearest(current, buffer, height, width, channels, operands[index, step], fill)
            elif code == AFFINE_BICUBIC:
                affine_bicubic(current, buffer, height, width, channels, operands[index, step], fill)
            else:
                apply_operation(
                    code, operands[index, step, 0], current, buffer, height, width, channels, centres, padded
                )
            for value in range(buffer.size):
                current[value] = buffer[value]


def run_programs(
    images: NDArray[np.uint8], codes: NDArray[np.int64], operands: NDArray[np.float64], *, fill: int
) -> NDArray[np.uint8]:
    """Run one program of operations on each image.

    Args:
        images: (N, H, W, C) uint8, C in (1, 3); not written to.
        codes: Operations in order, (N, S) int64; negative ones are skipped.
        operands: The argument, or the six coefficients of an affine map, (N, S, 6) float64.
        fill: Value outside the image under affine maps.

    Returns:
        New images, (N, H, W, C) uint8.
    """
    out = np.empty(images.shape, dtype=np.uint8)
    if images.size:
        _run(read_only(images), codes, operands, np.uint8(fill), out)
    return out


def _warm_up() -> None:
    images = np.zeros((1, 2, 2, 1), dtype=np.uint8)
    run_programs(images, np.zeros((1, 1), dtype=np.int64), np.zeros((1, 1, 6)), fill=0)


WARM_UP = (_warm_up,)
