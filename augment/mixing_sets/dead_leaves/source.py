"""Dead leaves (squares): axis-aligned squares of random colour and power-law size painted over each other until none is black.

Baradad et al., "Learning to See by Looking at Noise" (NeurIPS 2021), and mbaradad/learning_with_noise, dead_leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from augment.mixing_sets.mixing_set import MixingSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from augment.mixing_sets.source import SetRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLeavesConfig:
    """How squares are drawn.

    Attributes:
        canvas: Side of the canvas in pixels that the squares are painted on; the stored image is its reduction.
        max_squares: Squares after which painting stops even if black pixels remain.
        least_radius: Smallest radius as a share of the side; the density is r**-3 - 1 on 200 values up to 1.
    """

    canvas: int = 128
    max_squares: int = 5000
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

    def render(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of the indices, (N, S, S, C) uint8."""
        import numpy as np

        from augment.mixing_sets.dead_leaves.kernel import paint_squares, radius_steps
        from augment.mixing_sets.decode import resize_image, to_channels
        from augment.mixing_sets.procedural.pixels import image_words

        config, request = self._config, self._request
        canvas = max(config.canvas, request.image_size)
        steps = radius_steps(config.least_radius)
        rgb = np.empty((len(indices), request.image_size, request.image_size, 3), np.uint8)
        for image, index in zip(rgb, indices, strict=True):
            out = np.zeros((canvas, canvas, 3), np.uint8)
            paint_squares(image_words(request.seed, "dead-leaves", 0, int(index)), steps, config.max_squares, out)
            image[:] = resize_image(out, request.image_size)
        return to_channels(rgb, request.num_channels)


def build_dead_leaves(config: DeadLeavesConfig, request: SetRequest) -> DeadLeavesSource:
    """Return the source of the set "dead-leaves-squares"."""
    return DeadLeavesSource(config, request)


ENTRIES: Final = (
    MixingSet(
        name="dead-leaves-squares",
        title="Dead Leaves (Squares)",
        semantics=1,
        config=DeadLeavesConfig,
        origin="procedural",
        num_pictures=14_230,
        build=build_dead_leaves,
        what="Squares of random colour and power-law size painted over each other.",
        source="Baradad et al. (NeurIPS 2021); mbaradad/learning_with_noise, dead_leaves",
    ),
)
