"""Translations, shears and rotations of uint8 images, bilinear, equal to Pillow bit for bit.

Every kernel reads `source` and writes all of `target`: flat images of height * width * channels bytes, (H * W * C,) uint8, in the
order height, width, channel; height, width and channels are whole numbers, channels 1 (grey) or 3 (RGB). Pillow samples at pixel
centres, in float64, truncates, and leaves black what is outside. Sums are therefore written in Pillow's order, brackets included:
(0.5 + offset) - 0.5 is not offset in float64.

Rows of a shear share one shift, so a shear is a linear blend of neighbours at a constant offset; a rotation gathers whole
pixels packed into 32 bits from an image with a repeated edge, without branches.
"""

# mypy: no-check-untyped-defs
# (kernels are typed by Numba)

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel


def _rotation_table() -> NDArray[np.float64]:
    """Return cosine and sine of -d degrees for d in 0..359, rounded to 15 digits as Pillow does, (360, 2)."""
    angles = [-math.radians(float(degrees)) for degrees in range(360)]
    return np.array([[round(math.cos(angle), 15), round(math.sin(angle), 15)] for angle in angles])


ROTATIONS: Final = _rotation_table()
RISKY: Final = 1e-9
"""Fractions of a shift closer than this to a whole number may round to either side along a row: such rows go pixel by pixel."""


@kernel()
def translate(source, target, height, width, channels, shift_x, shift_y):  # type: ignore[no-untyped-def]
    """Move content left by `shift_x` and up by `shift_y` whole pixels (negative: right, down), black where nothing comes from."""
    stride = width * channels
    first, last = max(0, -shift_x) * channels, min(width, width - shift_x) * channels
    for row in range(height):
        line = target[row * stride : (row + 1) * stride]
        origin = row + shift_y
        if origin < 0 or origin >= height or last <= first:
            for index in range(stride):
                line[index] = 0
            continue
        start = origin * stride + shift_x * channels
        middle, moved = line[first:last], source[start + first : start + last]
        for index in range(first):
            line[index] = 0
        for index in range(middle.size):
            middle[index] = moved[index]
        for index in range(last, stride):
            line[index] = 0


@kernel()
def _between(lower, upper, fraction):  # type: ignore[no-untyped-def]
    """Return the blend of two uint8 values, truncated to uint8; the fraction is float64 in [0, 1]."""
    low = np.float64(lower)
    return np.uint8(low + (np.float64(upper) - low) * fraction)


@kernel()
def _sample_along(source, start, stride, length, position):  # type: ignore[no-untyped-def]
    """Return the linear blend, uint8, at a position in pixels (centres at .5) of `length` values, `stride` apart from `start`."""
    if position < 0.0 or position >= length:
        return np.uint8(0)
    position -= 0.5
    base = np.int64(np.floor(position))
    lower = source[start + min(max(base, 0), length - 1) * stride]
    upper = source[start + min(max(base + 1, 0), length - 1) * stride]
    return _between(lower, upper, position - base)


@kernel()
def shear_x(source, target, height, width, channels, level, centres):  # type: ignore[no-untyped-def]
    """Shear along x about the top left corner: row y reads from x + level * (y + 0.5).

    Args:
        source: As for all kernels here, like target, height, width and channels.
        level: Pixels per pixel, float64.
        centres: x coordinate of the centre of every flat value of a row, in pixels, (W * C,) float64.
    """
    stride = width * channels
    for row in range(height):
        offset = level * (row + 0.5)
        shift = np.int64(np.floor((0.5 + offset) - 0.5))
        fraction = ((0.5 + offset) - 0.5) - shift
        left, right = max(0, -shift), min(width, width - 1 - shift)
        if fraction < RISKY or fraction > 1.0 - RISKY or right <= left:
            left, right = 0, 0  # rounding may differ along the row, so there is no part with one shift
        line = target[row * stride : (row + 1) * stride]
        for x in range(left):
            for channel in range(channels):
                line[x * channels + channel] = _sample_along(
                    source, row * stride + channel, channels, width, (x + 0.5) + offset
                )
        count = (right - left) * channels
        start = row * stride + (left + shift) * channels
        lower, upper = source[start : start + count], source[start + channels : start + channels + count]
        middle, where = line[left * channels : right * channels], centres[left * channels : right * channels]
        for index in range(count):
            fraction = ((where[index] + offset) - 0.5) - ((where[index] - 0.5) + shift)
            low = np.float64(lower[index])
            middle[index] = np.uint8(low + (np.float64(upper[index]) - low) * fraction)
        for x in range(right, width):
            for channel in range(channels):
                line[x * channels + channel] = _sample_along(
                    source, row * stride + channel, channels, width, (x + 0.5) + offset
                )


@kernel()
def shear_y(source, target, height, width, channels, level):  # type: ignore[no-untyped-def]
    """Shear along y about the top left corner: column x reads from y + level * (x + 0.5); level as for `shear_x`."""
    stride = width * channels
    offsets = np.empty(stride, dtype=np.float64)
    for index in range(stride):
        offsets[index] = level * (index // channels + 0.5)
    first = 0
    while first < width:
        shift, risky = _column_shift(offsets[first * channels])
        last = first + 1
        while last < width and not risky:
            next_shift, next_risky = _column_shift(offsets[last * channels])
            if next_shift != shift or next_risky:
                break
            last += 1
        _shear_columns(source, target, height, width, channels, offsets, first, last, shift, risky)
        first = last


@kernel()
def _column_shift(offset):  # type: ignore[no-untyped-def]
    """Return the whole-pixel shift of a column for its float64 offset in pixels, and whether its rounding may differ by row."""
    shift = np.int64(np.floor((0.5 + offset) - 0.5))
    fraction = ((0.5 + offset) - 0.5) - shift
    return shift, fraction < RISKY or fraction > 1.0 - RISKY


@kernel()
def _shear_columns(  # type: ignore[no-untyped-def]
    source, target, height, width, channels, offsets, first, last, shift, risky
):
    """Shear the columns first..last - 1, which share a whole-pixel shift.

    Args:
        source: As for all kernels here, like target, height, width and channels.
        offsets: Offset of every flat value of a row, in pixels, (W * C,) float64.
        first: First column.
        last: Column after the last.
        shift: Rows down that they read from.
        risky: Whether rounding may differ by row, so that each value is sampled by itself.
    """
    stride, count = width * channels, (last - first) * channels
    delta = offsets[first * channels : last * channels]
    for row in range(height):
        line = target[row * stride + first * channels : row * stride + last * channels]
        origin, centre = row + shift, row + 0.5
        if risky or origin < 0 or origin + 1 >= height:
            for index in range(count):
                line[index] = _sample_along(source, first * channels + index, stride, height, delta[index] + centre)
            continue
        start = origin * stride + first * channels
        lower, upper = source[start : start + count], source[start + stride : start + stride + count]
        for index in range(count):
            fraction = ((delta[index] + centre) - 0.5) - origin
            low = np.float64(lower[index])
            line[index] = np.uint8(low + (np.float64(upper[index]) - low) * fraction)


@kernel()
def rotate(source, target, height, width, channels, degrees, padded):  # type: ignore[no-untyped-def]
    """Rotate counter-clockwise about the centre.

    Args:
        source: As for all kernels here, like target, height, width and channels.
        degrees: Whole number, any sign.
        padded: Scratch for the packed image with a repeated edge, ((H + 2) * (W + 2),) uint32.
    """
    turn = degrees % 360
    if turn == 0:
        target[:] = source
        return
    if turn == 180 or (turn in (90, 270) and height == width):
        _quarter_turns(source, target, height, width, channels, turn)
        return
    _pack(source, padded, height, width, channels)
    cosine, sine = ROTATIONS[turn, 0], ROTATIONS[turn, 1]
    centre_x, centre_y = width / 2, height / 2
    origin_x = (cosine * -centre_x + sine * -centre_y) + centre_x
    origin_y = (-sine * -centre_x + cosine * -centre_y) + centre_y
    where, corners = np.empty(width, dtype=np.int32), np.empty((4, width), dtype=np.uint32)
    across, down, inside = np.empty(width), np.empty(width), np.empty(width, dtype=np.uint32)
    for row in range(height):
        _locate(width, height, cosine, sine, row + 0.5, origin_x, origin_y, where, across, down, inside)
        _gather(padded, where, 0, corners[0])
        _gather(padded, where, 1, corners[1])
        _gather(padded, where, width + 2, corners[2])
        _gather(padded, where, width + 3, corners[3])
        line = target[row * width * channels : (row + 1) * width * channels]
        if channels == 1:
            _blend_grey(corners[0], corners[1], corners[2], corners[3], across, down, inside, line)
        else:
            _blend_rgb(corners[0], corners[1], corners[2], corners[3], across, down, inside, line)


@kernel()
def _quarter_turns(source, target, height, width, channels, turn):  # type: ignore[no-untyped-def]
    """Rotate by 90, 180 or 270 degrees, which Pillow does exactly."""
    for y in range(height):
        for x in range(width):
            from_y, from_x = height - 1 - y, width - 1 - x
            if turn == 90:
                from_y, from_x = x, width - 1 - y
            elif turn == 270:
                from_y, from_x = height - 1 - x, y
            for channel in range(channels):
                target[(y * width + x) * channels + channel] = source[(from_y * width + from_x) * channels + channel]


@kernel()
def _pack(source, padded, height, width, channels):  # type: ignore[no-untyped-def]
    """Pack each pixel into 32 bits (red lowest) of `padded`, and repeat the edge by one pixel on each side; see `rotate`."""
    side = width + 2
    for y in range(height):
        line = padded[(y + 1) * side : (y + 2) * side]
        row = source[y * width * channels : (y + 1) * width * channels]
        if channels == 1:
            for x in range(width):
                line[x + 1] = np.uint32(row[x])
        else:
            for x in range(width):
                line[x + 1] = (
                    np.uint32(row[3 * x]) | (np.uint32(row[3 * x + 1]) << 8) | (np.uint32(row[3 * x + 2]) << 16)
                )
        line[0], line[width + 1] = line[1], line[width]
    padded[:side] = padded[side : 2 * side]
    padded[(height + 1) * side : (height + 2) * side] = padded[height * side : (height + 1) * side]


@kernel()
def _locate(  # type: ignore[no-untyped-def]
    width, height, cosine, sine, centre, origin_x, origin_y, where, across, down, inside
):
    """Find, for each pixel of a target row, its upper left neighbour in the padded source, the fractions, and what is outside.

    Args:
        width: Of the image in pixels, like height.
        cosine: Of the turn, float64, like sine.
        centre: y coordinate of the row's pixel centres.
        origin_x: Source coordinate of the target's corner in pixels, float64, like origin_y.
        where: Written: index of the neighbour in the padded image, (W,) int32.
        across: Written: fraction to the right neighbour, (W,) float64; `down` to the lower one.
        inside: Written: all bits for pixels whose source is inside the image, else 0, (W,) uint32: a mask needs no branch.
    """
    step_x, step_y, side = sine * centre, cosine * centre, width + 2
    for x in range(width):
        at_x = (cosine * (x + 0.5) + step_x) + origin_x
        at_y = (-sine * (x + 0.5) + step_y) + origin_y
        is_inside = (at_x >= 0.0) & (at_x < width) & (at_y >= 0.0) & (at_y < height)
        at_x -= 0.5
        at_y -= 0.5
        floor_x, floor_y = np.floor(at_x), np.floor(at_y)
        across[x], down[x] = at_x - floor_x, at_y - floor_y
        column = np.int32(min(max(floor_x, -1.0), width - 1.0))
        row = np.int32(min(max(floor_y, -1.0), height - 1.0))
        where[x] = np.int32((row + 1) * side + column + 1)
        inside[x] = np.uint32(0xFFFFFFFF) if is_inside else np.uint32(0)


@kernel()
def _gather(padded, where, offset, corner):  # type: ignore[no-untyped-def]
    """Write to `corner`, (W,) uint32, the padded pixels at `where` + `offset`."""
    for x in range(where.size):
        corner[x] = padded[np.uint32(where[x] + offset)]


@kernel(inline="always")
def _blend4(p00, p01, p10, p11, shift, dx, dy):  # type: ignore[no-untyped-def]
    """Return the bilinear blend, int32, of the byte at bit `shift` of four packed pixels: the upper two, then the lower two."""
    v00 = np.float64(np.int32((p00 >> np.uint32(shift)) & np.uint32(255)))
    v01 = np.float64(np.int32((p01 >> np.uint32(shift)) & np.uint32(255)))
    v10 = np.float64(np.int32((p10 >> np.uint32(shift)) & np.uint32(255)))
    v11 = np.float64(np.int32((p11 >> np.uint32(shift)) & np.uint32(255)))
    top = v00 + (v01 - v00) * dx
    bottom = v10 + (v11 - v10) * dx
    return np.int32(top + (bottom - top) * dy)


@kernel()
def _blend_rgb(c00, c01, c10, c11, across, down, inside, line):  # type: ignore[no-untyped-def]
    """Write a target row, (W * 3,) uint8, from its gathered corners, each (W,) uint32, and what `_locate` found."""
    for x in range(across.size):
        p00, p01, p10, p11 = c00[x], c01[x], c10[x], c11[x]
        keep = np.int32(inside[x])
        line[3 * x] = np.uint8(_blend4(p00, p01, p10, p11, 0, across[x], down[x]) & keep)
        line[3 * x + 1] = np.uint8(_blend4(p00, p01, p10, p11, 8, across[x], down[x]) & keep)
        line[3 * x + 2] = np.uint8(_blend4(p00, p01, p10, p11, 16, across[x], down[x]) & keep)


@kernel()
def _blend_grey(c00, c01, c10, c11, across, down, inside, line):  # type: ignore[no-untyped-def]
    """Write a target row, (W,) uint8, as `_blend_rgb` does."""
    for x in range(across.size):
        grey = _blend4(c00[x], c01[x], c10[x], c11[x], 0, across[x], down[x])
        line[x] = np.uint8(grey & np.int32(inside[x]))
