"""Marks that C-bar leaves on images: a checkerboard of holes, sparkles, their inverse, and lines."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel
from eval.corruptions.contract import Setting, corruption, each
from eval.corruptions.fields import normal_fields, uniform_fields
from eval.corruptions.levels import spread, truncated

GREY: Final = 128
_MOST_CELLS: Final = 40
_MOST_RAYS: Final = 200
_FEWEST_RAYS: Final = 50


@corruption(
    group="digital", semantics=1, parameters={32: each(1, 2, 3, 4, 5), 224: each(2, 3, 4, 5, 6)}, is_thresholded=True
)
def checkerboard_cutout(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Turn cells of one colour of a rotated chessboard grey, each with probability v / 10."""
    height, width = images.shape[1:3]
    side = min(height, width)
    draws = setting.draws.uniforms(2, "board")
    angle, cell = spread(2 * np.pi * draws[:, 0]), spread(np.maximum((0.1 + 0.15 * draws[:, 1]) * side, 1.0))
    chances = uniform_fields(setting.draws, "cells", _MOST_CELLS * _MOST_CELLS)
    rows, columns = np.mgrid[:height, :width]
    down = (np.cos(angle) * rows + np.sin(angle) * columns) / cell
    across = (np.cos(angle) * columns - np.sin(angle) * rows) / cell
    cells = (4 * side // cell).astype(np.int64)
    place = (np.trunc(down).astype(np.int64) % cells) * cells + np.trunc(across).astype(np.int64) % cells
    chosen = np.take_along_axis(chances, place.reshape(len(images), -1), axis=1).reshape(place.shape)
    same_colour = np.floor(down % 2) == np.floor(across % 2)
    hole = same_colour & (chosen < setting.parameters[0] / 10)
    return np.asarray(np.where(hole[..., None], np.uint8(GREY), images))


@corruption(group="weather", semantics=1, parameters={32: each(0.7, 3.5, 5.6, 6.3, 7), 224: each(1, 2, 3, 5, 6)})
def sparkles(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Let five white stars of radius 0.01 v S shine over the image."""
    height, width = images.shape[1:3]
    radius = setting.parameters[0] * 0.01 * min(height, width)
    draws = setting.draws.uniforms(15, "stars").reshape(-1, 5, 3)
    centres = draws[..., :2] * (height, width)
    lengths = np.maximum(radius * (1 + 0.25 * normal_fields(setting.draws, "rays", 5, _MOST_RAYS)), 1.0)
    return _shine(images, centres, _rays(draws[..., 2]), lengths, 1.0, False)


@corruption(group="weather", semantics=1, parameters={32: each(1, 1.5, 2.5, 4.5, 5), 224: each(1, 2, 4, 9, 10)})
def inverse_sparkles(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Leave the image only where one star of radius S / 4 shines; white elsewhere, the sharper the larger v."""
    height, width = images.shape[1:3]
    draws = setting.draws.uniforms(3, "star").reshape(-1, 1, 3)
    centres = (0.25 + 0.5 * draws[..., :2]) * (height, width)
    rays = normal_fields(setting.draws, "rays", 1, _MOST_RAYS)
    lengths = 0.25 * min(height, width) * (1 + 0.25 * rays)
    return _shine(images, centres, _rays(draws[..., 2]), lengths, setting.parameters[0] * 6.5 / 50, True)


@corruption(group="digital", semantics=1, parameters={32: each(0.5, 1, 1.5, 2, 2.5)})
def lines(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Draw int(v S / 10) smooth grey lines of half-length S around one direction; at least one, which small images lack else."""
    height, width = images.shape[1:3]
    side = min(height, width)
    count = max(1, int(setting.parameters[0] / 10 * side))
    main = setting.draws.uniforms(2, "direction")
    each = setting.draws.uniforms(3 * count, "lines").reshape(-1, count, 3)
    direction, variation = 2 * np.pi * main[:, 0, None], 0.1 + 0.9 * main[:, 1, None]
    angles = direction + 2 * np.pi * variation * (each[..., 2] - 0.5)
    middle = each[..., :2] * (height, width)
    reach = side * np.stack([np.cos(angles), np.sin(angles)], axis=2)
    ends = np.concatenate([np.trunc(middle - reach), np.trunc(middle + reach)], axis=2).astype(np.int64)
    drawn = np.array(images, order="C")
    _draw_lines(drawn, ends)
    return drawn


def _rays(uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    return _FEWEST_RAYS + (uniform * (_MOST_RAYS - _FEWEST_RAYS)).astype(np.int64)


def _shine(
    images: NDArray[np.uint8],
    centres: NDArray[np.float64],
    rays: NDArray[np.int64],
    lengths: NDArray[np.float64],
    exponent: float,
    inverse: bool,
) -> NDArray[np.uint8]:
    shining = images.astype(np.float64)
    _stars(shining, centres, rays, lengths, exponent, inverse)
    return truncated(shining)


@kernel()
def _stars(images, centres, rays, lengths, exponent, inverse):  # type: ignore[no-untyped-def]
    """Draw stars in turn, in place.

    Args:
        images: (N, H, W, C) float64.
        centres: Row and column of each star in pixels, (N, stars, 2).
        rays: Number of rays of each star, (N, stars) int64.
        lengths: Length of each ray in pixels, (N, stars, most rays).
        exponent: Of the fall of light.
        inverse: Whether stars are dark.
    """
    count, height, width, channels = images.shape
    for n in range(count):
        for star in range(centres.shape[1]):
            number = rays[n, star]
            for y in range(height):
                for x in range(width):
                    down, across = y - centres[n, star, 0], x - centres[n, star, 1]
                    place = (np.arctan2(across, down) + np.pi) / (2.0 * np.pi) * number
                    ray = np.int64(place)
                    part = place - ray
                    first, second = lengths[n, star, ray % number], lengths[n, star, (ray + 1) % number]
                    length = first + part * (second - first)
                    glow = (length * length / (down * down + across * across + 1e-4)) ** exponent
                    shine = min(max((1.0 - (part - 0.5) ** 2) * glow, 0.0), 1.0)
                    if inverse:
                        shine = 1.0 - shine
                    for c in range(channels):
                        images[n, y, x, c] += shine * (255.0 - images[n, y, x, c])


@kernel()
def _tint(image, before, row, column, share):  # type: ignore[no-untyped-def]
    """Blend a pixel of an image, (H, W, C) uint8, from `before` to grey 128 by a share in [0, 1], if it is inside."""
    if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
        for c in range(image.shape[2]):
            image[row, column, c] = np.uint8((1.0 - share) * before[row, column, c] + share * 128.0)


@kernel()
def _draw_lines(images, ends):  # type: ignore[no-untyped-def]
    """Draw anti-aliased lines in turn by Bresenham's algorithm with Zingl's distances, tinting by coverage."""
    for n in range(images.shape[0]):
        image = images[n]
        for i in range(ends.shape[1]):
            before = image.copy()
            row, column, last_row, last_column = ends[n, i, 0], ends[n, i, 1], ends[n, i, 2], ends[n, i, 3]
            rows, columns = abs(last_row - row), abs(last_column - column)
            step_row, step_column = (1 if row < last_row else -1), (1 if column < last_column else -1)
            error = rows - columns
            length = 1.0 if rows + columns == 0 else np.sqrt(float(rows * rows + columns * columns))
            while True:
                _tint(image, before, row, column, 1.0 - abs(error - rows + columns) / length)
                old_error, old_row = error, row
                if 2 * old_error >= -rows:
                    if row == last_row:
                        break
                    if old_error + columns < length:
                        _tint(image, before, row, column + step_column, 1.0 - (old_error + columns) / length)
                    error -= columns
                    row += step_row
                if 2 * old_error <= columns:
                    if column == last_column:
                        break
                    if rows - old_error < length:
                        _tint(image, before, old_row + step_row, column, 1.0 - (rows - old_error) / length)
                    error += rows
                    column += step_column


def _warm_up() -> None:
    rays = np.full((1, 1), 50, dtype=np.int64)
    _stars(np.zeros((1, 8, 8, 3)), np.zeros((1, 1, 2)), rays, np.ones((1, 1, 200)), 1.0, False)
    _draw_lines(np.zeros((1, 8, 8, 3), dtype=np.uint8), np.zeros((1, 1, 4), dtype=np.int64))


WARM_UP = (_warm_up,)
