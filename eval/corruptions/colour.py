"""Changes of colour that need no neighbours: brightness, contrast and saturation.

Brightness and saturation are shifts of the hexcone model's V and S at constant hue. A value is then a closed form of itself and
of its pixel's largest and smallest value, so no picture goes through HSV and back.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.compiled import kernel
from eval.corruptions.setting import CorruptionKernel, Setting, luma, to_nearest, to_uint8


@functools.lru_cache(maxsize=64)
def brightness_table(shift: float, *, nearest: bool = False) -> NDArray[np.uint8]:
    """Return the new grey level by (largest value of the pixel, value), (256, 256).

    With V' = clip(V + shift, 0, 1), a value x of a pixel with V > 0 becomes x V' / V; a black pixel becomes grey V'.
    Results are truncated, or rounded with `nearest`.
    """
    value = np.arange(256, dtype=np.float64) / 255.0
    lifted = np.clip(value + shift, 0, 1)[:, None]
    ratio = np.divide(value[None, :], value[:, None], out=np.ones((256, 256)), where=value[:, None] > 0)
    return (to_nearest if nearest else to_uint8)(lifted * ratio)


def lift(images: NDArray[np.uint8], shift: float, *, nearest: bool = False) -> NDArray[np.uint8]:
    """Return pictures with V raised by `shift` (a fraction, may be negative), same shape."""
    return np.asarray(_look_up(np.ascontiguousarray(images), brightness_table(shift, nearest=nearest)))


def brightness(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Raise V of every pixel."""
    return lift(images, setting.parameters[0])


def contrast(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Draw each channel towards its mean over the picture."""
    unit = images / 255.0
    means = np.stack([picture.mean(axis=(0, 1), keepdims=True) for picture in unit])
    return to_uint8((unit - means) * setting.parameters[0] + means)


def saturate(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Scale and shift S of every pixel.

    Grey pixels have hue 0, so that a shift tints them red, as published. One-channel pictures are treated as colour pictures
    and turned grey again.
    """
    factor, shift = setting.parameters
    unit = images / 255.0
    if images.shape[3] == 1:
        return to_uint8(luma(_saturated(np.repeat(unit, 3, axis=3), factor, shift)))
    return to_uint8(_saturated(unit, factor, shift))


def _saturated(unit: NDArray[np.float64], factor: float, shift: float) -> NDArray[np.float64]:
    value = unit.max(axis=3, keepdims=True)
    spread = value - unit.min(axis=3, keepdims=True)
    saturation = np.divide(spread, value, out=np.zeros_like(value), where=value > 0)
    wanted = np.clip(saturation * factor + shift, 0, 1)
    below = np.divide(value - unit, spread, out=np.zeros_like(unit), where=spread > 0)
    below = np.where(spread > 0, below, np.array([0.0, 1.0, 1.0]))
    return np.asarray(value - value * wanted * below)


@kernel()
def _look_up(images, table):  # type: ignore[no-untyped-def]
    out = np.empty_like(images)
    count, height, width, channels = images.shape
    for n in range(count):
        for y in range(height):
            for x in range(width):
                value = images[n, y, x, 0]
                for c in range(1, channels):
                    value = max(value, images[n, y, x, c])
                for c in range(channels):
                    out[n, y, x, c] = table[value, images[n, y, x, c]]
    return out


KERNELS: Final[Mapping[str, CorruptionKernel]] = {
    "brightness": brightness,
    "contrast": contrast,
    "saturate": saturate,
}


def _warm_up() -> None:
    lift(np.zeros((1, 8, 8, 3), dtype=np.uint8), 0.1)


WARM_UP = (_warm_up,)
