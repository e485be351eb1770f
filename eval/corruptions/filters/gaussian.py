"""Gaussian blur of batches of images, bit for bit as SciPy's filter adds up, so that truncated grey levels agree.

The order of a sum decides whether a flat region at 255 stays there or ends a grey level below: SciPy takes the middle first and
then pairs of neighbours, the outermost first, one axis after the other.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel

FloatImages = NDArray[np.float64]
Mode = Literal["nearest", "reflect", "wrap"]
_PADDING: Final[dict[Mode, Literal["edge", "symmetric", "wrap"]]] = {
    "nearest": "edge",
    "reflect": "symmetric",
    "wrap": "wrap",
}
"""SciPy's names of borders and NumPy's."""


def gaussian_filter(
    images: FloatImages, sigma: float, *, mode: Mode = "nearest", truncate: float = 4.0, across: bool = True
) -> FloatImages:
    """Return images (N, H, W, C) blurred per channel; the half-width is int(truncate * sigma + 0.5).

    Args:
        images: (N, H, W, C) float64.
        sigma: Width in pixels; at most 0 leaves the images as they are.
        mode: What is outside an image, in SciPy's words.
        truncate: Half-width in sigmas.
        across: Whether rows are blurred too; without, each column is blurred along itself only.
    """
    images = np.ascontiguousarray(images, dtype=np.float64)
    half = int(truncate * sigma + 0.5)
    if sigma <= 0:
        return images
    window = np.exp(-0.5 / (sigma * sigma) * np.arange(-half, half + 1) ** 2)
    window = (window / window.sum())[half:]
    height, width = images.shape[1:3]
    columns = _extended(width, half if across else 0, mode)
    return np.asarray(
        _blur(images, _extended(height, half, mode), columns, window, window[: half + 1 if across else 0])
    )


def _extended(size: int, half: int, mode: Mode) -> NDArray[np.int64]:
    """Return the source position of every position of an axis extended by `half` at both ends."""
    return np.pad(np.arange(size, dtype=np.int64), half, mode=_PADDING[mode])


@kernel()
def _blur(images, rows, columns, down, across):  # type: ignore[no-untyped-def]
    """Return images blurred along both axes, of their shape and type.

    Args:
        images: (N, H, W, C) floats.
        rows: Row that each row of the extended image is, (H + 2 * half,) integers; `columns` likewise for the width.
        down: Half of a symmetric window, its centre first, (half + 1,); `across` likewise, one value for no blur.
    """
    count, height, width, channels = images.shape
    out = np.empty_like(images)
    tall = np.empty((height, width * channels))
    wide = np.empty((len(columns), channels))
    half = len(down) - 1
    reach = len(across) - 1
    for n in range(count):
        flat = images[n].reshape(height, width * channels)
        for y in range(height):
            target, middle = tall[y], flat[rows[y + half]]
            for j in range(target.shape[0]):
                target[j] = middle[j] * down[0]
            for k in range(half, 0, -1):
                weight, above, below = down[k], flat[rows[y + half - k]], flat[rows[y + half + k]]
                for j in range(target.shape[0]):
                    target[j] += (above[j] + below[j]) * weight
            if reach < 0:
                out[n, y] = target.reshape(width, channels)
                continue
            for x in range(len(columns)):
                for c in range(channels):
                    wide[x, c] = target[columns[x] * channels + c]
            line, result = wide.reshape(-1), out[n, y].reshape(-1)
            for j in range(result.shape[0]):
                result[j] = line[j + reach * channels] * across[0]
            for k in range(reach, 0, -1):
                weight, left, right = across[k], (reach - k) * channels, (reach + k) * channels
                for j in range(result.shape[0]):
                    result[j] += (line[j + left] + line[j + right]) * weight
    return out


def _warm_up() -> None:
    gaussian_filter(np.zeros((1, 8, 8, 3)), 1.0)


WARM_UP = (_warm_up,)
