"""Changes of colour that need no neighbours: brightness, contrast and saturation.

Brightness and saturation shift V and S of the hexcone model at constant hue. Pixels go there and back in the order of operations
of scikit-image's `rgb2hsv` and `hsv2rgb`: results are truncated, so that a shorter formula ends a grey level higher in places.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel
from eval.corruptions.contract import Parameters, Setting, corruption, each
from eval.corruptions.levels import to_nearest, to_uint8, turned_grey


def lift(images: NDArray[np.uint8], shift: float, *, nearest: bool = False) -> NDArray[np.uint8]:
    """Return images with V raised by `shift` (a fraction, may be negative), same shape; truncated, or rounded with `nearest`."""
    unit = images / 255.0
    lifted = np.clip(unit + shift, 0, 1) if images.shape[3] == 1 else _through_hsv(unit, 1.0, 0.0, shift)
    return (to_nearest if nearest else to_uint8)(lifted)


def _tints_grey(parameters: Parameters, channels: int) -> bool:
    """Return whether saturation changes: grey has none that could be scaled, only a shift adds some."""
    return channels == 3 or parameters[1] != 0.0


@corruption(
    group="weather",
    semantics=2,
    parameters={
        32: each(0.05, 0.1, 0.15, 0.2, 0.3),
        64: each(0.1, 0.2, 0.3, 0.4, 0.5),
        224: each(0.1, 0.2, 0.3, 0.4, 0.5),
    },
    is_random=False,
)
def brightness(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Raise V of every pixel."""
    return lift(images, setting.parameters[0])


@corruption(
    group="digital",
    semantics=1,
    parameters={
        32: each(0.75, 0.5, 0.4, 0.3, 0.15),
        64: each(0.4, 0.3, 0.2, 0.1, 0.05),
        224: each(0.4, 0.3, 0.2, 0.1, 0.05),
    },
    is_random=False,
)
def contrast(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Draw each channel towards its mean over the image."""
    unit = images / 255.0
    means = np.stack([image.mean(axis=(0, 1), keepdims=True) for image in unit])
    return to_uint8((unit - means) * setting.parameters[0] + means)


@corruption(
    group="digital",
    semantics=2,
    parameters={
        32: ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
        64: ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)),
        224: ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    },
    is_random=False,
    is_extra=True,
    changes=_tints_grey,
)
def saturate(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Scale and shift S of every pixel.

    Grey pixels have hue 0, so that a shift tints them red, as published. One-channel images are treated as colour images and
    turned grey again; without a shift they stay as they are, and plans refuse that.
    """
    factor, shift = setting.parameters
    unit = images / 255.0
    if images.shape[3] == 1:
        return to_uint8(turned_grey(_through_hsv(np.repeat(unit, 3, axis=3), factor, shift, 0.0)))
    return to_uint8(_through_hsv(unit, factor, shift, 0.0))


@kernel()
def _through_hsv(unit, factor, saturation, lightness):  # type: ignore[no-untyped-def]
    """Return colour images in [0, 1] whose S became clip(S * factor + saturation) and whose V clip(V + lightness)."""
    out = np.empty_like(unit)
    count, height, width, _ = unit.shape
    for n in range(count):
        for y in range(height):
            for x in range(width):
                r, g, b = unit[n, y, x, 0], unit[n, y, x, 1], unit[n, y, x, 2]
                v = max(r, g, b)
                spread = v - min(r, g, b)
                s, hue = 0.0, 0.0
                if spread > 0.0:
                    s = spread / v
                    if b == v:
                        hue = 4.0 + (r - g) / spread
                    elif g == v:
                        hue = 2.0 + (b - r) / spread
                    else:
                        hue = (g - b) / spread
                    hue = (hue / 6.0) % 1.0
                s = min(max(s * factor + saturation, 0.0), 1.0)
                v = min(max(v + lightness, 0.0), 1.0)
                sector = np.int64(hue * 6.0) % 6
                part = hue * 6.0 - np.floor(hue * 6.0)
                p, q, t = v * (1.0 - s), v * (1.0 - part * s), v * (1.0 - (1.0 - part) * s)
                if sector == 0:
                    r, g, b = v, t, p
                elif sector == 1:
                    r, g, b = q, v, p
                elif sector == 2:
                    r, g, b = p, v, t
                elif sector == 3:
                    r, g, b = p, q, v
                elif sector == 4:
                    r, g, b = t, p, v
                else:
                    r, g, b = v, p, q
                out[n, y, x, 0], out[n, y, x, 1], out[n, y, x, 2] = r, g, b
    return out


def _warm_up() -> None:
    lift(np.zeros((1, 8, 8, 3), dtype=np.uint8), 0.1)


WARM_UP = (_warm_up,)
