"""Weather: snow, frost and fog (brightness, which belongs to the group too, is in `colour`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel
from eval.corruptions.c.blur import move
from eval.corruptions.contract import Draws, Setting, corruption
from eval.corruptions.fields import normal_fields, uniform_fields
from eval.corruptions.filters.operators import separable, zoom_operator
from eval.corruptions.ice import procedural_ice, reduced
from eval.corruptions.levels import luma, to_uint8


def snow_levels(
    draws: Draws, height: int, width: int, loc: float, scale: float, zoom: float, threshold: float
) -> NDArray[np.float64]:
    """Return a layer of flakes before they fall, (N, H, W, 1) of whole grey levels in 0..255."""
    layer = loc + scale * normal_fields(draws, "flakes", height, width, 1)
    flakes = separable(layer, [zoom_operator(height, zoom)], [zoom_operator(width, zoom)])
    flakes[flakes < threshold] = 0
    return to_uint8(flakes).astype(np.float64)


def whiten(unit: NDArray[np.floating], keep: float) -> NDArray[np.floating]:
    """Return images drawn towards a bright grey version of themselves, in their precision; grey is worked out in float32."""
    single = unit.astype(np.float32)
    grey = luma(single) if unit.shape[3] == 3 else single
    brighter = np.maximum(unit, grey * np.float32(1.5) + np.float32(0.5))
    kind = unit.dtype.type
    return np.asarray(kind(keep) * unit + kind(1 - keep) * brighter)


@corruption(
    group="weather",
    semantics=2,
    parameters={
        32: (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        64: (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
        ),
        224: (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
    },
    is_thresholded=True,
)
def snow(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Whiten, then add falling flakes and the same flakes turned by 180 degrees."""
    loc, scale, zoom, threshold, radius, sigma, keep = setting.parameters
    height, width = images.shape[1:3]
    levels = snow_levels(setting.draws, height, width, loc, scale, zoom, threshold)
    angles = -135.0 + 90.0 * setting.draws.uniforms(1, "angle")[:, 0]
    layer = move(levels, radius, sigma, angles) / 255.0
    white = whiten((images / 255.0).astype(np.float32), keep)
    return to_uint8(white + layer + layer[:, ::-1, ::-1])


@corruption(
    group="weather",
    semantics=1,
    parameters={
        32: ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
        64: ((1, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55)),
        224: ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    },
)
def frost(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Add a random crop of an image of frost; without given images, of procedural ice."""
    keep, strength = setting.parameters
    count, height, width, channels = images.shape
    frosts = reduced(setting.frost or procedural_ice(), setting.scale, height, width)
    which = setting.draws.integers(1, len(frosts), "picture")[:, 0]
    place = setting.draws.uniforms(2, "place")
    out = np.empty_like(images)
    for n in range(count):
        frost_image = frosts[which[n]]
        top = int(place[n, 0] * (frost_image.shape[0] - height))
        left = int(place[n, 1] * (frost_image.shape[1] - width))
        ice = frost_image[top : top + height, left : left + width].astype(np.float64)
        ice = ice if channels == 3 else luma(ice)
        out[n] = np.clip(keep * images[n] + strength * ice, 0, 255).astype(np.uint8)
    return out


@corruption(
    group="weather",
    semantics=1,
    parameters={
        32: ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        64: ((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
        224: ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    },
)
def fog(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Add a fractal height map and scale back to the image's own maximum."""
    amount, decay = setting.parameters
    height, width = images.shape[1:3]
    heights = plasma_maps(setting.draws, map_side(setting.scale, height, width), decay)[:, :height, :width, None]
    unit = images / 255.0
    largest = unit.max(axis=(1, 2, 3), keepdims=True)
    return to_uint8((unit + amount * heights) * largest / (largest + amount))


def map_side(scale: int, height: int, width: int) -> int:
    """Return the side of the height map: the smallest power of two that covers the image, at least 32."""
    side = 32 if scale < 224 else 256
    while side < max(height, width):
        side *= 2
    return side


def plasma_maps(draws: Draws, side: int, decay: float) -> NDArray[np.float64]:
    """Return fractal height maps in [0, 1] by diamond-square with wrap-around, (N, side, side).

    The mean of four neighbours is disturbed by `wibble * U(-wibble, wibble)`; wibble starts at 100 and is divided by `decay`
    whenever the step halves.
    """
    maps = 2.0 * uniform_fields(draws, "heights", side, side) - 1.0
    _diamond_square(maps, decay)
    return maps


@kernel()
def _diamond_square(maps, decay):  # type: ignore[no-untyped-def]
    """Turn maps of noise, (N, side, side), a power of two, into plasma, in place; `decay` divides the spread of each level."""
    count, side, _ = maps.shape
    wrap = side - 1
    for n in range(count):
        field = maps[n]
        field[0, 0] = 0.0
        step, wibble = side, 100.0
        while step >= 2:
            half, spread = step // 2, wibble * wibble
            for y in range(half, side, step):
                for x in range(half, side, step):
                    up, down, left, right = y - half, (y + half) & wrap, x - half, (x + half) & wrap
                    corners = field[up, left] + field[up, right] + field[down, left] + field[down, right]
                    field[y, x] = corners / 4.0 + spread * field[y, x]
            for y in range(0, side, half):
                for x in range(half - (y & half), side, step):
                    up, down, left, right = (y - half) & wrap, (y + half) & wrap, (x - half) & wrap, (x + half) & wrap
                    edges = field[up, x] + field[down, x] + field[y, left] + field[y, right]
                    field[y, x] = edges / 4.0 + spread * field[y, x]
            step, wibble = half, wibble / decay
        low, high = field.min(), field.max()
        for y in range(side):
            for x in range(side):
                field[y, x] = (field[y, x] - low) / (high - low)


def _warm_up() -> None:
    plasma_maps(Draws(0, "warm", 1, np.zeros(1, dtype=np.int64)), 8, 2.0)


WARM_UP = (_warm_up,)
