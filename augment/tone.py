"""Operations on the values of uint8 pictures, pixel by pixel or nearly so, equal to Pillow bit for bit.

A picture comes as its flat, contiguous bytes (height, width, channel order); channels are 1 (grey) or 3 (RGB). Blends are in
float32 and truncated, as in Pillow's `Image.blend`; tables and means are in float64, as in its Python.
"""

# mypy: no-check-untyped-defs
# (kernels are typed by Numba)

from __future__ import annotations

from typing import Final

import numpy as np

from augment.compiled import kernel

SMOOTH_SIDE: Final = np.float32(1.0) / np.float32(13.0)
SMOOTH_CENTRE: Final = np.float32(5.0) / np.float32(13.0)
HALF: Final = np.float32(0.5)


@kernel()
def autocontrast(source, target, channels):  # type: ignore[no-untyped-def]
    """Stretch each channel to the full range."""
    table = np.empty(256, dtype=np.uint8)
    for channel in range(channels):
        low, high = 255, 0
        for index in range(channel, source.size, channels):
            low = min(low, source[index])
            high = max(high, source[index])
        if high <= low:
            for index in range(channel, source.size, channels):
                target[index] = source[index]
            continue
        scale = 255.0 / (high - low)
        offset = -low * scale
        for value in range(256):
            table[value] = np.uint8(min(max(np.int64(value * scale + offset), 0), 255))
        for index in range(channel, source.size, channels):
            target[index] = table[source[index]]


@kernel()
def equalize(source, target, channels):  # type: ignore[no-untyped-def]
    """Flatten the histogram of each channel."""
    table = np.empty(256, dtype=np.uint8)
    for channel in range(channels):
        counts = np.zeros(256, dtype=np.int64)
        for index in range(channel, source.size, channels):
            counts[source[index]] += 1
        last = 255
        while counts[last] == 0:
            last -= 1
        step = (source.size // channels - counts[last]) // 255
        if step == 0:
            for index in range(channel, source.size, channels):
                target[index] = source[index]
            continue
        below = step // 2
        for value in range(256):
            table[value] = np.uint8(min(below // step, 255))
            below += counts[value]
        for index in range(channel, source.size, channels):
            target[index] = table[source[index]]


@kernel()
def posterize(source, target, bits):  # type: ignore[no-untyped-def]
    """Keep the top bits of every value (0 bits give black)."""
    mask = np.uint8((0xFF << (8 - bits)) & 0xFF)
    for index in range(source.size):
        target[index] = source[index] & mask


@kernel()
def solarize(source, target, threshold):  # type: ignore[no-untyped-def]
    """Invert every value that reaches the threshold (256 changes nothing)."""
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
    weighted = (
        np.uint32(19595) * np.uint32(red) + np.uint32(38470) * np.uint32(green) + np.uint32(7471) * np.uint32(blue)
    )
    return np.uint8(np.uint32(weighted + np.uint32(0x8000)) >> np.uint32(16))


@kernel()
def contrast(source, target, channels, factor):  # type: ignore[no-untyped-def]
    """Blend with the rounded mean of the grey picture."""
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
    """Blend with the grey picture; a grey picture stays as it is."""
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
    target[:stride] = source[:stride]
    target[(height - 1) * stride :] = source[(height - 1) * stride :]
    for row in range(1, height - 1):
        start = row * stride
        target[start : start + channels] = source[start : start + channels]
        target[start + stride - channels : start + stride] = source[start + stride - channels : start + stride]
        _sharpen_row(
            source[start - stride : start],
            source[start : start + stride],
            source[start + stride : start + 2 * stride],
            target[start + channels : start + stride - channels],
            channels,
            factor,
        )


@kernel()
def _sharpen_row(above, here, below, target, channels, factor):  # type: ignore[no-untyped-def]
    left, right = channels, 2 * channels
    above_left, above_here, above_right = above, above[left:], above[right:]
    here_left, here_here, here_right = here, here[left:], here[right:]
    below_left, below_here, below_right = below, below[left:], below[right:]
    for index in range(target.size):
        smooth = HALF + (
            (np.float32(below_left[index]) * SMOOTH_SIDE + np.float32(below_here[index]) * SMOOTH_SIDE)
            + np.float32(below_right[index]) * SMOOTH_SIDE
        )
        smooth += (
            np.float32(here_left[index]) * SMOOTH_SIDE + np.float32(here_here[index]) * SMOOTH_CENTRE
        ) + np.float32(here_right[index]) * SMOOTH_SIDE
        smooth += (
            np.float32(above_left[index]) * SMOOTH_SIDE + np.float32(above_here[index]) * SMOOTH_SIDE
        ) + np.float32(above_right[index]) * SMOOTH_SIDE
        target[index] = _blended(np.uint8(smooth), here_here[index], factor)
