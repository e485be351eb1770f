"""Spatter: drops of water, or of mud, on the lens."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from eval.corruptions.c.edges import box_blur, canny, chamfer_distance, correlate_levels, equalise
from eval.corruptions.contract import Draws, Setting, corruption
from eval.corruptions.fields import normal_fields
from eval.corruptions.filters.gaussian import gaussian_filter
from eval.corruptions.levels import to_uint8, turned_grey

WATER: Final = (175.0, 238.0, 238.0)
MUD: Final = (63.0, 42.0, 20.0)
_RELIEF: Final = np.array([[-2.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 2.0]])


def liquid_layer(
    draws: Draws, height: int, width: int, loc: float, scale: float, sigma: float, threshold: float
) -> NDArray[np.float64]:
    """Return smooth noise above a threshold, zero elsewhere, (N, H, W, 1)."""
    noise = loc + scale * normal_fields(draws, "liquid", height, width, 1)
    layer = gaussian_filter(noise, sigma)
    layer[layer < threshold] = 0
    return layer


def water_mask(layer: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the brightness of drops: the layer's grey levels, weighted by relief from the distance to its edges.

    Levels above 255 start again at 0, as published; where the layer is empty everywhere the mask is zero, not undefined.
    """
    levels = (layer * 255.0).astype(np.int64).astype(np.uint8)
    distance = np.minimum(chamfer_distance(canny(levels[..., 0], 50, 150)), 20)
    relief = equalise(box_blur(distance).astype(np.uint8))
    lit = np.rint(box_blur(correlate_levels(relief.astype(np.float64), _RELIEF).astype(np.float64)))
    drops = levels * lit[..., None].astype(np.float32)
    largest = drops.max(axis=(1, 2, 3), keepdims=True)
    return np.asarray(np.divide(drops, largest, out=np.zeros_like(drops), where=largest > 0))


@corruption(
    group="weather",
    semantics=2,
    parameters={
        32: (
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
        64: (
            (0.62, 0.1, 0.7, 0.7, 0.6, 0),
            (0.65, 0.1, 0.8, 0.7, 0.6, 0),
            (0.65, 0.3, 1, 0.69, 0.6, 0),
            (0.65, 0.1, 0.7, 0.68, 0.6, 1),
            (0.65, 0.1, 0.5, 0.67, 0.6, 1),
        ),
        224: (
            (0.65, 0.3, 4, 0.69, 0.6, 0),
            (0.65, 0.3, 3, 0.68, 0.6, 0),
            (0.65, 0.3, 2, 0.68, 0.5, 0),
            (0.65, 0.3, 1, 0.65, 1.5, 1),
            (0.67, 0.4, 1, 0.65, 1.5, 1),
        ),
    },
    is_thresholded=True,
    is_extra=True,
)
def spatter(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Add water (severities 1 to 3) or mud (4 and 5); grey images are treated as colour and turned grey again."""
    loc, scale, sigma, threshold, amount, is_mud = setting.parameters
    unit = (images / 255.0).astype(np.float32)
    colour = np.repeat(unit, 3, axis=3) if images.shape[3] == 1 else unit
    height, width = images.shape[1:3]
    layer = liquid_layer(setting.draws, height, width, loc, scale, sigma, threshold)
    wet = add_mud(colour, layer, threshold, amount) if is_mud else add_water(colour, layer, amount)
    return to_uint8(wet if images.shape[3] == 3 else turned_grey(wet))


def add_water(colour: NDArray[np.float32], layer: NDArray[np.float64], amount: float) -> NDArray[np.float32]:
    """Return colour images in [0, 1] with pale drops added."""
    tint = np.asarray(WATER, dtype=np.float32) / np.float32(255)
    return np.asarray(np.clip(colour + water_mask(layer) * np.float32(amount) * tint, 0, 1))


def add_mud(
    colour: NDArray[np.float32], layer: NDArray[np.float64], threshold: float, sigma: float
) -> NDArray[np.float32]:
    """Return colour images in [0, 1] with brown blots laid over."""
    blots = gaussian_filter((layer > threshold).astype(np.float64), sigma).astype(np.float32)
    blots[blots < 0.8] = 0
    tint = np.asarray(MUD, dtype=np.float32) / np.float32(255)
    return np.asarray(np.clip(colour * (1 - blots) + blots * tint, 0, 1))
