"""The corruptions by name: 15 of the benchmark C and its 4 extras. Light: kernels are imported when they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from eval.corruptions.setting import CorruptionKernel

Group = Literal["noise", "blur", "weather", "digital"]


def _always(parameters: tuple[float, ...], channels: int) -> bool:
    return True


def _tints_grey(parameters: tuple[float, ...], channels: int) -> bool:
    """Return whether saturation changes: grey has none that could be scaled, only a shift adds some."""
    return channels == 3 or parameters[1] != 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """One way to damage an image.

    Attributes:
        name: The published name, which is also the published file's name.
        group: The benchmark's group.
        semantics: Raised by hand whenever the output for the same input changes.
        load: Imports the implementation of a name.
        is_random: Whether the output depends on random draws.
        is_thresholded: Whether random draws pass a threshold, so that rounding may move whole pixels on other processors.
        is_extra: Whether it is one of the four that do not count in the benchmark.
        changes: Whether images with so many channels change at all with these parameters.
    """

    name: str
    group: Group
    semantics: int
    load: Callable[[str], CorruptionKernel]
    is_random: bool = True
    is_thresholded: bool = False
    is_extra: bool = False
    changes: Callable[[tuple[float, ...], int], bool] = _always

    def kernel(self) -> CorruptionKernel:
        """Return the implementation."""
        return self.load(self.name)


def _noise(name: str) -> CorruptionKernel:
    from eval.corruptions.c.noise import KERNELS

    return KERNELS[name]


def _blur(name: str) -> CorruptionKernel:
    from eval.corruptions.c.blur import KERNELS

    return KERNELS[name]


def _glass(name: str) -> CorruptionKernel:
    from eval.corruptions.c.glass import KERNELS

    return KERNELS[name]


def _weather(name: str) -> CorruptionKernel:
    from eval.corruptions.c.weather import KERNELS

    return KERNELS[name]


def _spatter(name: str) -> CorruptionKernel:
    from eval.corruptions.c.spatter import KERNELS

    return KERNELS[name]


def _colour(name: str) -> CorruptionKernel:
    from eval.corruptions.c.colour import KERNELS

    return KERNELS[name]


def _elastic(name: str) -> CorruptionKernel:
    from eval.corruptions.c.elastic import KERNELS

    return KERNELS[name]


def _coding(name: str) -> CorruptionKernel:
    from eval.corruptions.c.coding import KERNELS

    return KERNELS[name]


_ALL: Final = (
    Corruption(name="gaussian_noise", group="noise", semantics=1, load=_noise),
    Corruption(name="shot_noise", group="noise", semantics=1, load=_noise),
    Corruption(name="impulse_noise", group="noise", semantics=1, load=_noise, is_thresholded=True),
    Corruption(name="defocus_blur", group="blur", semantics=2, load=_blur, is_random=False),
    Corruption(name="glass_blur", group="blur", semantics=2, load=_glass, is_thresholded=True),
    Corruption(name="motion_blur", group="blur", semantics=2, load=_blur),
    Corruption(name="zoom_blur", group="blur", semantics=2, load=_blur, is_random=False),
    Corruption(name="snow", group="weather", semantics=2, load=_weather, is_thresholded=True),
    Corruption(name="frost", group="weather", semantics=1, load=_weather),
    Corruption(name="fog", group="weather", semantics=1, load=_weather),
    Corruption(name="brightness", group="weather", semantics=2, load=_colour, is_random=False),
    Corruption(name="contrast", group="digital", semantics=1, load=_colour, is_random=False),
    Corruption(name="elastic_transform", group="digital", semantics=1, load=_elastic),
    Corruption(name="pixelate", group="digital", semantics=1, load=_coding, is_random=False),
    Corruption(name="jpeg_compression", group="digital", semantics=1, load=_coding, is_random=False),
    Corruption(name="speckle_noise", group="noise", semantics=1, load=_noise, is_extra=True),
    Corruption(name="gaussian_blur", group="blur", semantics=2, load=_blur, is_random=False, is_extra=True),
    Corruption(name="spatter", group="weather", semantics=2, load=_spatter, is_thresholded=True, is_extra=True),
    Corruption(
        name="saturate",
        group="digital",
        semantics=2,
        load=_colour,
        is_random=False,
        is_extra=True,
        changes=_tints_grey,
    ),
)

CORRUPTIONS: Final[Mapping[str, Corruption]] = {corruption.name: corruption for corruption in _ALL}
"""All 19 corruptions in the published order, the extras last."""

BENCHMARK_KINDS: Final = tuple(name for name, corruption in CORRUPTIONS.items() if not corruption.is_extra)
"""The 15 that make up the benchmark."""

EXTRA_KINDS: Final = tuple(name for name, corruption in CORRUPTIONS.items() if corruption.is_extra)
"""The 4 for validation, never in an mCE."""
