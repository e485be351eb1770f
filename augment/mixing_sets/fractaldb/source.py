"""FractalDB: random affine systems that fill enough of their frame, rendered with random 3 x 3 stamps in grey.

Kataoka et al., "Pre-training without Natural Images" (ACCV 2020), and hirokatsukataoka16/FractalDB-Pretrained-ResNet-PyTorch
(param_search, fractal_renderer). An image's category is its index modulo the number of categories; its instance runs through
25 weight vectors, then 10 stamp draws, then 4 flips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from augment.mixing_sets.mixing_set import MixingSet
from augment.mixing_sets.source import MixingSetError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from augment.mixing_sets.source import SetRequest

MAX_ATTEMPTS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FractalDbConfig:
    """The search for categories and the rendering of their instances.

    Attributes:
        num_categories: Categories that are searched for.
        filling_rate: Least share of lit pixels of a category's search rendering.
        search_side: Side of the search rendering in pixels (with a border of 6).
        search_points: Points of the search rendering.
        render_side: Side that images are rendered at in pixels; the stored image is its reduction.
        points: Points of an image.
        weight: Strength w of the instance weights {1 - 2w, 1 - w, 1 + w, 1 + 2w}.
    """

    num_categories: int = 1000
    filling_rate: float = 0.2
    search_side: int = 512
    search_points: int = 100_000
    render_side: int = 362
    points: int = 200_000
    weight: float = 0.4

    def __post_init__(self) -> None:
        if self.num_categories < 1 or min(self.search_points, self.points) < 1000:
            raise ValueError(
                "num_categories must be at least 1 and points at least 1000, "
                f"but got {self.num_categories}, {self.search_points}, {self.points}"
            )
        if not 0 < self.filling_rate < 0.5 or not 32 <= min(self.search_side, self.render_side) <= 1024:
            raise ValueError(
                "filling_rate must be in (0, 0.5), search_side and render_side between 32 and 1024 pixels, "
                f"but got {self.filling_rate}, {self.search_side}, {self.render_side}"
            )


class FractalDbSource:
    """Renders FractalDB images by index; categories are searched for when they are first needed."""

    chunk = 64
    is_threaded = True

    def __init__(self, config: FractalDbConfig, request: SetRequest) -> None:
        self._config, self._request = config, request
        self._categories: dict[int, NDArray[np.float64]] = {}

    def render(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of the indices, (N, S, S, C) uint8; grey also where three channels are wanted."""
        import numpy as np

        from augment.mixing_sets.decode import resize_image, to_channels
        from augment.mixing_sets.fractaldb.kernel import render_instance
        from augment.mixing_sets.procedural.pixels import image_words

        config, request = self._config, self._request
        size = request.image_size
        rgb = np.empty((len(indices), size, size, 3), np.uint8)
        for image, index in zip(rgb, indices, strict=True):
            category, instance = int(index) % config.num_categories, int(index) // config.num_categories
            words = image_words(request.seed, "fractaldb/stamps", instance // 25 % 10, category)
            grey = np.zeros((config.render_side, config.render_side), np.uint8)
            flip = instance // 250 % 4
            render_instance(self.category(category), instance % 25, config.weight, flip, words, config.points, grey)
            image[:] = resize_image(np.repeat(grey[..., None], 3, axis=2), size)
        return to_channels(rgb, request.num_channels)

    def category(self, category: int) -> NDArray[np.float64]:
        """Return the affine maps of a category, (K, 6) float64: the first random system that fills its frame.

        Raises:
            MixingSetError: If no system of 10,000 fills the frame.
        """
        from augment.mixing_sets.fractaldb.kernel import draw_system, filling_rate
        from augment.mixing_sets.procedural.pixels import image_words

        found = self._categories.get(category)
        if found is not None:
            return found
        config = self._config
        for attempt in range(MAX_ATTEMPTS):
            words = image_words(self._request.seed, "fractaldb/search", attempt, category)
            maps: NDArray[np.float64] = draw_system(words)
            if filling_rate(maps, words, config.search_side, config.search_points) >= config.filling_rate:
                self._categories[category] = maps
                return maps
        raise MixingSetError(
            f"no system of {MAX_ATTEMPTS} fills {config.filling_rate:.0%} of its frame; lower filling_rate or raise search_points"
        )


def build_fractaldb(config: FractalDbConfig, request: SetRequest) -> FractalDbSource:
    """Return the source of the set "fractaldb"."""
    return FractalDbSource(config, request)


ENTRIES: Final = (
    MixingSet(
        name="fractaldb",
        title="FractalDB",
        semantics=1,
        config=FractalDbConfig,
        origin="procedural",
        num_pictures=14_230,
        build=build_fractaldb,
        what="Affine systems found by filling rate, rendered in grey with random 3 x 3 stamps.",
        source="Kataoka et al. (ACCV 2020); hirokatsukataoka16/FractalDB-Pretrained-ResNet-PyTorch, settings of exe.sh",
    ),
)
