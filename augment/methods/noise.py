"""Noise as augmentation: salt and pepper, speckle, Gaussian.

    salt and pepper   each pixel turns black or white with probability p / 2 each, all channels together (the MNIST report)
    speckle           x + x s n, the scale s drawn from the five of the ImageNet-C corruption (bethgelab/game-of-noise)
    Gaussian          x + s n, likewise

n is standard normal, per value. The published loop noises half of every batch and leaves the other half clean; here each
image is noised with probability `share`, which does not depend on how batches are cut.
"""

# mypy: no-check-untyped-defs
# (kernels are typed by Numba)

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel, read_only
from augment.kernels.counters import SampleKeys, philox, stream_id, uniform_at, uniforms
from augment.method import Method, require, require_fraction
from augment.treatment import Treatment, TreatmentContext

_TO_UNIT: Final = 1.0 / 9007199254740992.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SaltAndPepperConfig:
    """Hyper-parameters of salt and pepper.

    Attributes:
        probability: Probability that a pixel is replaced; half of it for black, half for white.
    """

    probability: float = 0.1

    def __post_init__(self) -> None:
        require_fraction(self, "probability")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseConfig:
    """Hyper-parameters of normal noise.

    Attributes:
        scales: Standard deviations that each noised image draws one of.
        share: Probability that an image is noised.
    """

    scales: tuple[float, ...] = (0.08, 0.12, 0.18, 0.26, 0.38)
    share: float = 0.5

    def __post_init__(self) -> None:
        rule = "scales must be one or more numbers above 0"
        require(len(self.scales) >= 1 and min(self.scales) > 0.0, rule, self.scales)
        require_fraction(self, "share")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeckleConfig(NoiseConfig):
    """Hyper-parameters of speckle, as those of normal noise."""

    scales: tuple[float, ...] = (0.15, 0.2, 0.35, 0.45, 0.6)


@kernel()
def _salt_and_pepper(images, probability, indices, epoch, stream, key0, key1, low, high, out):  # type: ignore[no-untyped-def]
    """Write images with some pixels at `low` or `high`; one draw for each pixel, all channels together."""
    count, height, width, channels = images.shape
    for index in range(count):
        source, target = images[index].reshape(-1), out[index].reshape(-1)
        for pixel in range(height * width):
            draw = uniform_at(pixel, indices[index], epoch, stream, key0, key1)
            for value in range(pixel * channels, (pixel + 1) * channels):
                if draw < 0.5 * probability:
                    target[value] = low
                elif draw < probability:
                    target[value] = high
                else:
                    target[value] = source[value]


@kernel()
def _normal_pair(slot, index, epoch, stream, key0, key1):  # type: ignore[no-untyped-def]
    """Return two standard normal numbers of one counter (Box and Muller)."""
    w0, w1, w2, w3 = philox(slot, index, epoch, stream, key0, key1)
    u = np.float64(((w0 << np.uint64(32)) | w1) >> np.uint64(11)) * _TO_UNIT
    v = np.float64(((w2 << np.uint64(32)) | w3) >> np.uint64(11)) * _TO_UNIT
    radius, angle = np.sqrt(-2.0 * np.log1p(-u)), 2.0 * np.pi * v
    return np.float32(radius * np.cos(angle)), np.float32(radius * np.sin(angle))


@kernel()
def _add_noise(out, scale, multiply, indices, epoch, stream, key0, key1):  # type: ignore[no-untyped-def]
    """Noise float32 images in place; one counter serves two neighbouring values."""
    for index in range(out.shape[0]):
        if scale[index] == 0.0:
            continue
        image = out[index].reshape(-1)
        for pair in range((image.size + 1) // 2):
            noise = _normal_pair(pair, indices[index], epoch, stream, key0, key1)
            for value in range(2 * pair, min(2 * pair + 2, image.size)):
                clean = image[value]
                strength = scale[index] * clean if multiply else scale[index]
                noised = clean + strength * noise[value - 2 * pair]
                image[value] = min(max(noised, np.float32(0.0)), np.float32(1.0))


def salt_and_pepper(images: NDArray[Any], keys: SampleKeys, *, probability: float) -> NDArray[Any]:
    """Return images with some pixels black or white.

    Args:
        images: (N, H, W, C) uint8, or float32 in [0, 1]; not written to.
        keys: Identity of each image.
        probability: Probability that a pixel is replaced; half of it for either colour.

    Returns:
        (N, H, W, C), of the type given.
    """
    out = np.empty(images.shape, dtype=images.dtype)
    if out.size:
        white = images.dtype.type(255 if images.dtype == np.uint8 else 1)
        _salt_and_pepper(read_only(images), probability, *_address(keys, "salt-and-pepper"), white * 0, white, out)
    return out


def add_noise(
    images: NDArray[Any], keys: SampleKeys, scale: NDArray[np.float32], *, multiply: bool, stream: str
) -> NDArray[np.float32]:
    """Return images with clipped normal noise.

    Args:
        images: (N, H, W, C) uint8, or float32 in [0, 1]; not written to.
        keys: Identity of each image.
        scale: Standard deviation for each image, (N,) float32; 0 leaves it clean.
        multiply: Whether the noise is multiplied by the image (speckle).
        stream: Name of the random stream.

    Returns:
        (N, H, W, C) float32 in [0, 1].
    """
    out = images.astype(np.float32)
    if images.dtype == np.uint8:
        out /= np.float32(255.0)
    if out.size:
        _add_noise(out, scale, multiply, *_address(keys, stream))
    return out


def draw_scales(keys: SampleKeys, scales: tuple[float, ...], share: float, *, stream: str) -> NDArray[np.float32]:
    """Return the noise of each image: 0 with probability 1 - share, else one of the scales, evenly; (N,) float32."""
    draws = uniforms(keys, 2, stream=f"{stream}-scale")
    chosen = np.array(scales)[(draws[:, 0] * len(scales)).astype(np.int64)]
    return np.where(draws[:, 1] < share, chosen, 0.0).astype(np.float32)


def _address(keys: SampleKeys, stream: str) -> tuple[Any, ...]:
    """Return what addresses the draws of `philox` besides the slot."""
    words = np.uint32(keys.seed & 0xFFFFFFFF), np.uint32(keys.seed >> 32)
    return np.ascontiguousarray(keys.indices).astype(np.uint32), np.uint32(keys.epoch), stream_id(stream), *words


class SaltAndPepper(Treatment):
    """Salt and pepper as a sample stage."""

    def __init__(self, config: SaltAndPepperConfig, context: TreatmentContext) -> None:
        self._probability = config.probability

    def sample(self, images: NDArray[Any], keys: SampleKeys) -> NDArray[Any]:
        """Replace pixels: (N, H, W, C) -> (N, H, W, C) of the same type."""
        return salt_and_pepper(images, keys, probability=self._probability)


class Noise(Treatment):
    """Speckle or Gaussian noise as a sample stage."""

    def __init__(self, config: NoiseConfig, context: TreatmentContext, *, stream: str, multiply: bool) -> None:
        self._config, self._stream, self._multiply = config, stream, multiply

    def sample(self, images: NDArray[Any], keys: SampleKeys) -> NDArray[np.float32]:
        """Add noise: (N, H, W, C) -> (N, H, W, C) float32 in [0, 1]."""
        scale = draw_scales(keys, self._config.scales, self._config.share, stream=self._stream)
        return add_noise(images, keys, scale, multiply=self._multiply, stream=self._stream)


def _warm_up() -> None:
    keys = SampleKeys(0, 0, np.zeros(1, dtype=np.int64))
    for dtype in (np.uint8, np.float32):
        salt_and_pepper(np.zeros((1, 1, 1, 1), dtype=dtype), keys, probability=0.5)
    add_noise(np.zeros((1, 1, 1, 1), dtype=np.uint8), keys, np.ones(1, dtype=np.float32), multiply=True, stream="warm")


WARM_UP = (_warm_up,)


_GAME_OF_NOISE: Final = "Rusak et al., A simple way to make neural networks robust (ECCV 2020); bethgelab/game-of-noise"

SALT_AND_PEPPER: Final = Method(
    name="salt-and-pepper",
    title="Salt & Pepper",
    semantics=1,
    config=SaltAndPepperConfig,
    stages=frozenset({"sample"}),
    build=SaltAndPepper,
    kernels=WARM_UP,
    accepts_float=True,
    what="Turn a tenth of the pixels black or white.",
    source="The MNIST report on PixMix (MLSS)",
    note="The density is unpublished: 0.1.",
)

SPECKLE: Final = Method(
    name="speckle",
    title="Speckle",
    semantics=1,
    config=SpeckleConfig,
    stages=frozenset({"sample"}),
    build=partial(Noise, stream="speckle", multiply=True),
    kernels=WARM_UP,
    accepts_float=True,
    returns_float=True,
    what="Multiply normal noise of a random scale into every second image.",
    source=_GAME_OF_NOISE,
    note="Every image is noised with probability 1/2; the published loop noises exactly half of a batch.",
)

GAUSSIAN_NOISE: Final = Method(
    name="gaussian-noise",
    title="Gaussian Noise",
    semantics=1,
    config=NoiseConfig,
    stages=frozenset({"sample"}),
    build=partial(Noise, stream="gaussian-noise", multiply=False),
    kernels=WARM_UP,
    accepts_float=True,
    returns_float=True,
    what="Add normal noise of a random scale to every second image.",
    source=_GAME_OF_NOISE,
)
