"""Warps of C-bar: refraction, pinch and twirl, ripple, circular motion blur and chromatic aberration."""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.heavy import scipy
from augment.kernels.compiled import kernel
from eval.corruptions.contract import Setting, corruption, each
from eval.corruptions.filters.gaussian import gaussian_filter
from eval.corruptions.filters.operators import Operator, as_operator, separable
from eval.corruptions.levels import spread, to_uint8, truncated, turned_grey

Floats = NDArray[np.float64]

REFRACTION: Final = 4.0
TURNS: Final = 21
SMALLEST_CELL: Final = 3


@corruption(group="digital", semantics=1, parameters={32: each(5.5, 6, 6.5, 7.5, 8)})
def ripple(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Shift each axis by a sine of itself, 0.0025 v S high, 0.1 to 0.3 S long."""
    height, width = images.shape[1:3]
    side = min(height, width)
    draws = setting.draws.uniforms(4, "ripple")
    high, long, phase = (
        setting.parameters[0] * 0.0025 * side,
        (0.1 + 0.2 * draws[:, :2]) * side,
        2 * np.pi * draws[:, 2:],
    )
    rows, columns = np.arange(height, dtype=np.float64), np.arange(width, dtype=np.float64)
    y = rows + high * np.sin(2 * np.pi * rows / long[:, 0, None] + phase[:, 0, None])
    x = columns + high * np.sin(2 * np.pi * columns / long[:, 1, None] + phase[:, 1, None])
    shape = (len(images), height, width)
    return truncated(sample(images, np.broadcast_to(y[:, :, None], shape), np.broadcast_to(x[:, None, :], shape)))


def caustics(time: Floats, size: Floats, height: int, width: int) -> Floats:
    """Return the brightness of light that falls through moving water, (N, H, W) in [0, 1], smoothed by sigma 1."""
    rows, columns = np.mgrid[:height, :width]
    p = [((axis / spread(size)) % 1) * 6.28318530718 - 250 for axis in (rows, columns)]
    i, total = list(p), np.ones_like(p[0])
    for n in range(5):
        t = spread(time * (1 - 3.5 / (n + 1)))
        i = [p[0] + np.cos(t - i[0]) + np.sin(t + i[1]), p[1] + np.sin(t - i[1]) + np.cos(t + i[0])]
        with np.errstate(divide="ignore"):
            total += 1 / np.hypot(p[0] * 0.005 / np.sin(i[0] + t), p[1] * 0.005 / np.cos(i[1] + t))
    light = np.clip(np.abs(1.17 - (total / 5) ** 1.4) ** 8, 0, 1)
    return gaussian_filter(light[..., None], 1.0, mode="reflect")[..., 0]


@corruption(group="weather", semantics=1, parameters={224: each(2.35, 3.2, 4.9, 6.6, 9.15)})
def caustic_refraction(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Look through rippled water: refraction by its slope, up to 0.05 v S px, and light by 0.2 v times the slope."""
    height, width = images.shape[1:3]
    side, severity = min(height, width), setting.parameters[0]
    draws = setting.draws.uniforms(2, "water")
    light = caustics(0.5 + 1.5 * draws[:, 0], (0.75 + 0.5 * draws[:, 1]) * side, height, width)
    padded = np.pad(light, ((0, 0), (1, 1), (1, 1)))
    slope_y = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    slope_x = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    shift_y, shift_x = refraction(slope_y, slope_x, severity * 0.05 * side)
    rows, columns = np.mgrid[:height, :width]
    seen = sample(images, rows + shift_y, columns + shift_x) / 255
    return to_uint8(seen + ((slope_y - slope_x) * severity * 0.2)[..., None])


def refraction(slope_y: Floats, slope_x: Floats, reach: float) -> tuple[Floats, Floats]:
    """Return how far a vertical ray lands aside, rounded to 1/1000 px as published.

    A surface with these slopes has its normal at angle a to the ray; behind it the ray runs at angle b, sin a = 4 sin b, and
    moves by sin(a - b) along the slope, times the reach. Nearly level water (cos a above 0.999) leaves the ray alone.
    """
    steep = np.hypot(slope_y, slope_x)
    length = np.hypot(steep, 1.0)
    sine, cosine = steep / length, 1 / length
    aside = sine * np.sqrt(1 - (sine / REFRACTION) ** 2) - cosine * sine / REFRACTION
    factor = np.where(cosine >= 1 - 1e-3, 0.0, aside * reach / np.maximum(steep, 1e-12))
    return np.round(slope_y * factor, 3), np.round(slope_x * factor, 3)


@corruption(group="digital", semantics=2, parameters={32: each(5.5, 6, 6.5, 8.5, 10)})
def pinch_and_twirl(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Pinch and twirl each cell of a 3 x 3 grid (5 x 5 at 224 px) by up to 9 v degrees, either way.

    Cells measure at least 3 px, since in smaller ones no pixel moves: 8 px have room for a grid of 2 x 2.
    """
    severity, side = setting.parameters[0], min(images.shape[1:3])
    cells = min(5 if setting.scale == 224 else 3, side // SMALLEST_CELL)
    cell = side // cells
    signs = np.where(setting.draws.uniforms(cells * cells, "ways") < 0.5, -1.0, 1.0)
    angles = (signs * severity * np.pi / 20).reshape(-1, cells, cells)
    return truncated(np.asarray(_twirl(images.astype(np.float64), angles, cell, severity * 0.04 + 0.1)))


@corruption(group="blur", semantics=1, parameters={32: each(2.8, 3.6, 4.4, 5.2, 6)}, is_random=False)
def circular_motion_blur(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Average 21 rotations within 1.5 v degrees either way, the middle ones weighing more; black outside."""
    place = np.linspace(-1, 1, TURNS)
    radians, weights = np.deg2rad(place * setting.parameters[0] * 1.5), np.exp(-2 * place**2)
    unit = images / 255.0
    splines = scipy.ndimage.spline_filter1d(scipy.ndimage.spline_filter1d(unit, axis=1), axis=2) if len(unit) else unit
    together = np.moveaxis(splines, 0, 3).reshape(
        *unit.shape[1:3], -1
    )  # images innermost: one weight serves all of them
    mean = np.asarray(_mean_rotation(together, np.cos(radians), np.sin(radians), weights / weights.sum()))
    return to_uint8(np.moveaxis(mean.reshape(*unit.shape[1:], len(unit)), 3, 0))


@functools.lru_cache(maxsize=32)
def aberration_operator(size: int, factor: float) -> Operator:
    """Return SciPy's cubic zoom of an axis without prefilter, cut to the middle `size` outputs."""
    columns = [scipy.ndimage.zoom(unit, factor, order=3, prefilter=False) for unit in np.eye(size)]
    zoomed = np.stack(columns, axis=1)
    edge = (len(zoomed) - size) // 2
    return as_operator(zoomed[edge : edge + size])


@corruption(group="digital", semantics=2, parameters={32: each(1, 2, 5, 9, 10)})
def transverse_chromatic_abberation(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Enlarge the channels, in random order, by 1, 1 + 0.025 v and 1 + 0.05 v; grey images go through colour."""
    stretch = setting.parameters[0] * 0.05
    colour = np.repeat(images, 3, axis=3) if images.shape[3] == 1 else images
    order = np.argsort(setting.draws.uniforms(3, "channels"), axis=1, kind="stable")
    out = np.empty_like(colour)
    height, width = images.shape[1:3]
    for rank, factor in enumerate((1.0, 1.0 + stretch / 2, 1.0 + stretch)):
        operators = aberration_operator(height, factor), aberration_operator(width, factor)
        for channel in range(3):
            rows = np.flatnonzero(order[:, channel] == rank)
            plane = colour[rows][..., channel : channel + 1].astype(np.float64)
            zoomed = separable(plane, [operators[0]], [operators[1]])[..., 0]
            out[rows, :, :, channel] = np.clip(np.floor(zoomed + 0.5), 0, 255)
    return out if images.shape[3] == 3 else truncated(np.asarray(turned_grey(out.astype(np.float64)), dtype=np.float64))


def sample(images: NDArray[np.uint8], y: Floats, x: Floats) -> Floats:
    """Return images sampled bilinearly at positions (N, H, W); black outside."""
    return np.asarray(_sample(np.ascontiguousarray(images), np.ascontiguousarray(y), np.ascontiguousarray(x)))


@kernel()
def _add_sample(image, y, x, out):  # type: ignore[no-untyped-def]
    """Write one bilinear sample of an image, zero outside it."""
    top, left = np.int64(np.floor(y)), np.int64(np.floor(x))
    part_y, part_x = y - top, x - left
    for c in range(out.shape[0]):
        out[c] = 0.0
    for step_y in range(2):
        row = top + step_y
        if 0 <= row < image.shape[0]:
            share_y = part_y if step_y == 1 else 1.0 - part_y
            for step_x in range(2):
                column = left + step_x
                if 0 <= column < image.shape[1]:
                    share = share_y * (part_x if step_x == 1 else 1.0 - part_x)
                    for c in range(out.shape[0]):
                        out[c] += share * image[row, column, c]


@kernel()
def _sample(images, y, x):  # type: ignore[no-untyped-def]
    """Return bilinear samples of images (N, H, W, C) at positions y and x in pixels, (N, H, W) float64; zero outside."""
    out = np.empty(images.shape, dtype=np.float64)
    for n in range(images.shape[0]):
        for row in range(images.shape[1]):
            for column in range(images.shape[2]):
                _add_sample(images[n], y[n, row, column], x[n, row, column], out[n, row, column])
    return out


@kernel()
def _twirl(images, angles, cell, amount):  # type: ignore[no-untyped-def]
    """Return images whose square cells are twirled in turn, (N, H, W, C) float64.

    Args:
        images: (N, H, W, C) float64.
        angles: Turn of each cell in radians, (N, cells, cells), the first axis across.
        cell: Side of a cell in pixels.
        amount: Exponent of the pinch.
    """
    out = images.copy()
    cells, radius = angles.shape[1], cell / 2.0
    scratch = np.empty((cell, cell, images.shape[3]))
    for n in range(images.shape[0]):
        for i in range(cells):
            for j in range(cells):
                centre_y, centre_x = j * cell + radius, i * cell + radius
                for row in range(cell):
                    for column in range(cell):
                        y, x = float(j * cell + row), float(i * cell + column)
                        down, across = y - centre_y, x - centre_x
                        distance = np.sqrt(down * down + across * across)
                        if 0.0005 < distance <= radius:
                            share = distance / radius
                            pinch = np.sin(np.pi * 0.5 * share) ** (-amount)
                            angle = angles[n, i, j] * (1.0 - share) ** 2
                            cosine, sine = np.cos(angle), np.sin(angle)
                            y = centre_y + pinch * (down * cosine - across * sine)
                            x = centre_x + pinch * (down * sine + across * cosine)
                        _add_sample(out[n], y, x, scratch[row, column])
                for row in range(cell):
                    for column in range(cell):
                        for c in range(scratch.shape[2]):
                            out[n, j * cell + row, i * cell + column, c] = scratch[row, column, c]
    return out


@kernel()
def _spline_weights(part, out):  # type: ignore[no-untyped-def]
    """Write the weights of the cubic B-spline at four neighbours."""
    rest = 1.0 - part
    out[0] = rest * rest * rest / 6.0
    out[1] = (4.0 - 6.0 * part * part + 3.0 * part * part * part) / 6.0
    out[2] = (4.0 - 6.0 * rest * rest + 3.0 * rest * rest * rest) / 6.0
    out[3] = part * part * part / 6.0


@kernel()
def _folded(position, size):  # type: ignore[no-untyped-def]
    """Mirror a position about the border pixels."""
    if position < 0:
        position = -position
    return 2 * size - 2 - position if position >= size else position


@kernel()
def _mean_rotation(splines, cosines, sines, weights):  # type: ignore[no-untyped-def]
    """Return the weighted mean of rotated images, (H, W, K) float64.

    Args:
        splines: Coefficients of cubic B-splines, (H, W, K) float64: all images' values of a pixel are neighbours.
        cosines: Of each turn, (T,), like sines.
        weights: Of each turn, (T,).
    """
    height, width, _ = splines.shape
    out = np.zeros(splines.shape)
    down, across = np.empty(4), np.empty(4)
    middle_y, middle_x = (height - 1) / 2.0, (width - 1) / 2.0
    for turn in range(cosines.shape[0]):
        for row in range(height):
            for column in range(width):
                y = cosines[turn] * (row - middle_y) + sines[turn] * (column - middle_x) + middle_y
                x = cosines[turn] * (column - middle_x) - sines[turn] * (row - middle_y) + middle_x
                if y < -1e-9 or y > height - 1 + 1e-9 or x < -1e-9 or x > width - 1 + 1e-9:
                    continue
                top, left = np.int64(np.floor(y)), np.int64(np.floor(x))
                _spline_weights(y - top, down)
                _spline_weights(x - left, across)
                target = out[row, column]
                for a in range(4):
                    for b in range(4):
                        source = splines[_folded(top - 1 + a, height), _folded(left - 1 + b, width)]
                        weight = weights[turn] * down[a] * across[b]
                        for j in range(target.shape[0]):
                            target[j] += weight * source[j]
    return out


def _warm_up() -> None:
    _sample(np.zeros((1, 8, 8, 3), dtype=np.uint8), np.zeros((1, 8, 8)), np.zeros((1, 8, 8)))
    _twirl(np.zeros((1, 9, 9, 3)), np.zeros((1, 3, 3)), 3, 1.0)
    _mean_rotation(np.zeros((8, 8, 3)), np.ones(1), np.zeros(1), np.ones(1))


WARM_UP = (_warm_up,)
