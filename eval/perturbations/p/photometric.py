"""Perturbations that change values: noises, blurs, snow, spatter and brightness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from eval.corruptions.c.blur import move
from eval.corruptions.c.colour import lift
from eval.corruptions.c.noise import add_noise, gaussian_cumulative, noise_table, shot_cumulative, speckle_cumulative
from eval.corruptions.c.spatter import add_water, liquid_layer
from eval.corruptions.c.weather import snow_levels, whiten
from eval.corruptions.filters.gaussian import gaussian_filter
from eval.corruptions.levels import to_uint8, turned_grey
from eval.perturbations.contract import Course, Perturbation, perturbation


def _noise(
    name: str,
    cumulative: Callable[[float], NDArray[np.float64]],
    levels: Mapping[int, tuple[float, float, float]],
    *,
    is_extra: bool = False,
) -> Perturbation:
    """Return the noise whose first frame is the clean image and whose others are independent draws around it."""

    def run(images: NDArray[np.uint8], course: Course) -> NDArray[np.uint8]:
        out = course.empty(images)
        out[:, 0] = images
        table = noise_table(cumulative, levels[course.scale][course.difficulty - 1])
        for frame in range(1, course.frames):
            out[:, frame] = add_noise(images, table, course.at(frame))
        return out

    return Perturbation(name=name, semantics=1, run=run, is_noise=True, is_extra=is_extra)


GAUSSIAN_NOISE: Final = _noise("gaussian_noise", gaussian_cumulative, {32: (0.02, 0.04, 0.06), 224: (0.03, 0.05, 0.08)})
SHOT_NOISE: Final = _noise("shot_noise", shot_cumulative, {32: (700.0, 400.0, 200.0), 224: (300.0, 120.0, 60.0)})
SPECKLE_NOISE: Final = _noise(
    "speckle_noise", speckle_cumulative, {32: (0.05, 0.07, 0.10), 224: (0.05, 0.10, 0.15)}, is_extra=True
)


@perturbation(semantics=2, frames=(21, 31))
def motion_blur(images: NDArray[np.uint8], course: Course) -> NDArray[np.uint8]:
    """Smear along an angle that turns: 9 degrees a frame from -180 at 32 px, 4 degrees from -120 at 224 px."""
    radius, sigma, step, first = (6, 1.8, 9.0, -20) if course.scale == 32 else (10, 3.0, 4.0, -30)
    levels, out = images.astype(np.float64), course.empty(images)
    for frame in range(course.frames):
        out[:, frame] = move(levels, radius, sigma, np.array([(frame + first) * step]))
    return out


@perturbation(semantics=2)
def snow(images: NDArray[np.uint8], course: Course) -> NDArray[np.uint8]:
    """Let one layer of flakes fall along an angle that turns by 4 degrees a frame from -150."""
    zoom, radius, sigma = (2.0, 10, 2.0) if course.scale == 32 else (3.0, 14, 4.0)
    height, width = images.shape[1:3]
    levels = snow_levels(course.draws, height, width, 0.05, 0.3, zoom, 0.5)
    white = whiten(images / 255.0, 0.85)
    out = course.empty(images)
    for frame in range(course.frames):
        layer = move(levels, radius, sigma, np.array([4.0 * frame - 150])) / 255.0
        out[:, frame] = to_uint8(white + layer + layer[:, ::-1, ::-1])
    return out


@perturbation(semantics=2)
def brightness(images: NDArray[np.uint8], course: Course) -> NDArray[np.uint8]:
    """Shift V by a step a frame, from below to above the clean image's."""
    step, out = (0.015 if course.scale == 32 else 0.02), course.empty(images)
    for frame in range(course.frames):
        out[:, frame] = lift(images, round((frame - 15) * step, 6))
    return out


@perturbation(semantics=2, is_extra=True)
def gaussian_blur(images: NDArray[np.uint8], course: Course) -> NDArray[np.uint8]:
    """Widen a Gaussian blur a little with every frame."""
    first, step, truncate = (0.3, 0.015, 7.0) if course.scale == 32 else (0.25, 0.035, 6.0)
    unit, out = images / 255.0, course.empty(images)
    for frame in range(course.frames):
        out[:, frame] = to_uint8(gaussian_filter(unit, round(first + step * frame, 6), truncate=truncate))
    return out


@perturbation(semantics=2, is_extra=True)
def spatter(images: NDArray[np.uint8], course: Course) -> NDArray[np.uint8]:
    """Let drops of water run down: the liquid is convolved along its columns after every frame."""
    loc, scale, sigma, threshold = (0.6, 0.265, 1.75, 0.7) if course.scale == 32 else (0.65, 0.27, 3.7, 0.69)
    flow = np.array([0.2, 0.8]) if course.scale == 32 else np.array([0.05, 0.1, 0.15, 0.7])
    colour = (images / 255.0).astype(np.float32)
    colour = np.repeat(colour, 3, axis=3) if images.shape[3] == 1 else colour
    height, width = images.shape[1:3]
    layer, out = liquid_layer(course.draws, height, width, loc, scale, sigma, threshold), course.empty(images)
    for frame in range(course.frames):
        wet = add_water(colour, layer, 0.6)
        out[:, frame] = to_uint8(wet if images.shape[3] == 3 else turned_grey(wet))
        layer = run_down(layer, flow)
    return out


def run_down(layer: NDArray[np.float64], flow: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the layer (N, H, W, 1) convolved down its columns, of the same size, empty above."""
    below = (len(flow) - 1) // 2
    run = np.zeros_like(layer)
    height = layer.shape[1]
    for tap, weight in enumerate(flow):
        shift = tap - below
        source = layer[:, max(0, -shift) : height - max(0, shift)]
        run[:, max(0, shift) : height - max(0, -shift)] += weight * source
    return run
