"""Dead leaves (squares): axis-aligned squares of random colour and power-law size painted over each other until none is black.

Baradad et al., "Learning to See by Looking at Noise" (NeurIPS 2021), and mbaradad/learning_with_noise, dead_leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel
from augment.kernels.counters import philox, uniform_at
from augment.lookup.parameters import AtMost
from augment.mixing_sets.contract import MixingSet, SetRequest
from augment.mixing_sets.images import render_each
from augment.mixing_sets.procedural.pixels import image_words

RADII: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLeavesConfig:
    """How squares are drawn.

    Attributes:
        canvas: Side of the canvas in pixels that the squares are painted on; the stored image is its reduction.
        max_squares: Squares after which painting stops even if black pixels remain.
        least_radius: Smallest radius as a share of the side; the density is r**-3 - 1 on 200 values up to 1.
    """

    canvas: Annotated[int, AtMost(4_096)] = 128
    max_squares: Annotated[int, AtMost(1_000_000)] = 5000
    least_radius: float = 0.03

    def __post_init__(self) -> None:
        if not 8 <= self.canvas <= 1024:
            raise ValueError(f"canvas must be between 8 and 1024 pixels, but got {self.canvas}")
        if self.max_squares < 1 or not 0 < self.least_radius < 1:
            raise ValueError(
                f"max_squares must be at least 1 and least_radius in (0, 1), but got {self.max_squares}, {self.least_radius}"
            )


class DeadLeavesSource:
    """Renders dead leaves by index."""

    chunk = 256
    is_threaded = True

    def __init__(self, config: DeadLeavesConfig, request: SetRequest) -> None:
        self._config, self._request = config, request
        self._steps = radius_steps(config.least_radius)

    def render(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of the indices, (N, S, S, C) uint8."""
        return render_each(indices, self._request, self._paint)

    def _paint(self, index: int) -> NDArray[np.uint8]:
        canvas = max(self._config.canvas, self._request.image_size)
        out = np.zeros((canvas, canvas, 3), np.uint8)
        words = image_words(self._request.seed, "dead-leaves", 0, index)
        paint_squares(words, self._steps, self._config.max_squares, out)
        return out


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

DEAD_LEAVES: Final = MixingSet(
    name="dead-leaves-squares",
    title="Dead Leaves (Squares)",
    semantics=1,
    config=DeadLeavesConfig,
    origin="procedural",
    num_images=14_230,
    build=DeadLeavesSource,
    what="Squares of random colour and power-law size painted over each other.",
    source="Baradad et al. (NeurIPS 2021); mbaradad/learning_with_noise, dead_leaves",
    kernels=WARM_UP,
)
