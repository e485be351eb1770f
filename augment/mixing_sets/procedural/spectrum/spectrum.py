"""Spectrum + Color + WMM: noise that is given a natural image's spectrum, colours and wavelet statistics, in turns.

Baradad et al., "Learning to See by Looking at Noise" (NeurIPS 2021), and mbaradad/learning_with_noise, statistical.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from augment.lookup.parameters import AtMost
from augment.mixing_sets.contract import MixingSet, SetRequest
from augment.mixing_sets.images import render_each
from augment.mixing_sets.procedural.spectrum.model import render_spectrum


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrumConfig:
    """How noise is shaped.

    Attributes:
        iterations: Turns of spectrum, wavelets, colours.
        num_orientations: Orientations of the steerable pyramid.
    """

    iterations: Annotated[int, AtMost(1_000)] = 10
    num_orientations: Annotated[int, AtMost(64)] = 4

    def __post_init__(self) -> None:
        if not 1 <= self.iterations <= 100 or not 1 <= self.num_orientations <= 16:
            raise ValueError(
                "iterations must be between 1 and 100 and num_orientations between 1 and 16, "
                f"but got {self.iterations} and {self.num_orientations}"
            )


class SpectrumSource:
    """Renders by index, at 128 pixels (three scales) or, for larger images, at 256 (four)."""

    chunk = 16
    is_threaded = True

    def __init__(self, config: SpectrumConfig, request: SetRequest) -> None:
        self._config, self._request = config, request

    def render(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of the indices, (N, S, S, C) uint8."""
        return render_each(indices, self._request, self._draw)

    def _draw(self, index: int) -> NDArray[np.uint8]:
        side, scales = (128, 3) if self._request.image_size <= 128 else (256, 4)
        turns, orientations = self._config.iterations, self._config.num_orientations
        return render_spectrum(
            self._request.seed, index, side=side, scales=scales, iterations=turns, orientations=orientations
        )


SPECTRUM: Final = MixingSet(
    name="spectrum-color-wmm",
    title="Spectrum + Color + WMM",
    semantics=1,
    config=SpectrumConfig,
    origin="procedural",
    num_images=14_230,
    build=SpectrumSource,
    what="Noise shaped in turns to a power-law spectrum, wavelet marginals and a palette.",
    source="Baradad et al. (NeurIPS 2021); mbaradad/learning_with_noise, statistical",
)
