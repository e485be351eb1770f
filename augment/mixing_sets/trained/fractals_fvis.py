"""Fractals and feature visualisations in the published proportion: the mixing set "fractals-fvis"."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.mixing_sets.contract import ImageSource, MixingSet, SetRequest
from augment.mixing_sets.procedural.fractals.fractals import FRACTALS, FractalsConfig, FractalsSource
from augment.mixing_sets.trained.fvis import FVIS, FvisSetConfig, FvisSource

FRACTAL_SHARE: Final = 14_230 / 18_930


@dataclass(frozen=True, slots=True, kw_only=True)
class FractalsFvisConfig(FvisSetConfig):
    """Fractals and feature visualisations.

    Attributes:
        fractal_share: Share of fractals; the published folders contain 14,230 of 18,930.
        density: As for the set "fractals".
    """

    fractal_share: float = FRACTAL_SHARE
    density: float = 4.0

    def __post_init__(self) -> None:
        FvisSetConfig.__post_init__(self)
        if not 0 <= self.fractal_share <= 1:
            raise ValueError(f"fractal_share must be in [0, 1], but got {self.fractal_share}")


class FractalsFvisSource:
    """Fractals first, then feature visualisations; index i of either part is that of its own set."""

    is_threaded = False

    def __init__(self, config: FractalsFvisConfig, request: SetRequest) -> None:
        self._request = request
        self._num_fractals = round(config.fractal_share * request.num_images)
        rest = dataclasses.replace(request, num_images=request.num_images - self._num_fractals)
        self._fractals = FractalsSource(FractalsConfig(density=config.density), request)
        self._fvis: ImageSource | None = FvisSource(config, rest) if rest.num_images else None
        self.chunk = config.batch

    def render(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of the indices, (N, S, S, C) uint8."""
        size, channels = self._request.image_size, self._request.num_channels
        images = np.empty((len(indices), size, size, channels), np.uint8)
        is_fractal = indices < self._num_fractals
        images[is_fractal] = self._fractals.render(indices[is_fractal])
        if self._fvis is not None and not is_fractal.all():
            images[~is_fractal] = self._fvis.render(indices[~is_fractal] - self._num_fractals)
        return images


FRACTALS_FVIS: Final = MixingSet(
    name="fractals-fvis",
    title="Fractals + FVis",
    semantics=2,
    config=FractalsFvisConfig,
    origin="trained",
    num_images=18_930,
    build=FractalsFvisSource,
    what="75.2 % fractals and 24.8 % feature visualisations, the proportion of the published folders.",
    source="andyzoujm/pixmix README (14,230 and 4,700 images)",
    content=lambda config, data_root: {"parts": {part.name: part.semantics for part in (FRACTALS, FVIS)}},
    unstated="the hand-picked fractals and visualisations (generated ones here)",
)
