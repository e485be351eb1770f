"""Fractals: colour iterated function systems, flames and escape-time images, filtered for structure.

The published images are 14,230 hand-picked works without a generator, so this set takes their place. The filter is the
automatic counterpart of the picking: little entropy, one colour nearly everywhere or hardly any edges are drawn again. It looks
at a preview of 64 pixels, so that a set has the same images at every size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.kernels.counters import SampleKeys, uniforms
from augment.mixing_sets.contract import MixingSet, SetRequest
from augment.mixing_sets.procedural import pixels
from augment.mixing_sets.procedural.fractals import escape_time, flames
from augment.mixing_sets.procedural.fractals.escape_time import render_escape
from augment.mixing_sets.procedural.fractals.flames import render_flame
from augment.mixing_sets.procedural.pixels import image_words, native_side, store, structure

NATIVE_SIDE: Final = 96
PREVIEW_SIDE: Final = 64
MAX_ATTEMPTS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class FractalsConfig:
    """What is rendered and what is kept; the rest of the shares is escape-time images.

    Attributes:
        flame_share: Share of fractal flames, in [0, 1].
        ifs_share: Share of affine iterated function systems, in [0, 1].
        density: Hits per pixel of the chaos game; more is smoother and slower.
        least_entropy: Bits of luma entropy of the preview below which an image is drawn again.
        largest_single_colour: Share of the preview's pixels of one colour above which an image is drawn again.
        least_step: Mean luma difference of the preview's neighbours below which an image is drawn again.
    """

    flame_share: float = 0.4
    ifs_share: float = 0.4
    density: float = 4.0
    least_entropy: float = 5.0
    largest_single_colour: float = 0.4
    least_step: float = 0.02

    def __post_init__(self) -> None:
        if min(self.flame_share, self.ifs_share) < 0 or self.flame_share + self.ifs_share > 1:
            raise ValueError(
                "flame_share and ifs_share must be at least 0 and sum to at most 1, "
                f"but got {self.flame_share} and {self.ifs_share}"
            )
        if not 0.1 <= self.density <= 1000:
            raise ValueError(f"density must be between 0.1 and 1000 hits per pixel, but got {self.density}")


class FractalsSource:
    """Renders fractals by index."""

    chunk = 64
    is_threaded = True

    def __init__(self, config: FractalsConfig, request: SetRequest) -> None:
        self._config, self._request = config, request

    def render(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of the indices, (N, S, S, C) uint8."""
        size, channels = self._request.image_size, self._request.num_channels
        native = native_side(size, NATIVE_SIDE)
        images = np.empty((len(indices), size, size, channels), np.uint8)
        for image, index in zip(images, indices, strict=True):
            store(self._render_one(int(index), native), image)
        return images

    def _render_one(self, index: int, native: int) -> NDArray[np.float32]:
        """Return the first attempt whose preview passes the filter (of 64: the last one if none does)."""
        preview = np.zeros((PREVIEW_SIDE, PREVIEW_SIDE, 3), np.float32)
        out = np.zeros((native, native, 3), np.float32)
        share = _kind_draw(self._request.seed, index)
        for attempt in range(MAX_ATTEMPTS):
            words = image_words(self._request.seed, "fractals", attempt, index)
            if self._draw(share, words, preview) and self._is_kept(preview):
                break
        self._draw(share, words, out)
        return out

    def _draw(self, share: float, words: NDArray[np.uint64], out: NDArray[np.float32]) -> bool:
        """Render an image of the kind of a draw in [0, 1); False if the system fills no image."""
        config = self._config
        if share < config.flame_share + config.ifs_share:
            return bool(render_flame(words, share < config.flame_share, config.density, out))
        return bool(render_escape(words, out))

    def _is_kept(self, image: NDArray[np.float32]) -> bool:
        entropy, commonest, step = structure(image)
        config = self._config
        return bool(
            entropy >= config.least_entropy and commonest <= config.largest_single_colour and step >= config.least_step
        )


def _kind_draw(seed: int, index: int) -> float:
    keys = SampleKeys(seed, 0, np.array([index], dtype=np.int64))
    return float(uniforms(keys, 1, stream="fractals/kind")[0, 0])


FRACTALS: Final = MixingSet(
    name="fractals",
    title="Fractals",
    semantics=1,
    config=FractalsConfig,
    origin="procedural",
    num_images=14_230,
    build=FractalsSource,
    what="Colour iterated function systems, fractal flames and escape-time images, filtered for structure.",
    source="replaces the hand-picked images of the PixMix paper, which have no published generator",
    unstated="the hand-picked fractals (generated ones here)",
    kernels=(*pixels.WARM_UP, *flames.WARM_UP, *escape_time.WARM_UP),
)
