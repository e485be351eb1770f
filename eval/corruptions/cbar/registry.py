"""The corruptions of C-bar by name.

Ten kinds are published at 32 px (CIFAR-10-C-bar) and ten at 224 px (ImageNet-C-bar), five of them the same. An image takes the
numbers of the scale that `nearest_scale` chooses: those of 224 px from 120 px on, those of 32 px below. A kind that is not
published at a scale runs with the numbers of the other one; `cbar_kinds` names the ten that count.

Source: Mintun, Kirillov and Xie, "On Interaction Between Augmentations and Corruptions in Natural Corruption Robustness",
NeurIPS 2021, and the parameters of its generator. Two names are misspelt as on disk: cocentric, abberation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from eval.corruptions.cbar import marks, spectral, warps, waves
from eval.corruptions.contract import Corruption, nearest_scale

CBAR_CORRUPTIONS: Final[Mapping[str, Corruption]] = {
    "blue_noise_sample": spectral.blue_noise_sample,
    "brownish_noise": spectral.brownish_noise,
    "checkerboard_cutout": marks.checkerboard_cutout,
    "inverse_sparkles": marks.inverse_sparkles,
    "sparkles": marks.sparkles,
    "pinch_and_twirl": warps.pinch_and_twirl,
    "ripple": warps.ripple,
    "circular_motion_blur": warps.circular_motion_blur,
    "lines": marks.lines,
    "transverse_chromatic_abberation": warps.transverse_chromatic_abberation,
    "caustic_refraction": warps.caustic_refraction,
    "perlin_noise": waves.perlin_noise,
    "plasma_noise": waves.plasma_noise,
    "cocentric_sine_waves": waves.cocentric_sine_waves,
    "single_frequency_greyscale": waves.single_frequency_greyscale,
}
"""All 15 corruptions of both scales."""


def cbar_kinds(side: int) -> tuple[str, ...]:
    """Return the ten kinds of the benchmark for images with this shorter side."""
    published = 224 if nearest_scale(side) == 224 else 32
    return tuple(name for name, corruption in CBAR_CORRUPTIONS.items() if published in corruption.parameters)
