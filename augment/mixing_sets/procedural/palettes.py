"""Colours of procedural images: cyclic palettes, and smooth backgrounds."""

from __future__ import annotations

import numpy as np

from augment.kernels.compiled import kernel
from augment.kernels.counters import uniform_at

# `words` is the identity of an image's random numbers: (key0, key1, stream, epoch, index), (5,) uint64


@kernel(error_model="numpy")
def hsv_to_rgb(hue, saturation, value, out):  # type: ignore[no-untyped-def]
    """Write red, green and blue in [0, 1] of a hue in turns, a saturation and a value to `out[:3]`."""
    for channel in range(3):
        t = (hue + (3 - channel) / 3.0) % 1.0 * 6.0
        ramp = min(max(abs(t - 3.0) - 1.0, 0.0), 1.0)
        out[channel] = value * (1.0 - saturation * (1.0 - ramp))


@kernel(error_model="numpy")
def fill_palette(words, slot, cycles, palette):  # type: ignore[no-untyped-def]
    """Draw 4 to 7 anchors around two hues, alternately dark and bright, and interpolate them cyclically.

    Args:
        words: Identity of the image's random numbers.
        slot: First of 28 slots that are used.
        cycles: Times that the anchors are run through.
        palette: Receives red, green, blue in [0, 1] and a 1, (256, 4) float32.
    """
    num = 4 + int(4 * _draw(words, slot))
    base, spread = _draw(words, slot + 1), 0.08 + 0.35 * _draw(words, slot + 2)
    second = base + 0.25 + 0.5 * _draw(words, slot + 3)
    anchors = np.empty((8, 3))
    for i in range(num):
        u, v, w = _draw(words, slot + 4 + 3 * i), _draw(words, slot + 5 + 3 * i), _draw(words, slot + 6 + 3 * i)
        hue = (base if i % 3 else second) + spread * (2.0 * u - 1.0)
        bright = 0.8 + 0.2 * w if i % 2 else 0.35 + 0.55 * w
        hsv_to_rgb(hue % 1.0, min(1.0, 0.35 + 0.75 * v), bright, anchors[i])
    for k in range(256):
        t = k * num * cycles / 256.0 % num
        i = int(t)
        mix = t - i
        mix = mix * mix * (3.0 - 2.0 * mix)
        for channel in range(3):
            palette[k, channel] = (1.0 - mix) * anchors[i, channel] + mix * anchors[(i + 1) % num, channel]
        palette[k, 3] = 1.0


@kernel(error_model="numpy")
def fill_background(words, slot, cycles, palette, out):  # type: ignore[no-untyped-def]
    """Fill an image with a dark tint, a gradient or plasma noise in dimmed palette colours.

    Args:
        words: Identity of the image's random numbers.
        slot: First of 16 slots that are used; the noise has a stream of its own.
        cycles: Cycles of the palette.
        palette: (256, 4) float32.
        out: (S, S, 3) float32.
    """
    size, pixels = out.shape[0], out.reshape(-1)
    kind, first = _draw(words, slot), int(256 * _draw(words, slot + 1)) & 255
    dim = 0.05 + 0.2 * _draw(words, slot + 2) if kind < 0.25 else 0.25 + 0.65 * _draw(words, slot + 2)
    span = (30.0 + 90.0 * _draw(words, slot + 3)) / cycles
    if kind < 0.55:
        turn = 2.0 * np.pi * _draw(words, slot + 4)
        dx, dy = np.cos(turn) / size, np.sin(turn) / size
        for row in range(size):
            for column in range(size):
                t = abs(0.5 + (column - size / 2) * dx + (row - size / 2) * dy)
                _tint(palette, first + span * min(t, 1.0), dim, pixels, 3 * (row * size + column))
        return
    noise = plasma(words, size, 0.5 + 0.4 * _draw(words, slot + 5))
    for row in range(size):
        for column in range(size):
            _tint(palette, first + span * noise[row, column], dim, pixels, 3 * (row * size + column))


@kernel(error_model="numpy")
def _tint(palette, shade, dim, pixels, at):  # type: ignore[no-untyped-def]
    """Write the palette's colour at a fractional entry `shade`, cyclic, times `dim`, to `pixels[at : at + 3]`, float32."""
    below = int(shade)
    mix = np.float32(shade - below)
    low, high = np.uint64(below & 255), np.uint64((below + 1) & 255)
    for channel in range(np.uint64(3)):
        pixels[np.uint64(at) + channel] = dim * ((1 - mix) * palette[low, channel] + mix * palette[high, channel])


@kernel(error_model="numpy")
def plasma(words, size, decay):  # type: ignore[no-untyped-def]
    """Return midpoint-displacement noise stretched to [0, 1], (size, size) float32.

    A lattice is doubled by bilinear interpolation and displaced by noise that shrinks by `decay` at every level, down to cells
    of four pixels. Its draws are a stream of their own, so that slots of `words` stay free.
    """
    side = 3
    grid = np.empty((side, side), np.float32)
    for i in range(side * side):
        grid[i // side, i % side] = uniform_at(
            i, words[4], words[3], words[2] ^ np.uint64(0x9E3779B9), words[0], words[1]
        )
    amplitude, slot = 1.0, side * side
    while side * 4 < size:
        amplitude *= decay
        larger = 2 * side - 1
        grid = resample(grid, larger)
        for i in range(larger * larger):
            u = uniform_at(slot + i, words[4], words[3], words[2] ^ np.uint64(0x9E3779B9), words[0], words[1])
            grid[i // larger, i % larger] += np.float32(amplitude * (u - 0.5))
        slot += larger * larger
        side = larger
    low, high = grid.min(), grid.max()
    for row in range(side):
        for column in range(side):
            grid[row, column] = (grid[row, column] - low) / (high - low + np.float32(1e-6))
    return resample(grid, size)


@kernel(error_model="numpy")
def resample(grid, size):  # type: ignore[no-untyped-def]
    """Return a square grid, (G, G) float32, stretched to (size, size) float32, corners on corners, bilinearly."""
    out = np.empty((size, size), np.float32)
    step = np.float32(grid.shape[0] - 1) / np.float32(max(size - 1, 1))
    top = grid.shape[0] - 2
    lefts, shares = np.empty(size, np.uint64), np.empty(size, np.float32)
    for column in range(size):
        x = column * step
        lefts[column] = min(int(x), top)
        shares[column] = np.float32(x - min(int(x), top))
    for row in range(size):
        y = row * step
        i = min(int(y), top)
        fy = np.float32(y - i)
        above, below, line = grid[i], grid[i + 1], out[row]
        for column in range(np.uint64(size)):
            j, fx = lefts[column], shares[column]
            upper = above[j] + fx * (above[j + np.uint64(1)] - above[j])
            lower = below[j] + fx * (below[j + np.uint64(1)] - below[j])
            line[column] = upper + fy * (lower - upper)
    return out


@kernel(error_model="numpy")
def _draw(words, slot):  # type: ignore[no-untyped-def]
    """Return the image's uniform number of a slot, float64 in [0, 1)."""
    return uniform_at(slot, words[4], words[3], words[2], words[0], words[1])
