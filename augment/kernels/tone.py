"""Operations on the values of uint8 images, pixel by pixel or nearly so, equal to Pillow bit for bit.

Every kernel reads `source` and writes all of `target`: flat images, (H * W * C,) uint8, in the order height, width, channel;
channels are 1 (grey) or 3 (RGB), blend factors float32. Blends are in float32 and truncated, as in Pillow's `Image.blend`; tables
and means are in float64, as in its Python.
"""

# mypy: no-check-untyped-defs
# (kernels are typed by Numba)

from __future__ import annotations

from typing import Final

import numpy as np

from augment.kernels.compiled import kernel

PERIOD: Final = 96
"""Values that ranges are folded by: a multiple of 1 and 3 channels and of the width of vector registers."""


@kernel()
def _look_up(source, target, channels, tables):  # type: ignore[no-untyped-def]
    """Replace every value by its entry in its channel's table, (channels, 256) uint8."""
    if channels == 3:
        red, green, blue = tables[0], tables[1], tables[2]
        for pixel in range(np.uint64(source.size // 3)):
            index = np.uint64(3) * pixel
            target[index] = red[source[index]]
            target[index + np.uint64(1)] = green[source[index + np.uint64(1)]]
            target[index + np.uint64(2)] = blue[source[index + np.uint64(2)]]
        return
    table = tables[0]
    for index in range(source.size):
        target[index] = table[source[index]]


@kernel()
def _fold(source, smallest, largest):  # type: ignore[no-untyped-def]
    """Narrow the ranges by whole periods of the source: smallest and largest value per position, (PERIOD,) uint8, in place."""
    period = smallest.size
    for start in range(0, source.size - period + 1, period):
        part = source[start : start + period]
        for index in range(period):
            smallest[index] = min(smallest[index], part[index])
            largest[index] = max(largest[index], part[index])


@kernel()
def autocontrast(source, target, channels):  # type: ignore[no-untyped-def]
    """Stretch each channel to the full range."""
    tables = np.empty((channels, 256), dtype=np.uint8)
    smallest, largest = np.full(PERIOD, 255, dtype=np.uint8), np.zeros(PERIOD, dtype=np.uint8)
    _fold(source, smallest, largest)
    rest = source.size - source.size % PERIOD
    for channel in range(channels):
        low, high = np.int64(255), np.int64(0)
        for index in range(channel, PERIOD, channels):
            low, high = min(low, np.int64(smallest[index])), max(high, np.int64(largest[index]))
        for index in range(rest + channel, source.size, channels):
            low, high = min(low, np.int64(source[index])), max(high, np.int64(source[index]))
        table = tables[channel]
        if high <= low:
            for value in range(256):
                table[value] = np.uint8(value)
            continue
        scale = 255.0 / (high - low)
        offset = -low * scale
        for value in range(256):
            table[value] = np.uint8(min(max(np.int32(value * scale + offset), 0), 255))
    _look_up(source, target, channels, tables)


@kernel()
def _count(source, channels):  # type: ignore[no-untyped-def]
    """Return how often each value occurs in each channel, (channels, 256) int64."""
    counts = np.zeros((channels, 256), dtype=np.int64)
    if channels == 3:
        red, green, blue = counts[0], counts[1], counts[2]
        for pixel in range(np.uint64(source.size // 3)):
            index = np.uint64(3) * pixel
            red[source[index]] += 1
            green[source[index + np.uint64(1)]] += 1
            blue[source[index + np.uint64(2)]] += 1
        return counts
    only = counts[0]
    for index in range(source.size):
        only[source[index]] += 1
    return counts


@kernel()
def equalize(source, target, channels):  # type: ignore[no-untyped-def]
    """Flatten the histogram of each channel."""
    tables = np.empty((channels, 256), dtype=np.uint8)
    counts = _count(source, channels)
    for channel in range(channels):
        table, own = tables[channel], counts[channel]
        last = 255
        while own[last] == 0:
            last -= 1
        step = (source.size // channels - own[last]) // 255  # Pillow leaves the largest value out
        below = step // 2
        for value in range(256):
            table[value] = np.uint8(value if step == 0 else min(below // max(step, 1), 255))
            below += own[value]
    _look_up(source, target, channels, tables)


@kernel()
def posterize(source, target, bits):  # type: ignore[no-untyped-def]
    """Keep the top 0 to 8 bits of every value (0 gives black)."""
    mask = np.uint8((0xFF << (8 - bits)) & 0xFF)
    for index in range(source.size):
        target[index] = source[index] & mask


@kernel()
def solarize(source, target, threshold):  # type: ignore[no-untyped-def]
    """Invert every value that reaches the threshold, 0 to 256 (256 changes nothing)."""
    for index in range(source.size):
        value = source[index]
        target[index] = np.uint8(255) - value if value >= threshold else value


@kernel()
def invert(source, target):  # type: ignore[no-untyped-def]
    """Invert every value."""
    for index in range(source.size):
        target[index] = np.uint8(255) - source[index]


@kernel(inline="always")
def _blended(degenerate, value, factor):  # type: ignore[no-untyped-def]
    """Return degenerate + factor * (value - degenerate) in float32, clipped to 0..255 and truncated."""
    low = np.float32(degenerate)
    mixed = low + factor * (np.float32(value) - low)
    return np.uint8(min(max(mixed, np.float32(0.0)), np.float32(255.0)))


@kernel()
def brightness(source, target, factor):  # type: ignore[no-untyped-def]
    """Blend with black."""
    for index in range(source.size):
        target[index] = _blended(np.uint8(0), source[index], factor)


@kernel(inline="always")
def _luma(red, green, blue):  # type: ignore[no-untyped-def]
    """Return the grey of three uint8 values, uint8: Pillow's ITU-R 601 weights in 16.16 fixed point, rounded."""
    weighted = (
        np.uint32(19595) * np.uint32(red) + np.uint32(38470) * np.uint32(green) + np.uint32(7471) * np.uint32(blue)
    )
    return np.uint8(np.uint32(weighted + np.uint32(0x8000)) >> np.uint32(16))


@kernel()
def contrast(source, target, channels, factor):  # type: ignore[no-untyped-def]
    """Blend with the rounded mean of the grey image."""
    total = np.int64(0)
    if channels == 1:
        for index in range(source.size):
            total += np.int64(source[index])
    else:
        for pixel in range(source.size // 3):
            total += np.int64(_luma(source[3 * pixel], source[3 * pixel + 1], source[3 * pixel + 2]))
    mean = np.uint8(total / (source.size // channels) + 0.5)
    for index in range(source.size):
        target[index] = _blended(mean, source[index], factor)


@kernel()
def color(source, target, channels, factor):  # type: ignore[no-untyped-def]
    """Blend with the grey image; a grey image stays as it is."""
    if channels == 1:
        target[:] = source
        return
    for pixel in range(source.size // 3):
        red, green, blue = source[3 * pixel], source[3 * pixel + 1], source[3 * pixel + 2]
        grey = _luma(red, green, blue)
        target[3 * pixel] = _blended(grey, red, factor)
        target[3 * pixel + 1] = _blended(grey, green, factor)
        target[3 * pixel + 2] = _blended(grey, blue, factor)


@kernel()
def sharpness(source, target, height, width, channels, factor):  # type: ignore[no-untyped-def]
    """Blend with the 3x3 average (centre weighing 5 of 13); the outermost pixels stay as they are."""
    stride = width * channels
    if height < 3 or width < 3:
        target[:] = source
        return
    for index in range(stride):
        target[index] = source[index]
        target[(height - 1) * stride + index] = source[(height - 1) * stride + index]
    columns = np.empty(stride, dtype=np.int32)
    for row in range(1, height - 1):
        start = row * stride
        here, line = source[start : start + stride], target[start : start + stride]
        _sum_columns(source[start - stride : start], here, source[start + stride : start + 2 * stride], columns)
        for channel in range(channels):
            line[channel] = here[channel]
            line[stride - 1 - channel] = here[stride - 1 - channel]
        inner = stride - channels
        _sharpen(columns[: inner - channels], columns[channels:inner], columns[2 * channels :],
                 here[channels:inner], line[channels:inner], factor)  # fmt: skip


@kernel()
def _sum_columns(above, here, below, columns):  # type: ignore[no-untyped-def]
    """Write the sums of three rows, each (W * C,) uint8, to `columns`, (W * C,) int32."""
    for index in range(columns.size):
        columns[index] = np.int32(above[index]) + np.int32(here[index]) + np.int32(below[index])


@kernel()
def _sharpen(left, middle, right, here, line, factor):  # type: ignore[no-untyped-def]
    """Blend with the rounded 3x3 average, in whole numbers: sums are never so near to a half that float32 would differ."""
    for index in range(line.size):
        total = np.int32(left[index] + middle[index] + right[index] + np.int32(4) * np.int32(here[index]))
        smooth = np.int32(np.uint32(np.int32(2) * total + np.int32(13)) // np.uint32(26))
        line[index] = _blended(smooth, here[index], factor)
