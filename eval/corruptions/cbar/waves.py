"""Waves and smooth noise of C-bar: sines, rings, plasma and Perlin noise.

In the formulas v is the generator's severity, S the shorter side; arithmetic is in grey levels; results are truncated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel
from eval.corruptions.contract import Setting, corruption, each
from eval.corruptions.levels import spread, truncated


@corruption(group="noise", semantics=1, parameters={224: each(1, 1.5, 2, 4.5, 5)})
def single_frequency_greyscale(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Add one sine wave of random direction, frequency and phase, 19.6 v levels high, alike in all channels."""
    draws = setting.draws.uniforms(4, "wave")
    first = np.pi * (2 * draws[:, 0] - 1)
    second = np.abs(first) * (2 * draws[:, 1] - 1)
    turned = draws[:, 2] < 0.5
    across, down = np.where(turned, second, first), np.where(turned, first, second)
    rows, columns = np.mgrid[: images.shape[1], : images.shape[2]]
    wave = np.sin(columns * spread(across) + rows * spread(down) + spread(2 * np.pi * draws[:, 3]))
    return truncated(images + setting.parameters[0] * 19.6 * wave[..., None])


@corruption(group="noise", semantics=1, parameters={224: each(3, 5, 8, 9, 10)}, is_thresholded=True)
def cocentric_sine_waves(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Add wavy rings around a random centre, a sawtooth of 12.8 v levels, alike in all channels."""
    height, width = images.shape[1:3]
    side = min(height, width)
    draws = setting.draws.uniforms(5, "rings")
    rows, columns = np.mgrid[:height, :width]
    down, across = rows - spread(draws[:, 1] * height), columns - spread(draws[:, 0] * width)
    wobble = np.sin(np.arctan2(across, down) * spread(10 * draws[:, 2])) * spread(draws[:, 3] * side / 10)
    ring = spread(np.maximum(draws[:, 4] * side / 10, 1e-9))
    saw = ((np.sqrt(across**2 + down**2) + wobble) % ring) / ring - 0.5
    return truncated(images + setting.parameters[0] * 12.8 * saw[..., None])


@corruption(group="noise", semantics=1, parameters={224: each(4.75, 7, 8.5, 9.25, 10)})
def plasma_noise(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Mix in coloured plasma, 6.4 v levels strong; a grey image takes the first colour."""
    height, width, channels = images.shape[1:]
    draws = setting.draws.uniforms(4, "plasma")
    time, turns = spread(6 * np.pi * draws[:, 0]), 4 + np.minimum((3 * draws[:, 1]).astype(np.int64), 2)
    damping, scale = 1.75 - 0.5 * draws[:, 2], spread((0.075 + 0.125 * draws[:, 3]) * min(height, width))
    rows, columns = np.mgrid[:height, :width]
    x, y = columns / scale, rows / scale
    frequency, slowness, weight = 1.0, 1.0, np.ones_like(damping)
    for turn in range(6):
        push = np.cos(y * frequency + time / slowness) / spread(weight)
        pull = np.sin(x * frequency + time / slowness) / spread(weight)
        running = (turn < turns)[:, None, None]
        x = np.where(running, x + push - 0.3 * pull, x)
        y = np.where(running, y + pull + 0.3 * push, y)
        frequency, slowness, weight = frequency * 1.93, slowness * 1.15, weight * damping
    colours = [np.sin(x - time), np.sin((x + y + np.sin(time)) * 0.5), np.sin(y + time)]
    strength = setting.parameters[0] * 6.4
    return truncated((1 - strength / 255) * images + strength * np.stack(colours[:channels], axis=3))


@corruption(group="noise", semantics=1, parameters={224: each(4.6, 5.2, 5.8, 7.6, 8.8)})
def perlin_noise(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Mix in five octaves of Perlin turbulence, opaque to 0.05 v."""
    height, width = images.shape[1:3]
    count, opacity = len(images), setting.parameters[0] * 0.05
    order = np.argsort(setting.draws.uniforms(256, "order"), axis=1, kind="stable").astype(np.int64)
    steps = setting.draws.integers(512, 512, "slopes").reshape(count, 256, 2) - 256.0
    slopes = steps / np.maximum(np.linalg.norm(steps, axis=2, keepdims=True), 1e-9)
    cell = 32 * min(height, width) / 224
    field = np.asarray(_turbulence(order, slopes, height, width, cell))
    haze = np.clip(0.5 * field + 0.5, 0, 1)[..., None]
    return truncated((1 - opacity) * images + 255 * opacity * haze)


@kernel()
def _slope_noise(order, slopes, y, x):  # type: ignore[no-untyped-def]
    """Return gradient noise at a point, 1.5 times Perlin's."""
    y0, x0 = np.int64(np.floor(y)), np.int64(np.floor(x))
    down, across = y - y0, x - x0
    top, bottom = order[y0 & 255], order[(y0 + 1) & 255]
    s00, s10 = slopes[order[(top + x0) & 255]], slopes[order[(bottom + x0) & 255]]
    s01, s11 = slopes[order[(top + x0 + 1) & 255]], slopes[order[(bottom + x0 + 1) & 255]]
    smooth_y, smooth_x = down * down * (3.0 - 2.0 * down), across * across * (3.0 - 2.0 * across)
    u = down * s00[0] + across * s00[1]
    v = (down - 1.0) * s10[0] + across * s10[1]
    left = u + smooth_y * (v - u)
    u = down * s01[0] + (across - 1.0) * s01[1]
    v = (down - 1.0) * s11[0] + (across - 1.0) * s11[1]
    right = u + smooth_y * (v - u)
    return 1.5 * (left + smooth_x * (right - left))


@kernel()
def _turbulence(order, slopes, height, width, cell):  # type: ignore[no-untyped-def]
    """Return five octaves of the absolute value of gradient noise, (N, height, width) float64.

    Args:
        order: Permutation of each image, (N, 256) int64.
        slopes: Gradients of each image, (N, 256, 2) float64.
        height: In pixels, like width.
        cell: Pixels a cell of the first octave.
    """
    out = np.zeros((order.shape[0], height, width))
    for n in range(order.shape[0]):
        for y in range(height):
            for x in range(width):
                for octave in range(5):
                    frequency = float(1 << octave)
                    value = _slope_noise(order[n], slopes[n], frequency * y / cell, frequency * x / cell)
                    out[n, y, x] += abs(value) / frequency
    return out


def _warm_up() -> None:
    _turbulence(np.zeros((1, 256), dtype=np.int64), np.zeros((1, 256, 2)), 2, 2, 1.0)


WARM_UP = (_warm_up,)
