"""The corruptions of MNIST-C by name; each has one severity. Light: kernels are imported when they run.

Published for grey images of 28 px. Other sizes run with lengths in proportion to the shorter side (blurs, shifts, lines), and
colour images take the same mark in every channel.

Source: Mu and Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision", 2019, and the defaults of its generator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from eval.corruptions.registry import Corruption

if TYPE_CHECKING:
    from eval.corruptions.setting import CorruptionKernel


def _shared(name: str) -> CorruptionKernel:
    from eval.corruptions.mnist.variants import KERNELS

    return KERNELS[name]


def _drawn(name: str) -> CorruptionKernel:
    from eval.corruptions.mnist.drawn import KERNELS

    return KERNELS[name]


_ALL: Final = (
    Corruption(name="shot_noise", group="noise", semantics=1, load=_shared),
    Corruption(name="impulse_noise", group="noise", semantics=1, load=_shared, is_thresholded=True),
    Corruption(name="glass_blur", group="blur", semantics=2, load=_shared, is_thresholded=True),
    Corruption(name="motion_blur", group="blur", semantics=2, load=_shared),
    Corruption(name="shear", group="digital", semantics=1, load=_drawn),
    Corruption(name="scale", group="digital", semantics=1, load=_drawn, is_random=False),
    Corruption(name="rotate", group="digital", semantics=1, load=_drawn),
    Corruption(name="brightness", group="weather", semantics=1, load=_shared, is_random=False),
    Corruption(name="translate", group="digital", semantics=1, load=_drawn),
    Corruption(name="stripe", group="digital", semantics=1, load=_drawn, is_random=False),
    Corruption(name="fog", group="weather", semantics=1, load=_shared),
    Corruption(name="spatter", group="weather", semantics=1, load=_shared, is_thresholded=True),
    Corruption(name="dotted_line", group="digital", semantics=1, load=_drawn),
    Corruption(name="zigzag", group="digital", semantics=1, load=_drawn),
    Corruption(name="canny_edges", group="digital", semantics=1, load=_drawn, is_random=False, is_thresholded=True),
)

MNIST_CORRUPTIONS: Final[Mapping[str, Corruption]] = {corruption.name: corruption for corruption in _ALL}
"""The 15 corruptions in the published order."""

_PARAMETERS: Final[Mapping[str, tuple[float, ...]]] = {
    "shot_noise": (3,),
    "impulse_noise": (0.17,),
    "glass_blur": (0.7, 1, 2, 0.5),
    "motion_blur": (10, 3),
    "shear": (0.4,),
    "scale": (0.7,),
    "rotate": (0.4,),
    "brightness": (0.5,),
    "translate": (3,),
    "stripe": (7,),
    "fog": (3, 1.4),
    "spatter": (0.65, 0.3, 1, 0.65, 1.5),
    "dotted_line": (2.3, 2),
    "zigzag": (2.3, 2, 2),
    "canny_edges": (1, 0.1, 0.2),
}


def mnist_parameters(kind: str, severity: int, scale: int) -> tuple[float, ...]:
    """Return the parameters of a kind at 28 px; there is one severity, and kernels scale lengths themselves."""
    return _PARAMETERS[kind]
