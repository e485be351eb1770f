"""Perturbations that move pixels: translation, rotation, tilt, scale, shear, and the zoom blur made of scales.

A frame's map depends on the frame and the size only, so it is worked out once: per output pixel, four source pixels and their
weights. Outside the image is black.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel
from eval.perturbations.contract import Course, Perturbation, perturbation

SamplingMap = tuple[NDArray[np.int32], NDArray[np.float64], float]
"""Flat source pixels and weights, both (H * W, 4), and what is added before truncation."""


def _moving(
    name: str,
    map_of: Callable[[int, int, int, int], SamplingMap],
    *,
    frames: tuple[int, int] = (31, 31),
    is_extra: bool = False,
) -> Perturbation:
    """Return the perturbation that moves pixels by a map of (frame, scale, height, width)."""

    def run(images: NDArray[np.uint8], course: Course) -> NDArray[np.uint8]:
        height, width = images.shape[1:3]
        together, out = _together(images), course.empty(images)
        for frame in range(course.frames):
            out[:, frame] = _apart(_gather(together, *map_of(frame, course.scale, height, width)), images)
        return out

    return Perturbation(name=name, semantics=1, run=run, frames=frames, is_extra=is_extra)


def _together(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images as (H * W, N * C): all images of a batch share a pixel's weights."""
    height, width = images.shape[1:3]
    return np.ascontiguousarray(np.moveaxis(images, 0, 2)).reshape(height * width, -1)


def _apart(together: NDArray[np.uint8], images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Undo `_together`."""
    count, height, width, channels = images.shape
    return np.moveaxis(np.asarray(together).reshape(height, width, count, channels), 2, 0)


@functools.lru_cache(maxsize=48)
def rotation(frame: int, scale: int, height: int, width: int) -> SamplingMap:
    """Return the map of a rotation by frame - 15 degrees."""
    return _centred(_turn(np.deg2rad(frame - 15.0)), height, width)


@functools.lru_cache(maxsize=48)
def scaling(frame: int, scale: int, height: int, width: int) -> SamplingMap:
    """Return the map of a change of size: to 0.7 + 0.02 per frame at 32 px, 0.4 + 0.025 per frame at 224 px."""
    factor = (frame * 2 + 70) / 100 if scale == 32 else (frame * 2.5 + 40) / 100
    return _centred(np.eye(2) / factor, height, width)


@functools.lru_cache(maxsize=48)
def enlargement(frame: int, scale: int, height: int, width: int) -> SamplingMap:
    """Return the map of an enlargement by 1 + 0.004 per frame."""
    return _centred(np.eye(2) / (1 + 0.004 * frame), height, width)


@functools.lru_cache(maxsize=48)
def shearing(frame: int, scale: int, height: int, width: int) -> SamplingMap:
    """Return the map of a shear along x by frame - 15 degrees."""
    slope = np.tan(np.deg2rad(frame - 15.0))
    return _centred(np.array([[1.0, slope], [0.0, 1.0]]), height, width)


@functools.lru_cache(maxsize=48)
def translation(frame: int, scale: int, height: int, width: int) -> SamplingMap:
    """Return the map of a shift to the right by whole pixels: frame - 7 at 32 px, frame - 20 at 224 px."""
    shift = frame - (7 if scale == 32 else 20)
    rows, columns = np.mgrid[:height, :width]
    inside = (columns - shift >= 0) & (columns - shift < width)
    flat = np.where(inside, rows * width + np.clip(columns - shift, 0, width - 1), 0).reshape(-1, 1)
    weights = np.zeros((height * width, 4))
    weights[:, 0] = inside.reshape(-1)
    return np.repeat(flat, 4, axis=1).astype(np.int32), weights, 0.0


@functools.lru_cache(maxsize=48)
def tilting(frame: int, scale: int, height: int, width: int) -> SamplingMap:
    """Return the map of a turn about both axes seen in perspective, 0.75 (224 px: 1) degrees a frame around frame 15.

    The image is at a distance of its diagonal, which is also the focal length. Positions are exact; OpenCV before version 5
    rounds them to 1/32 px.
    """
    angle = np.deg2rad((0.75 if scale == 32 else 1.0) * (frame - 15))
    cosine, sine = np.cos(angle), np.sin(angle)
    focal = np.hypot(width, height)
    about_x = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    about_y = np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])
    turn = about_x @ about_y
    # an image point (u, v, 1) lies at (u - w/2, v - h/2, 1); the published matrix keeps that 1 as depth
    place = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    seen = turn @ place
    seen[2] += focal * np.array([0.0, 0.0, 1.0])
    camera = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    backwards = np.linalg.inv(camera @ seen)
    rows, columns = np.mgrid[:height, :width]
    x, y, depth = np.einsum("ij,jhw->ihw", backwards, np.stack([columns, rows, np.ones((height, width))]))
    return _four_taps(x / depth, y / depth, height, width, black_outside=True, rounding=0.5)


def _turn(angle: float) -> NDArray[np.float64]:
    """Return the map from output to input offsets of a clockwise turn (y points down)."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _centred(inverse: NDArray[np.float64], height: int, width: int) -> SamplingMap:
    """Return the map of an affine transform about the centre as Pillow samples it bilinearly.

    Pixels whose source is outside the image are black; inside, neighbours beyond the border repeat it; results are truncated.
    """
    rows, columns = np.mgrid[:height, :width] + 0.5
    across, down = columns - width * 0.5, rows - height * 0.5
    x = inverse[0, 0] * across + inverse[0, 1] * down + width * 0.5
    y = inverse[1, 0] * across + inverse[1, 1] * down + height * 0.5
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    flat, weights, rounding = _four_taps(x - 0.5, y - 0.5, height, width, black_outside=False, rounding=1e-7)
    return flat, weights * inside.reshape(-1, 1), rounding


def _four_taps(
    x: NDArray[np.float64], y: NDArray[np.float64], height: int, width: int, *, black_outside: bool, rounding: float
) -> SamplingMap:
    left, top = np.floor(x), np.floor(y)
    part_x, part_y = x - left, y - top
    flat, weights = [], []
    for step_y, share_y in ((0, 1 - part_y), (1, part_y)):
        for step_x, share_x in ((0, 1 - part_x), (1, part_x)):
            column, row = left + step_x, top + step_y
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            clipped = np.clip(row, 0, height - 1) * width + np.clip(column, 0, width - 1)
            flat.append(clipped.reshape(-1))
            weights.append((share_y * share_x * (inside | (not black_outside))).reshape(-1))
    return np.stack(flat, axis=1).astype(np.int32), np.stack(weights, axis=1), rounding


@perturbation(semantics=1)
def zoom_blur(images: NDArray[np.uint8], course: Course) -> NDArray[np.uint8]:
    """Average the image with more and more of its enlargements."""
    height, width = images.shape[1:3]
    together, out = _together(images), course.empty(images)
    total = together.astype(np.uint16)
    out[:, 0] = images
    for frame in range(1, course.frames):
        total += _gather(together, *enlargement(frame, course.scale, height, width))
        out[:, frame] = _apart((total // np.uint16(frame + 1)).astype(np.uint8), images)
    return out


@kernel()
def _gather(together, sources, weights, rounding):  # type: ignore[no-untyped-def]
    """Return the weighted sums of four pixels each, (pixels, size) uint8.

    Args:
        together: Pixels by values, (P, size) uint8: all images' values of a pixel are neighbours, so that the loop vectorises.
        sources: Rows of `together` that a pixel is made of, (pixels, 4) integers.
        weights: Their weights, (pixels, 4).
        rounding: Added before truncation.
    """
    pixels, size = together.shape
    out = np.empty((pixels, size), dtype=np.uint8)
    for pixel in range(pixels):
        first, second = together[sources[pixel, 0]], together[sources[pixel, 1]]
        third, fourth = together[sources[pixel, 2]], together[sources[pixel, 3]]
        w0, w1, w2, w3 = weights[pixel, 0], weights[pixel, 1], weights[pixel, 2], weights[pixel, 3]
        target = out[pixel]
        for j in range(size):
            value = w0 * first[j] + w1 * second[j] + w2 * third[j] + w3 * fourth[j]
            target[j] = np.uint8(np.int32(value + rounding))
    return out


TRANSLATE: Final = _moving("translate", translation, frames=(16, 41))
ROTATE: Final = _moving("rotate", rotation)
TILT: Final = _moving("tilt", tilting)
SCALE: Final = _moving("scale", scaling)
SHEAR: Final = _moving("shear", shearing, is_extra=True)


def _warm_up() -> None:
    _gather(np.zeros((64, 3), dtype=np.uint8), *translation(0, 32, 8, 8))


WARM_UP = (_warm_up,)
