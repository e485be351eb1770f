"""The perturbations of benchmark P by name, with their frames. Light: kernels are imported when they run.

Frames and parameters are published at 32 px (CIFAR-10-P) and 224 px (ImageNet-P); an image takes those of the scale that is
nearer in log2 of its shorter side (32 up to 84 px). ImageNet-P moves the whole image before its 224 px are cut out of the
middle; generated sequences move the image that there is, so borders differ, and they are labelled as generated.

Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019, and
the parameters of its two generator scripts.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from eval.perturbations.frames import PerturbationKernel

Weather = Literal["snow", "spatter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbation:
    """One way to let an image drift, frame by frame.

    Attributes:
        name: The published name, which is also the published file's name.
        semantics: Raised by hand whenever the output for the same input changes.
        frames: Frames of a sequence at 32 and at 224 px.
        load: Imports the implementation of a name.
        is_noise: Whether frames are independent draws around the first one (metrics compare with it, not with the previous).
        is_extra: Whether it is one of the four that do not count in the benchmark.
    """

    name: str
    semantics: int
    frames: tuple[int, int]
    load: Callable[[str], PerturbationKernel]
    is_noise: bool = False
    is_extra: bool = False

    def kernel(self) -> PerturbationKernel:
        """Return the implementation."""
        return self.load(self.name)


def _photometric(name: str) -> PerturbationKernel:
    from eval.perturbations.photometric import KERNELS

    return KERNELS[name]


def _geometric(name: str) -> PerturbationKernel:
    from eval.perturbations.geometric import KERNELS

    return KERNELS[name]


_31: Final = (31, 31)

_ALL: Final = (
    Perturbation(name="gaussian_noise", semantics=1, frames=_31, load=_photometric, is_noise=True),
    Perturbation(name="shot_noise", semantics=1, frames=_31, load=_photometric, is_noise=True),
    Perturbation(name="motion_blur", semantics=2, frames=(21, 31), load=_photometric),
    Perturbation(name="zoom_blur", semantics=1, frames=_31, load=_geometric),
    Perturbation(name="snow", semantics=2, frames=_31, load=_photometric),
    Perturbation(name="brightness", semantics=2, frames=_31, load=_photometric),
    Perturbation(name="translate", semantics=1, frames=(16, 41), load=_geometric),
    Perturbation(name="rotate", semantics=1, frames=_31, load=_geometric),
    Perturbation(name="tilt", semantics=1, frames=_31, load=_geometric),
    Perturbation(name="scale", semantics=1, frames=_31, load=_geometric),
    Perturbation(name="speckle_noise", semantics=1, frames=_31, load=_photometric, is_noise=True, is_extra=True),
    Perturbation(name="gaussian_blur", semantics=2, frames=_31, load=_photometric, is_extra=True),
    Perturbation(name="spatter", semantics=2, frames=_31, load=_photometric, is_extra=True),
    Perturbation(name="shear", semantics=1, frames=_31, load=_geometric, is_extra=True),
)

PERTURBATIONS: Final[Mapping[str, Perturbation]] = {perturbation.name: perturbation for perturbation in _ALL}
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
        near = difflib.get_close_matches(name, PERTURBATIONS, n=1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        raise ValueError(f"unknown perturbation '{name}'{hint}; known: {', '.join(sorted(PERTURBATIONS))}")
    return PERTURBATIONS[name]


def perturbation_scale(side: int) -> int:
    """Return the scale whose frames and parameters apply to an image with this shorter side: 32 or 224."""
    return 32 if side * side <= 32 * 224 else 224


def num_frames(name: str, side: int) -> int:
    """Return the frames per sequence of a perturbation for an image with this shorter side."""
    return perturbation_named(name).frames[0 if perturbation_scale(side) == 32 else 1]
