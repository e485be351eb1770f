"""From images in [0, 1] to grey levels, and between colour and grey."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def to_uint8(unit: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return images in [0, 1] as grey levels: clipped, scaled by 255, and truncated as the published scripts do."""
    scaled = np.clip(unit, 0.0, 1.0)
    scaled *= 255.0
    return np.asarray(scaled.astype(np.uint8))


def to_nearest(unit: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return images in [0, 1] as the nearest grey levels, as MNIST-C's authors do."""
    return np.asarray(np.rint(np.clip(unit, 0.0, 1.0) * 255.0).astype(np.uint8))


def truncated(levels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return grey levels clipped to 0..255 and truncated."""
    return np.asarray(np.clip(levels, 0, 255).astype(np.uint8))


def spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one number per image, (N,), in a shape that broadcasts over (N, H, W)."""
    return values[:, None, None]


def turned_grey(colour: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return colour images that came from grey ones as grey, (N, H, W, 3) -> (N, H, W, 1), by the weights of `luma`.

    Where the channels are still alike the value stays as it is: a weighted sum would end just below it, and truncation would
    make it a level darker.
    """
    red, green, blue = colour[..., 0:1], colour[..., 1:2], colour[..., 2:3]
    kind = colour.dtype.type
    return np.asarray(red + kind(0.587) * (green - red) + kind(0.114) * (blue - red))


def luma(images: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the brightness of colour images, (N, H, W, 3) -> (N, H, W, 1), by the weights .299, .587, .114."""
    weights = np.asarray([0.299, 0.587, 0.114], dtype=images.dtype)
    return np.asarray((images[..., 0:1] * weights[0] + images[..., 1:2] * weights[1]) + images[..., 2:3] * weights[2])
