"""The painting of dead leaves, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from augment.kernels.compiled import kernel
from augment.kernels.counters import philox, uniform_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

RADII: Final = 200


def radius_steps(least: float) -> NDArray[np.float64]:
    """Return the radii and their cumulative probabilities, (2, 200): weight r**-3 - 1, which is zero at r = 1."""
    radii = np.linspace(least, 1.0, RADII)
    weights = radii**-3 - 1.0
    return np.stack([radii, np.cumsum(weights) / weights.sum()])


@kernel()
def paint_squares(words, steps, max_squares, out):  # type: ignore[no-untyped-def]
    """Paint squares over a black image until no pixel is black.

    Args:
        words: (key0, key1, stream, epoch, index) of the image's random numbers, (5,) uint64.
        steps: Radii as a share of the side and their cumulative probabilities, (2, K) float64.
        max_squares: Squares after which painting stops.
        out: Black image, (S, S, 3) uint8, painted in place. The squares' side is radius * sqrt(2).
    """
    size = out.shape[0]
    left_black = size * size
    for square in range(max_squares):
        if left_black == 0:
            return
        w0, w1, w2, _ = philox(2 * square, words[4], words[3], words[2], words[0], words[1])
        u = uniform_at(4 * square + 2, words[4], words[3], words[2], words[0], words[1])
        radius = steps[0, min(np.searchsorted(steps[1], u, side="right"), steps.shape[1] - 1)]
        half = max(1, int(radius * size)) * np.sqrt(2.0) / 2.0
        column, row = int(w0 * np.uint64(size) >> np.uint64(32)), int(w1 * np.uint64(size) >> np.uint64(32))
        red, green, blue = np.uint8(w2 & 255), np.uint8((w2 >> 8) & 255), np.uint8((w2 >> 16) & 255)
        top, bottom = max(0, int(np.ceil(row - half))), min(size - 1, int(np.floor(row + half)))
        left, right = max(0, int(np.ceil(column - half))), min(size - 1, int(np.floor(column + half)))
        is_black = red == 0 and green == 0 and blue == 0
        for i in range(top, bottom + 1):
            for j in range(left, right + 1):
                was_black = out[i, j, 0] == 0 and out[i, j, 1] == 0 and out[i, j, 2] == 0
                out[i, j, 0], out[i, j, 1], out[i, j, 2] = red, green, blue
                left_black += int(is_black) - int(was_black)


def _warm_up() -> None:
    paint_squares(np.zeros(5, np.uint64), radius_steps(0.1), 10, np.zeros((8, 8, 3), np.uint8))


WARM_UP = (_warm_up,)
