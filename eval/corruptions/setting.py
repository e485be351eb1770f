"""What a corruption's kernel is told beside the images: parameters, scale, and where its random numbers come from.

Letters of shapes: N images, H rows, W columns, C channels (1 or 3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from augment.kernels.counters import SampleKeys, integers, normals, stream_id, uniforms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eval.corruptions.ice import FrostImages

Address = tuple[np.uint32, np.uint32, np.uint32, np.uint32, "NDArray[np.uint32]"]
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

    def normals(self, slots: int, purpose: str) -> NDArray[np.float64]:
        """Return standard normal draws, (N, slots)."""
        return normals(self._keys(), slots, stream=self._stream(purpose))

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One corruption of one batch.

    Attributes:
        parameters: The corruption's parameters at the wanted severity and scale.
        scale: The scale whose parameter table applies, one of `SCALES`.
        draws: The batch's random numbers.
        frost: Images of frost, for the corruption that needs them.
    """

    parameters: tuple[float, ...]
    scale: int
    draws: Draws
    frost: FrostImages | None = None


CorruptionKernel = Callable[["NDArray[np.uint8]", Setting], "NDArray[np.uint8]"]
"""Maps (N, H, W, C) uint8 images to corrupted ones of the same shape; leaves its input alone."""


def to_uint8(unit: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return images in [0, 1] as grey levels: clipped, scaled by 255, and truncated as the published scripts do."""
    scaled = np.clip(unit, 0.0, 1.0)
    scaled *= 255.0
    return np.asarray(scaled.astype(np.uint8))


def to_nearest(unit: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return images in [0, 1] as the nearest grey levels, as MNIST-C's authors do."""
    return np.asarray(np.rint(np.clip(unit, 0.0, 1.0) * 255.0).astype(np.uint8))


def turned_grey(colour: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return colour images that came from grey ones as grey, (N, H, W, 3) -> (N, H, W, 1), by the weights of `luma`.

    Where the channels are still alike the value stays as it is: a weighted sum would end just below it, and truncation would
    make it a level darker.
    """
    red, green, blue = colour[..., 0:1], colour[..., 1:2], colour[..., 2:3]
    kind = colour.dtype.type
    return np.asarray(red + kind(0.587) * (green - red) + kind(0.114) * (blue - red))


def luma(images: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the brightness of colour images, (N, H, W, 3) -> (N, H, W, 1), by the weights .299, .587, .114."""
    weights = np.asarray([0.299, 0.587, 0.114], dtype=images.dtype)
    return np.asarray((images[..., 0:1] * weights[0] + images[..., 1:2] * weights[1]) + images[..., 2:3] * weights[2])
