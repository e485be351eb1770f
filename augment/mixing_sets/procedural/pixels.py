"""What procedural sets share: the identity of an image's random numbers, and the step from float to stored bytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel
from augment.kernels.counters import stream_id


def image_words(seed: int, stream: str, attempt: int, index: int) -> NDArray[np.uint64]:
    """Return (key0, key1, stream, epoch, index), the identity of an image's random numbers inside kernels, (5,) uint64."""
    return np.array([seed & 0xFFFFFFFF, seed >> 32, stream_id(stream), attempt, index], dtype=np.uint64)


def native_side(image_size: int, least: int) -> int:
    """Return the multiple of a stored side that is nearest to `least` or the side itself, whichever is larger."""
    return image_size * max(1, round(least / image_size))


@kernel(error_model="numpy")
def store(image, out):  # type: ignore[no-untyped-def]
    """Average blocks of an image and round it to bytes, to luma where one channel is wanted.

    Args:
        image: Red, green, blue in [0, 1] (clipped), (S * f, S * f, 3) float32.
        out: Written, (S, S, 1) or (S, S, 3) uint8. Luma is (19595 r + 38470 g + 7471 b + 32768) >> 16 of the rounded bytes.
    """
    size = out.shape[0]
    factor = image.shape[0] // size
    values = (shrink(image, factor) if factor > 1 else image).reshape(size * size * 3)
    if out.shape[2] == 3:
        _to_bytes(values, out.reshape(size * size * 3))
        return
    rgb = np.empty(size * size * 3, np.uint8)
    _to_bytes(values, rgb)
    grey = out.reshape(size * size)
    for i in range(size * size):
        red, green, blue = np.uint32(rgb[3 * i]), np.uint32(rgb[3 * i + 1]), np.uint32(rgb[3 * i + 2])
        grey[i] = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16


@kernel(error_model="numpy")
def shrink(image, factor):  # type: ignore[no-untyped-def]
    """Return the means of blocks of factor x factor pixels, values clipped to [0, 1] first, (S / f, S / f, 3) float32."""
    size, scale = image.shape[0] // factor, np.float32(1.0 / (factor * factor))
    out = np.zeros((size, size, 3), np.float32)
    for row in range(size * factor):
        for column in range(size * factor):
            for channel in range(3):
                value = image[row, column, channel]
                value = value if value > np.float32(0.0) else np.float32(0.0)
                value = value if value < np.float32(1.0) else np.float32(1.0)
                out[row // factor, column // factor, channel] += scale * value
    return out


@kernel(error_model="numpy")
def _to_bytes(values, out):  # type: ignore[no-untyped-def]
    """Write 255 times each value, clipped and rounded, to `out`: (N,) float32 to (N,) uint8."""
    for i in range(values.shape[0]):
        scaled = values[i] * np.float32(255.0) + np.float32(0.5)
        scaled = scaled if scaled > np.float32(0.0) else np.float32(0.0)
        out[i] = np.uint8(np.int32(scaled if scaled < np.float32(255.0) else np.float32(255.0)))


@kernel(error_model="numpy")
def structure(image):  # type: ignore[no-untyped-def]
    """Return how much there is to see: luma entropy in bits, share of the commonest colour, mean luma step between pixels.

    Args:
        image: Red, green, blue in [0, 1], (S, S, 3) float32. Colours count as equal in 4 bits a channel.
            Large images are evaluated by every second row.
    """
    size = image.shape[0]
    stride = 1 if size < 128 else 2
    levels, colours = np.zeros(256, np.int64), np.zeros(4096, np.int64)
    steps = 0.0
    for row in range(0, size, stride):
        before = 0.0
        for column in range(size):
            r = min(max(image[row, column, 0], np.float32(0.0)), np.float32(0.999))
            g = min(max(image[row, column, 1], np.float32(0.0)), np.float32(0.999))
            b = min(max(image[row, column, 2], np.float32(0.0)), np.float32(0.999))
            luma = np.float32(0.299) * r + np.float32(0.587) * g + np.float32(0.114) * b
            levels[np.uint32(luma * np.float32(256))] += 1
            cell = np.uint32(
                np.uint32(r * np.float32(16)) * 256 + np.uint32(g * np.float32(16)) * 16 + np.uint32(b * np.float32(16))
            )
            colours[cell] += 1
            steps += abs(luma - before) if column else 0.0
            before = luma
    entropy, pixels = 0.0, float(levels.sum())
    for level in range(256):
        if levels[level] > 0:
            entropy -= levels[level] / pixels * np.log2(levels[level] / pixels)
    return entropy, colours.max() / pixels, steps / pixels


def _warm_up() -> None:
    image = np.zeros((4, 4, 3), np.float32)
    structure(image)
    store(image, np.empty((2, 2, 3), np.uint8))


WARM_UP = (_warm_up,)
