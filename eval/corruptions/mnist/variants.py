"""The corruptions of MNIST-C that are variants of those of C; results are rounded, not truncated."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from eval.corruptions.c.blur import move
from eval.corruptions.c.colour import lift
from eval.corruptions.c.glass import displace
from eval.corruptions.c.noise import add_noise, impulse_cumulative, noise_table, shot_cumulative
from eval.corruptions.c.spatter import liquid_layer
from eval.corruptions.c.weather import plasma_maps
from eval.corruptions.contract import Setting, corruption
from eval.corruptions.filters.gaussian import gaussian_filter
from eval.corruptions.levels import to_nearest, to_uint8

PUBLISHED_SIDE: Final = 28
PUBLISHED_MAP: Final = 256
MUD_LEVEL: Final = 63 / 255


def proportion(images: NDArray[np.uint8]) -> float:
    """Return what lengths published at 28 px are multiplied by."""
    return float(min(images.shape[1:3]) / PUBLISHED_SIDE)


@corruption(group="noise", semantics=1, parameters={28: ((3,),)})
def shot_noise(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Count photons, three at white."""
    return add_noise(images, noise_table(shot_cumulative, setting.parameters[0]), setting.draws)


@corruption(group="noise", semantics=1, parameters={28: ((0.17,),)}, is_thresholded=True)
def impulse_noise(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Turn 17 % of the values black or white."""
    return add_noise(images, noise_table(impulse_cumulative, setting.parameters[0]), setting.draws)


@corruption(group="blur", semantics=2, parameters={28: ((0.7, 1, 2, 0.5),)}, is_thresholded=True)
def glass_blur(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Swap every other pixel with a neighbour between two blurs.

    The published blur treats the columns of a grey image as channels and so runs down only; this one does too.
    """
    sigma, delta, passes, likelihood = setting.parameters
    sigma, delta = sigma * proportion(images), max(1, round(delta * proportion(images)))
    levels = to_uint8(gaussian_filter(images / 255.0, sigma, across=False))
    swapped = displace(levels, setting.draws, delta, int(passes), likelihood=likelihood, copies=False)
    return to_nearest(gaussian_filter(swapped / 255.0, sigma, across=False))


@corruption(group="blur", semantics=2, parameters={28: ((10, 3),)})
def motion_blur(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Smear along an angle uniform in (-45, 45) degrees."""
    radius, sigma = (parameter * proportion(images) for parameter in setting.parameters)
    angles = -45.0 + 90.0 * setting.draws.uniforms(1, "angle")[:, 0]
    return move(images.astype(np.float64), max(1, round(radius)), sigma, angles)


@corruption(group="weather", semantics=1, parameters={28: ((0.5,),)}, is_random=False)
def brightness(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Raise V of every pixel by one half."""
    return lift(images, setting.parameters[0], nearest=True)


@corruption(group="weather", semantics=1, parameters={28: ((3, 1.4),)})
def fog(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Add a corner of a large fractal height map."""
    amount, decay = setting.parameters
    height, width = images.shape[1:3]
    side = PUBLISHED_MAP
    while side < max(height, width):
        side *= 2
    heights = np.concatenate(  # one map at a time: each is far larger than the image
        [plasma_maps(setting.draws.part(slice(n, n + 1)), side, decay)[:, :height, :width] for n in range(len(images))]
        or [np.zeros((0, height, width))]
    )
    unit = images / 255.0
    largest = unit.max(axis=(1, 2, 3), keepdims=True)
    return to_nearest((unit + amount * heights[..., None]) * largest / (largest + amount))


@corruption(group="weather", semantics=1, parameters={28: ((0.65, 0.3, 1, 0.65, 1.5),)}, is_thresholded=True)
def spatter(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Lay grey blots over."""
    loc, scale, sigma, threshold, soft = setting.parameters
    height, width = images.shape[1:3]
    layer = liquid_layer(setting.draws, height, width, loc, scale, sigma * proportion(images), threshold)
    blots = gaussian_filter((layer > threshold).astype(np.float64), soft * proportion(images))
    blots[blots < 0.8] = 0
    return to_nearest(images / 255.0 * (1 - blots) + blots * MUD_LEVEL)
