"""The corruptions of MNIST-C that move images or draw on them.

Marks are worked out in the coordinates of a 28 px image, so that they look alike at any size.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from eval.corruptions.cbar.warps import sample
from eval.corruptions.contract import Setting, corruption
from eval.corruptions.levels import luma, spread, to_nearest
from eval.corruptions.mnist.thin_edges import thin_edges
from eval.corruptions.mnist.variants import PUBLISHED_SIDE, proportion

Floats = NDArray[np.float64]


def _signs(setting: Setting, count: int) -> Floats:
    return np.where(setting.draws.uniforms(count, "signs") < 0.5, -1.0, 1.0)


def _warp(images: NDArray[np.uint8], matrices: Floats) -> NDArray[np.uint8]:
    """Return images whose pixel (x, y) off the centre comes from `matrices @ (x, y)`, (N, 2, 2); black outside."""
    height, width = images.shape[1:3]
    rows, columns = np.mgrid[:height, :width]
    y, x = rows - (height - 1) / 2, columns - (width - 1) / 2
    from_x = spread(matrices[:, 0, 0]) * x + spread(matrices[:, 0, 1]) * y + (width - 1) / 2
    from_y = spread(matrices[:, 1, 0]) * x + spread(matrices[:, 1, 1]) * y + (height - 1) / 2
    return to_nearest(sample(images, from_y, from_x) / 255.0)


@corruption(group="digital", semantics=1, parameters={28: ((0.4,),)})
def shear(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Shear by 0.4 radians either way, in the sense of scikit-image before 0.19: x - y sin, y cos."""
    angle = setting.parameters[0] * _signs(setting, 1)[:, 0]
    one, none = np.ones_like(angle), np.zeros_like(angle)
    return _warp(images, np.stack([one, -np.sin(angle), none, np.cos(angle)], axis=1).reshape(-1, 2, 2))


@corruption(group="digital", semantics=1, parameters={28: ((0.4,),)})
def rotate(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Turn by 0.4 radians either way."""
    angle = setting.parameters[0] * _signs(setting, 1)[:, 0]
    cosine, sine = np.cos(angle), np.sin(angle)
    return _warp(images, np.stack([cosine, -sine, sine, cosine], axis=1).reshape(-1, 2, 2))


@corruption(group="digital", semantics=1, parameters={28: ((0.7,),)}, is_random=False)
def scale(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Shrink to 0.7 about the centre."""
    return _warp(images, np.tile(np.eye(2) / setting.parameters[0], (len(images), 1, 1)))


@corruption(group="digital", semantics=1, parameters={28: ((3,),)})
def translate(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Shift by 3 px along both axes, either way each."""
    shift = round(setting.parameters[0] * proportion(images)) * _signs(setting, 2)
    height, width = images.shape[1:3]
    rows, columns = np.mgrid[:height, :width]
    return to_nearest(sample(images, rows + spread(shift[:, 1]), columns + spread(shift[:, 0])) / 255.0)


@corruption(group="digital", semantics=1, parameters={28: ((7,),)}, is_random=False)
def stripe(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Invert the left and the right quarter."""
    _, columns = _grid(images)
    outside = (columns < setting.parameters[0] - 0.5) | (columns > PUBLISHED_SIDE - setting.parameters[0] - 0.5)
    return np.asarray(np.where(outside[..., None], 255 - images, images), dtype=np.uint8)


@corruption(group="digital", semantics=1, parameters={28: ((2.3, 2),)})
def dotted_line(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Draw a dashed straight line from the left to the right border."""
    thickness, dash = setting.parameters
    ends = setting.draws.integers(2, PUBLISHED_SIDE - 1, "ends").astype(np.float64)
    rows, columns = _grid(images)
    last = float(PUBLISHED_SIDE - 1)
    line = _line(rows, columns, np.zeros(len(images)), ends[:, 0], np.full(len(images), last), ends[:, 1], thickness)
    on = np.floor((columns + 0.5) / dash) % 2 == 1
    return to_nearest(images / 255.0 + (line * on)[..., None])


@corruption(group="digital", semantics=1, parameters={28: ((2.3, 2, 2),)})
def zigzag(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Draw a zigzag around a nearly level line between columns 2 and 25."""
    thickness, width, height = setting.parameters
    start = setting.draws.integers(1, PUBLISHED_SIDE - 1, "start")[:, 0].astype(np.float64)
    rise = setting.draws.integers(1, 10, "rise")[:, 0] - 5.0
    corners = _zigzag_corners(start, rise.astype(np.float64), width, height)
    rows, columns = _grid(images)
    unit = images / 255.0
    for first, second in itertools.pairwise(corners):
        line = _line(rows, columns, first[0], first[1], second[0], second[1], thickness)
        unit = np.clip(unit + line[..., None], 0, 1)
    return to_nearest(unit)


@corruption(group="digital", semantics=1, parameters={28: ((1, 0.1, 0.2),)}, is_random=False, is_thresholded=True)
def canny_edges(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Replace the image by its edges, white on black."""
    sigma, low, high = setting.parameters
    unit = images / 255.0
    grey = np.asarray(luma(unit) if images.shape[3] == 3 else unit, dtype=np.float64)[..., 0]
    edges = thin_edges(grey, sigma, low, high)
    return np.asarray(np.broadcast_to(np.where(edges, np.uint8(255), np.uint8(0))[..., None], images.shape).copy())


def _grid(images: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """Return rows and columns of all pixels in the coordinates of a 28 px image, (H, W)."""
    height, width = images.shape[1:3]
    rows, columns = np.mgrid[:height, :width]
    return (rows + 0.5) * (PUBLISHED_SIDE / height) - 0.5, (columns + 0.5) * (PUBLISHED_SIDE / width) - 0.5


def _line(
    rows: Floats, columns: Floats, column0: Floats, row0: Floats, column1: Floats, row1: Floats, thickness: float
) -> Floats:
    """Return the opacity of straight lines, (N, H, W) in [0, 1]: 1 + log(1 - d / thickness) at vertical distance d."""
    slope = (row1 - row0) / (column1 - column0)
    distance = np.abs(rows - (spread(slope) * (columns - spread(column0)) + spread(row0)))
    opacity = 1 + np.log(1 - np.clip(distance, 0, thickness - 1e-10) / thickness)
    within = (columns > spread(np.floor(column0)) - 0.5) & (columns < spread(np.ceil(column1)) - 0.5)
    return np.asarray(np.clip(opacity, 0, 1) * within)


def _zigzag_corners(start: Floats, rise: Floats, width: float, height: float) -> list[tuple[Floats, Floats]]:
    """Return the corners as (columns, rows), each (N,).

    Along the middle line of length d, corners alternate by +-height every 2 width; the last one is at d, less far out.
    """
    first, last = 2.0, PUBLISHED_SIDE - 3.0
    angle = np.arctan(rise / (last - first))
    length = (last - first) / np.cos(angle)
    turns = int((last - first - width) // (2 * width)) + 1  # the slope is too small to make room for another
    along = [np.zeros_like(length)] + [np.full_like(length, (2 * i + 1) * width) for i in range(turns)] + [length]
    aside = [np.zeros_like(length)] + [np.full_like(length, (-1.0) ** i * height) for i in range(turns)]
    rest = length - 2 * width * (length // (2 * width))
    aside.append(aside[-1] / (2 * rest))
    cosine, sine = np.cos(angle), np.sin(angle)
    return [(u * cosine - v * sine + first, u * sine + v * cosine + start) for u, v in zip(along, aside, strict=True)]
