"""The contract between a corruption and whoever applies it: what a kernel gets, and what describes it.

Letters of shapes: N images, H rows, W columns, C channels (1 or 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from augment.kernels.counters import SampleKeys, integers, stream_id, uniforms

SCALES: Final = (28, 32, 64, 224)
"""Image sides for which a benchmark fixes parameters."""

SEVERITIES: Final = (1, 2, 3, 4, 5)

SMALLEST_SIDE: Final = 8
"""Shorter side in pixels that every generator takes."""

Group = Literal["noise", "blur", "weather", "digital"]
Parameters = tuple[float, ...]
Address = tuple[np.uint32, np.uint32, np.uint32, np.uint32, NDArray[np.uint32]]
"""Key words, stream, level and image indices, as kernels take them."""


@dataclass(frozen=True, slots=True)
class Draws:
    """The random numbers of some images under one corruption at one level.

    Every draw is a function of (seed, name, level, image index, purpose, slot).

    Attributes:
        seed: Seed of the generated set.
        name: What is generated of which dataset, such as `c/<fingerprint>/fog`.
        level: Severity, or frame of a sequence.
        indices: Index of each image in its dataset, (N,) int64.
    """

    seed: int
    name: str
    level: int
    indices: NDArray[np.int64]

    def uniforms(self, slots: int, purpose: str) -> NDArray[np.float64]:
        """Return uniform draws in [0, 1), (N, slots)."""
        return uniforms(self._keys(), slots, stream=self._stream(purpose))

    def integers(self, slots: int, high: int, purpose: str) -> NDArray[np.int64]:
        """Return uniform integers in [0, high), (N, slots)."""
        return integers(self._keys(), slots, high, stream=self._stream(purpose))

    def address(self, purpose: str) -> Address:
        """Return the arguments by which a kernel draws for itself."""
        low, high = np.uint32(self.seed & 0xFFFFFFFF), np.uint32(self.seed >> 32)
        stream = np.uint32(stream_id(self._stream(purpose)))
        return low, high, stream, np.uint32(self.level), np.ascontiguousarray(self.indices).astype(np.uint32)

    def part(self, rows: slice) -> Draws:
        """Return the draws of some of the images."""
        return replace(self, indices=self.indices[rows])

    def _keys(self) -> SampleKeys:
        return SampleKeys(self.seed, self.level, self.indices)

    def _stream(self, purpose: str) -> str:
        return f"{self.name}/{purpose}"


@dataclass(frozen=True, slots=True, eq=False)
class FrostImages:
    """Images of frost to lay over others.

    Attributes:
        images: Five of (H, W, 3) uint8 RGB, at full size.
        label: Where they come from; recorded with everything made of them.
        identity: Hash of their content.
    """

    images: tuple[NDArray[np.uint8], ...]
    label: str
    identity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One corruption of one batch.

    Attributes:
        parameters: The corruption's parameters at this severity and scale.
        scale: The scale whose parameter table applies, one of `SCALES`.
        draws: The batch's random numbers.
        frost: Images of frost, for the corruption that needs them.
    """

    parameters: Parameters
    scale: int
    draws: Draws
    frost: FrostImages | None = None


CorruptionKernel = Callable[[NDArray[np.uint8], Setting], NDArray[np.uint8]]
"""Maps (N, H, W, C) uint8 images to corrupted ones of the same shape; leaves its input alone."""


def _always(parameters: Parameters, channels: int) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """One way to damage an image.

    Attributes:
        name: The published name, which is also the published file's name.
        group: The benchmark's group.
        semantics: Raised by hand whenever the output for the same input changes.
        run: The implementation.
        parameters: Published scale -> parameters at each severity, from 1.
        is_random: Whether the output depends on random draws.
        is_thresholded: Whether random draws pass a threshold, so that rounding may move whole pixels on other processors.
        is_extra: Whether it is one of those that do not count in the benchmark.
        changes: Whether images with so many channels change at all with these parameters.
    """

    name: str
    group: Group
    semantics: int
    run: CorruptionKernel
    parameters: Mapping[int, tuple[Parameters, ...]]
    is_random: bool = True
    is_thresholded: bool = False
    is_extra: bool = False
    changes: Callable[[Parameters, int], bool] = _always

    def at(self, severity: int, scale: int) -> Parameters:
        """Return the parameters at a severity: those of the largest published scale up to this one, else of the smallest."""
        fitting = [published for published in self.parameters if published <= scale]
        return self.parameters[max(fitting, default=min(self.parameters))][severity - 1]


def corruption(
    *,
    group: Group,
    semantics: int,
    parameters: Mapping[int, tuple[Parameters, ...]],
    is_random: bool = True,
    is_thresholded: bool = False,
    is_extra: bool = False,
    changes: Callable[[Parameters, int], bool] = _always,
) -> Callable[[CorruptionKernel], Corruption]:
    """Describe the function below as the corruption of its name; the fields are those of `Corruption`."""
    return lambda run: Corruption(
        name=run.__name__,
        group=group,
        semantics=semantics,
        run=run,
        parameters=parameters,
        is_random=is_random,
        is_thresholded=is_thresholded,
        is_extra=is_extra,
        changes=changes,
    )


def each(a: float, b: float, c: float, d: float, e: float) -> tuple[Parameters, ...]:
    """Return five severities of a corruption with one parameter."""
    return ((a,), (b,), (c,), (d,), (e,))


def nearest_scale(side: int) -> int:
    """Return the scale that is nearest in log2 to this shorter side, the smaller one in a tie.

    Up to 45 px the parameters of 32 px apply unchanged, up to 119 px those of 64, beyond those of 224. Lengths in pixels are not
    rescaled; what the authors derive from the image's side (pixelation, elastic displacement, the fog map) follows the actual
    side.
    """
    return min(SCALES, key=lambda scale: (abs(math.log2(side / scale)), scale))


def check_side(side: int) -> None:
    """Refuse images that are too small for any generator.

    Raises:
        ValueError: If the shorter side is below `SMALLEST_SIDE`.
    """
    if side < SMALLEST_SIDE:
        raise ValueError(f"images must measure at least {SMALLEST_SIDE} px, but these have {side}")
