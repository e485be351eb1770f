"""The perturbations of benchmark P by name, with their frames.

Frames and parameters are published at 32 px (CIFAR-10-P) and 224 px (ImageNet-P); an image takes those of the scale that is
nearer in log2 of its shorter side. ImageNet-P moves the whole image before its 224 px are cut out of the middle; generated
sequences move the image that there is, so borders differ, and they are labelled as generated.

Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019, and
the parameters of its two generator scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from augment.lookup.parameters import nearest
from eval.perturbations.contract import Perturbation, perturbation_scale
from eval.perturbations.p import geometric, photometric

Weather = Literal["snow", "spatter"]

PERTURBATIONS: Final[Mapping[str, Perturbation]] = {
    "gaussian_noise": photometric.GAUSSIAN_NOISE,
    "shot_noise": photometric.SHOT_NOISE,
    "motion_blur": photometric.motion_blur,
    "zoom_blur": geometric.zoom_blur,
    "snow": photometric.snow,
    "brightness": photometric.brightness,
    "translate": geometric.TRANSLATE,
    "rotate": geometric.ROTATE,
    "tilt": geometric.TILT,
    "scale": geometric.SCALE,
    "speckle_noise": photometric.SPECKLE_NOISE,
    "gaussian_blur": photometric.gaussian_blur,
    "spatter": photometric.spatter,
    "shear": geometric.SHEAR,
}
"""All 14 perturbations in the published order, the extras last."""

BENCHMARK_PERTURBATIONS: Final = tuple(name for name, one in PERTURBATIONS.items() if not one.is_extra)
"""The 10 of ImageNet-P, with snow."""


def benchmark_perturbations(weather: Weather = "snow") -> tuple[str, ...]:
    """Return the 10 perturbations that count.

    Args:
        weather: `snow` as in ImageNet-P and the papers' tables; `spatter` as in the published evaluation script for CIFAR-10-P.
    """
    if weather not in ("snow", "spatter"):
        raise ValueError(f"the weather of benchmark P must be 'snow' or 'spatter', but got '{weather}'")
    return tuple(weather if name == "snow" else name for name in BENCHMARK_PERTURBATIONS)


def perturbation_named(name: str) -> Perturbation:
    """Return a perturbation.

    Raises:
        ValueError: If it is unknown; names the nearest known one.
    """
    if name not in PERTURBATIONS:
        raise ValueError(f"unknown perturbation {name!r}{nearest(name, PERTURBATIONS)}")
    return PERTURBATIONS[name]


def num_frames(name: str, side: int) -> int:
    """Return the frames per sequence of a perturbation for an image with this shorter side."""
    return perturbation_named(name).frames[0 if perturbation_scale(side) == 32 else 1]


def sequence_stem(name: str, difficulty: int) -> str:
    """Return how the published file or folder of a perturbation is called: noises have one for each of three difficulties.

    Raises:
        ValueError: If the perturbation is unknown or the difficulty is none of 1, 2 and 3.
    """
    if difficulty not in (1, 2, 3):
        raise ValueError(f"the difficulty of a perturbation must be 1, 2 or 3, but got {difficulty}")
    return f"{name}_{difficulty}" if perturbation_named(name).is_noise and difficulty > 1 else name
