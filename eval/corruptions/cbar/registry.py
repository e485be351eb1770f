"""The corruptions of benchmark C-bar by name, with their severities. Light: kernels are imported when they run.

Ten kinds are published at 32 px (CIFAR-10-C-bar) and ten at 224 px (ImageNet-C-bar), five of them the same. An image takes the
numbers of the scale that `nearest_scale` chooses: those of 224 px from 120 px on, those of 32 px below. A kind that is not
published at a scale runs with the numbers of the other one; `cbar_kinds` names the ten that count.

Source: Mintun, Kirillov and Xie, "On Interaction Between Augmentations and Corruptions in Natural Corruption Robustness",
NeurIPS 2021, and the parameters of its generator. Two names are misspelt as on disk: cocentric, abberation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from eval.corruptions.c.severities import nearest_scale
from eval.corruptions.registry import Corruption

if TYPE_CHECKING:
    from eval.corruptions.setting import CorruptionKernel

_AT_32: Final[Mapping[str, tuple[float, ...]]] = {
    "blue_noise_sample": (0.7, 1.4, 2.1, 3.5, 4.2),
    "brownish_noise": (2.5, 4, 5.5, 6.5, 7),
    "checkerboard_cutout": (1, 2, 3, 4, 5),
    "inverse_sparkles": (1, 1.5, 2.5, 4.5, 5),
    "sparkles": (0.7, 3.5, 5.6, 6.3, 7),
    "pinch_and_twirl": (5.5, 6, 6.5, 8.5, 10),
    "ripple": (5.5, 6, 6.5, 7.5, 8),
    "circular_motion_blur": (2.8, 3.6, 4.4, 5.2, 6),
    "lines": (0.5, 1, 1.5, 2, 2.5),
    "transverse_chromatic_abberation": (1, 2, 5, 9, 10),
}

_AT_224: Final[Mapping[str, tuple[float, ...]]] = {
    "blue_noise_sample": (0.8, 1.6, 2.4, 4.0, 5.6),
    "brownish_noise": (1, 2, 3, 4, 5),
    "checkerboard_cutout": (2, 3, 4, 5, 6),
    "inverse_sparkles": (1, 2, 4, 9, 10),
    "sparkles": (1, 2, 3, 5, 6),
    "caustic_refraction": (2.35, 3.2, 4.9, 6.6, 9.15),
    "perlin_noise": (4.6, 5.2, 5.8, 7.6, 8.8),
    "plasma_noise": (4.75, 7, 8.5, 9.25, 10),
    "cocentric_sine_waves": (3, 5, 8, 9, 10),
    "single_frequency_greyscale": (1, 1.5, 2, 4.5, 5),
}


def cbar_kinds(side: int) -> tuple[str, ...]:
    """Return the ten kinds of the benchmark for images with this shorter side."""
    return tuple(_AT_224 if nearest_scale(side) == 224 else _AT_32)


def cbar_parameters(kind: str, severity: int, scale: int) -> tuple[float, ...]:
    """Return the generator's severity number of a kind at severity 1 to 5."""
    own, other = (_AT_224, _AT_32) if scale == 224 else (_AT_32, _AT_224)
    return (float((own.get(kind) or other[kind])[severity - 1]),)


def _waves(name: str) -> CorruptionKernel:
    from eval.corruptions.cbar.waves import KERNELS

    return KERNELS[name]


def _spectral(name: str) -> CorruptionKernel:
    from eval.corruptions.cbar.spectral import KERNELS

    return KERNELS[name]


def _marks(name: str) -> CorruptionKernel:
    from eval.corruptions.cbar.marks import KERNELS

    return KERNELS[name]


def _warps(name: str) -> CorruptionKernel:
    from eval.corruptions.cbar.warps import KERNELS

    return KERNELS[name]


_ALL: Final = (
    Corruption(name="blue_noise_sample", group="noise", semantics=1, load=_spectral, is_thresholded=True),
    Corruption(name="brownish_noise", group="noise", semantics=1, load=_spectral),
    Corruption(name="checkerboard_cutout", group="digital", semantics=1, load=_marks, is_thresholded=True),
    Corruption(name="inverse_sparkles", group="weather", semantics=1, load=_marks),
    Corruption(name="sparkles", group="weather", semantics=1, load=_marks),
    Corruption(name="pinch_and_twirl", group="digital", semantics=2, load=_warps),
    Corruption(name="ripple", group="digital", semantics=1, load=_warps),
    Corruption(name="circular_motion_blur", group="blur", semantics=1, load=_warps, is_random=False),
    Corruption(name="lines", group="digital", semantics=1, load=_marks),
    Corruption(name="transverse_chromatic_abberation", group="digital", semantics=2, load=_warps),
    Corruption(name="caustic_refraction", group="weather", semantics=1, load=_warps),
    Corruption(name="perlin_noise", group="noise", semantics=1, load=_waves),
    Corruption(name="plasma_noise", group="noise", semantics=1, load=_waves),
    Corruption(name="cocentric_sine_waves", group="noise", semantics=1, load=_waves, is_thresholded=True),
    Corruption(name="single_frequency_greyscale", group="noise", semantics=1, load=_waves),
)

CBAR_CORRUPTIONS: Final[Mapping[str, Corruption]] = {corruption.name: corruption for corruption in _ALL}
"""All 15 corruptions of both scales."""
