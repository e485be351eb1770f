"""Canny's edges as scikit-image finds them: smoothed gradients, thinned by interpolation, kept by two thresholds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment.heavy import scipy
from augment.kernels.compiled import kernel


def thin_edges(images: NDArray[np.float64], sigma: float, low: float, high: float) -> NDArray[np.bool_]:
    """Return the edges of images in [0, 1], (N, H, W).

    Smoothing leaves out what is beyond the border; the outermost pixels are never edges.

    Args:
        images: (N, H, W) float64.
        sigma: Width of the Gaussian that smooths.
        low: Least gradient of an edge pixel.
        high: Least gradient that an edge must reach somewhere.
    """
    return np.stack([_edges(image, sigma, low, high) for image in images]) if len(images) else images.astype(bool)


def _edges(image: NDArray[np.float64], sigma: float, low: float, high: float) -> NDArray[np.bool_]:
    inside = scipy.ndimage.gaussian_filter(np.ones_like(image), sigma, mode="constant") + np.finfo(np.float64).eps
    smooth = scipy.ndimage.gaussian_filter(image, sigma, mode="constant") / inside
    down, across = scipy.ndimage.sobel(smooth, axis=0), scipy.ndimage.sobel(smooth, axis=1)
    strength = np.sqrt(down * down + across * across)
    kept = np.asarray(_crests(down, across, strength, low))
    labels, count = scipy.ndimage.label(kept, np.ones((3, 3), dtype=bool))
    strong = np.zeros(count + 1, dtype=bool)
    strong[labels[kept & (strength >= high)]] = True
    strong[0] = False
    return np.asarray(strong[labels])


@kernel()
def _crests(down, across, strength, low):  # type: ignore[no-untyped-def]
    """Keep pixels that no interpolated neighbour along the gradient exceeds."""
    height, width = strength.shape
    kept = np.zeros((height, width), dtype=np.bool_)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            here, gy, gx = strength[y, x], down[y, x], across[y, x]
            if here < low or here == 0.0:
                continue
            way = 1 if (gy >= 0 and gx >= 0) or (gy <= 0 and gx <= 0) else -1
            if abs(gy) > abs(gx):
                share = abs(gx) / abs(gy)
                ahead = strength[y + 1, x + way] * share + strength[y + 1, x] * (1.0 - share)
                behind = strength[y - 1, x - way] * share + strength[y - 1, x] * (1.0 - share)
            else:
                share = abs(gy) / abs(gx)
                ahead = strength[y + way, x + 1] * share + strength[y, x + 1] * (1.0 - share)
                behind = strength[y - way, x - 1] * share + strength[y, x - 1] * (1.0 - share)
            kept[y, x] = ahead <= here and behind <= here
    return kept


def _warm_up() -> None:
    thin_edges(np.zeros((1, 8, 8)), 1.0, 0.1, 0.2)


WARM_UP = (_warm_up,)
