"""FractalDB: random affine systems that fill enough of their frame, rendered with random 3 x 3 stamps in grey.

Kataoka et al., "Pre-training without Natural Images" (ACCV 2020), and hirokatsukataoka16/FractalDB-Pretrained-ResNet-PyTorch
(param_search, fractal_renderer). An image's category is its index modulo the number of categories; its instance runs through
25 weight vectors, then 10 stamp draws, then 4 flips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel
from augment.kernels.counters import philox, uniform_at
from augment.lookup.parameters import AtMost
from augment.mixing_sets.contract import MixingSet, MixingSetError, SetRequest
from augment.mixing_sets.images import render_each
from augment.mixing_sets.procedural.pixels import image_words

MAX_ATTEMPTS: Final = 10_000
BORDER_PX: Final = 6
GREY: Final = np.uint8(127)
FAR: Final = 1e6


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

    num_categories: Annotated[int, AtMost(1_000_000)] = 1000
    filling_rate: float = 0.2
    search_side: Annotated[int, AtMost(4_096)] = 512
    search_points: Annotated[int, AtMost(10_000_000)] = 100_000
    render_side: Annotated[int, AtMost(4_096)] = 362
    points: Annotated[int, AtMost(100_000_000)] = 200_000
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
        return render_each(indices, self._request, self._stamp)

    def _stamp(self, index: int) -> NDArray[np.uint8]:
        config = self._config
        instance, category = divmod(index, config.num_categories)
        words = image_words(self._request.seed, "fractaldb/stamps", instance // 25 % 10, category)
        grey = np.zeros((config.render_side, config.render_side), np.uint8)
        flip = instance // 250 % 4
        render_instance(self.category(category), instance % 25, config.weight, flip, words, config.points, grey)
        return np.repeat(grey[..., None], 3, axis=2)

    def category(self, category: int) -> NDArray[np.float64]:
        """Return the affine maps of a category, (K, 6) float64: the first random system that fills its frame.

        Raises:
            MixingSetError: If no system of 10,000 fills the frame.
        """
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


@kernel()
def draw_system(words):  # type: ignore[no-untyped-def]
    """Return 2 to 7 affine maps with coefficients uniform in [-1, 1], (K, 6) float64; `words` as for `render_instance`."""
    num = 2 + int(6 * uniform_at(0, words[4], words[3], words[2], words[0], words[1]))
    maps = np.empty((num, 6))
    for m in range(num):
        for i in range(6):
            maps[m, i] = 2.0 * uniform_at(1 + 6 * m + i, words[4], words[3], words[2], words[0], words[1]) - 1.0
    return maps


@kernel()
def play_affine(maps, words, points):  # type: ignore[no-untyped-def]
    """Return the orbit of the origin, (P, 2) float64 with P <= points: it ends where it leaves [-1e6, 1e6].

    A map's probability is the share of its |ad - bc|; the random numbers are those of slots 1000 on, one call for four points.
    """
    num = maps.shape[0]
    shares = np.empty(num)
    for m in range(num):
        shares[m] = abs(maps[m, 0] * maps[m, 3] - maps[m, 1] * maps[m, 2])
    bounds = np.cumsum(shares) / shares.sum()
    orbit = np.empty((points, 2))
    x, y = 0.0, 0.0
    w0, w1, w2, w3 = philox(1000, words[4], words[3], words[2], words[0], words[1])
    for p in range(points):
        if p & 3 == 0:
            w0, w1, w2, w3 = philox(1000 + (p >> 2), words[4], words[3], words[2], words[0], words[1])
        u = w0 / 4294967296.0
        w0, w1, w2 = w1, w2, w3
        m = 0
        while m < num - 1 and u >= bounds[m]:
            m += 1
        x, y = maps[m, 0] * x + maps[m, 1] * y + maps[m, 4], maps[m, 2] * x + maps[m, 3] * y + maps[m, 5]
        if not (abs(x) < FAR and abs(y) < FAR):
            return orbit[:p]
        orbit[p, 0], orbit[p, 1] = x, y
    return orbit


@kernel()
def to_frame(orbit, side, cells):  # type: ignore[no-untyped-def]
    """Write the (row, column) of each point, the orbit's box stretched to the frame without its border, to (P, 2) int64.

    `orbit` is (P, 2) float64 with P of at least 1, `side` the frame's in pixels.
    """
    low_x, high_x, low_y, high_y = orbit[0, 0], orbit[0, 0], orbit[0, 1], orbit[0, 1]
    for p in range(orbit.shape[0]):
        low_x, high_x = min(low_x, orbit[p, 0]), max(high_x, orbit[p, 0])
        low_y, high_y = min(low_y, orbit[p, 1]), max(high_y, orbit[p, 1])
    border = min(BORDER_PX, side // 8)
    inner = float(side - 2 * border - 1)
    scale_x, scale_y = inner / max(high_x - low_x, 1e-12), inner / max(high_y - low_y, 1e-12)
    for p in range(orbit.shape[0]):
        cells[p, 0] = int((orbit[p, 1] - low_y) * scale_y) + border
        cells[p, 1] = int((orbit[p, 0] - low_x) * scale_x) + border


@kernel()
def filling_rate(maps, words, side, points):  # type: ignore[no-untyped-def]
    """Return the share of lit pixels of single-pixel points on a side x side frame."""
    orbit = play_affine(maps, words, points)
    if orbit.shape[0] < 2:
        return 0.0
    cells = np.empty(orbit.shape, np.int64)
    to_frame(orbit, side, cells)
    lit = np.zeros((side, side), np.bool_)
    for p in range(cells.shape[0]):
        lit[cells[p, 0], cells[p, 1]] = True
    return lit.sum() / (side * side)


@kernel()
def weigh(maps, vector, weight):  # type: ignore[no-untyped-def]
    """Return the maps with one of their six coefficients multiplied: vector 0 changes nothing, 1 to 24 are 6 x 4 factors."""
    out = maps.copy()
    if vector > 0:
        coefficient, factor = (vector - 1) // 4, (vector - 1) % 4
        strength = (-2.0, -1.0, 1.0, 2.0)[factor]
        out[:, coefficient] *= 1.0 + strength * weight
    return out


@kernel()
def render_instance(maps, vector, weight, flip, words, points, out):  # type: ignore[no-untyped-def]
    """Stamp every point of an instance with a random 3 x 3 mask in grey 127 on black.

    Args:
        maps: Affine maps of the category, (K, 6) float64 in the order a, b, c, d, e, f.
        vector: Weight vector, 0 to 24.
        weight: Strength of the weights.
        flip: 0 none, 1 vertical, 2 horizontal, 3 both.
        words: Identity of the stamps' random numbers, (5,) uint64; orbits use the same in every instance of a category.
        points: Points to stamp.
        out: Black image, (S, S) uint8, written in place.
    """
    side = out.shape[0]
    orbit_words = words.copy()
    orbit_words[3] = 0
    orbit = play_affine(weigh(maps, vector, weight), orbit_words, points)
    if orbit.shape[0] < points // 10:  # this weight makes the system diverge: fall back on the category itself
        orbit = play_affine(maps, orbit_words, points)
    cells = np.empty(orbit.shape, np.int64)
    to_frame(orbit, side, cells)
    for p in range(cells.shape[0]):
        w0, _, _, _ = philox(10_000_000 + p, words[4], words[3], words[2], words[0], words[1])
        mask = 1 + int(w0 % np.uint64(511))
        for bit in range(9):
            row, column = cells[p, 0] + bit // 3 - 1, cells[p, 1] + bit % 3 - 1
            if (mask >> bit) & 1 and row >= 0 and column >= 0 and row < side and column < side:
                i = side - 1 - row if flip & 1 else row
                j = side - 1 - column if flip & 2 else column
                out[i, j] = GREY


def _warm_up() -> None:
    words = np.zeros(5, np.uint64)
    maps = draw_system(words)
    filling_rate(maps, words, 32, 100)
    render_instance(maps, 1, 0.4, 0, words, 100, np.zeros((16, 16), np.uint8))


WARM_UP = (_warm_up,)


FRACTALDB: Final = MixingSet(
    name="fractaldb",
    title="FractalDB",
    semantics=1,
    config=FractalDbConfig,
    origin="procedural",
    num_images=14_230,
    build=FractalDbSource,
    what="Affine systems found by filling rate, rendered in grey with random 3 x 3 stamps.",
    source="Kataoka et al. (ACCV 2020); hirokatsukataoka16/FractalDB-Pretrained-ResNet-PyTorch, settings of exe.sh",
    unstated="colour and number of FractalDB images",
    kernels=WARM_UP,
)
