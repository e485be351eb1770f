"""StyleGAN (oriented): images of untrained StyleGAN2 generators whose convolutions are oriented wavelets.

Baradad et al., "Learning to See by Looking at Noise" (NeurIPS 2021), and mbaradad/learning_with_noise, stylegan.

Weights: every input channel of a layer picks one kernel of a random subset of a dictionary, weighted N(0, 1) for every output
channel. Styles: an independent w = LeakyReLU(N(0, 1)**512) per layer. Noise: one pink map per image under a Laplace-distributed
envelope. The colours' means and spreads are drawn from those of natural images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from augment.heavy import Tensor, functional, torch
from augment.kernels.counters import SampleKeys, uniforms
from augment.lookup.parameters import AtMost
from augment.mixing_sets.contract import MixingSet, SetRequest
from augment.mixing_sets.images import render_each

STYLE_SIZE: Final = 512
WIDE_BASE: Final = 32_768
NOISE_SIDE: Final = 512
COLOUR_STD: Final = ((0.219, 0.063), (0.213, 0.062), (0.213, 0.069))
COLOUR_MEAN: Final = ((0.483, 0.145), (0.455, 0.142), (0.401, 0.161))


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleGanConfig:
    """The generators.

    Attributes:
        resolution: Side that images are rendered at, a power of two; the stored image is its reduction.
        max_channels: Channels of the wide layers; the published generators have 512 (16 times the work or more).
        images_per_network: Images after which weights are drawn again.
    """

    resolution: Annotated[int, AtMost(1_024)] = 256
    max_channels: Annotated[int, AtMost(512)] = 32
    images_per_network: int = 400

    def __post_init__(self) -> None:
        if self.resolution < 8 or self.resolution & (self.resolution - 1):
            raise ValueError(f"resolution must be a power of two from 8 on, but got {self.resolution}")
        if not 1 <= self.max_channels <= 512 or self.images_per_network < 1:
            raise ValueError(
                "max_channels must be between 1 and 512 and images_per_network at least 1, "
                f"but got {self.max_channels} and {self.images_per_network}"
            )


class StyleGanSource:
    """Renders by index, one image at a time."""

    chunk = 32
    is_threaded = False

    def __init__(self, config: StyleGanConfig, request: SetRequest) -> None:
        self._config, self._request = config, request
        self._network: tuple[int, OrientedGenerator] | None = None

    def render(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of the indices, (N, S, S, C) uint8."""
        return render_each(indices, self._request, self._draw)

    def _draw(self, index: int) -> NDArray[np.uint8]:
        network = self._network_of(index // self._config.images_per_network)
        return network.draw_image(self._request.seed, index)

    def _network_of(self, number: int) -> OrientedGenerator:
        if self._network is None or self._network[0] != number:
            network = OrientedGenerator(
                self._request.seed, number, resolution=self._config.resolution, max_channels=self._config.max_channels
            )
            self._network = (number, network)
        return self._network[1]


def kernel_dictionary() -> Tensor:
    """Return the 40 kernels, (40, 3, 3): 8 edges, 8 lines, delta, centre-surround, two pluses, and the negatives of all."""
    edge, line = torch.ones(11, 11), torch.ones(11, 11)
    edge[:, 5], edge[:, 6:], line[:, 5] = 0.0, -1.0, -1.0
    turned = [_rotated(base, 22.5 * i) for base in (edge, line) for i in range(8)]
    delta, surround, plus, cross = torch.zeros(3, 3), -torch.ones(3, 3), torch.ones(3, 3), torch.ones(3, 3)
    delta[1, 1], surround[1, 1] = 1.0, 1.0
    for row in (0, 2):
        for column in (0, 2):
            plus[row, column], cross[row, column] = 0.0, -1.0
    kernels = torch.stack([*turned, delta, surround, plus, cross])
    return torch.cat([kernels, -kernels])


def _rotated(base: Tensor, degrees: float) -> Tensor:
    """Return the middle 3 x 3 of a rotated 11 x 11 pattern, without its mean."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    grid = functional.affine_grid(torch.tensor([[[c, -s, 0.0], [s, c, 0.0]]]), [1, 1, 11, 11], align_corners=True)
    middle = functional.grid_sample(base[None, None], grid, mode="bilinear", align_corners=True)[0, 0, 4:7, 4:7]
    return middle - middle.mean()


@dataclass(frozen=True, slots=True)
class _Layer:
    """One modulated convolution: weights, biases, the map from w to styles, and the strength of its noise."""

    weight: Tensor
    bias: Tensor
    style: Tensor
    noise_strength: float
    doubles: bool


class OrientedGenerator:
    """One set of random weights; images are drawn from it by index."""

    def __init__(self, seed: int, number: int, *, resolution: int, max_channels: int) -> None:
        generator = _generator(seed, number, "stylegan/network")
        kernels = kernel_dictionary()
        width = {side: min(WIDE_BASE // side, max_channels) for side in _sides(resolution)}
        self._start = torch.randn((1, width[4], 4, 4), generator=generator)
        self._layers: list[_Layer] = [_draw_layer(width[4], width[4], kernels, generator, doubles=False)]
        self._to_rgb = [_draw_rgb(width[4], generator)]
        for side in _sides(resolution)[1:]:
            self._layers.append(_draw_layer(width[side // 2], width[side], kernels, generator, doubles=True))
            self._layers.append(_draw_layer(width[side], width[side], kernels, generator, doubles=False))
            self._to_rgb.append(_draw_rgb(width[side], generator))

    def draw_image(self, seed: int, index: int) -> NDArray[np.uint8]:
        """Return an image, (R, R, 3) uint8."""
        generator = _generator(seed, index, "stylegan/picture")
        noise = pink_noise(generator)
        with torch.no_grad():
            x, image = self._start, torch.zeros(1, 3, 4, 4)
            for number, layer in enumerate(self._layers):
                x = _apply(layer, x, noise, generator)
                if number % 2 == 0:  # the second layer of each resolution, and the only one of the first
                    if number:
                        image = functional.interpolate(image, scale_factor=2, mode="bilinear")
                    image = image + _apply_rgb(*self._to_rgb[number // 2], x, generator)
            return _natural_colours(image[0], generator)


def _sides(resolution: int) -> list[int]:
    return [2**power for power in range(2, int(math.log2(resolution)) + 1)]


def _generator(seed: int, number: int, stream: str) -> torch.Generator:
    draw = uniforms(SampleKeys(seed, 0, np.array([number], dtype=np.int64)), 1, stream=stream)[0, 0]
    return torch.Generator().manual_seed(int(draw * 2**53))


def _draw_layer(num_in: int, num_out: int, kernels: Tensor, generator: torch.Generator, *, doubles: bool) -> _Layer:
    subset_size = 5 + int(torch.rand(1, generator=generator) * 36)
    subset = torch.randperm(len(kernels), generator=generator)[:subset_size]
    picks = subset[torch.randint(0, subset_size, (num_in,), generator=generator)]
    gains = torch.randn((num_out, num_in, 1, 1), generator=generator)
    return _Layer(
        weight=gains * kernels[picks][None],
        bias=0.4 * torch.rand((1, num_out, 1, 1), generator=generator) - 0.2,
        style=torch.randn((STYLE_SIZE, num_in), generator=generator) / math.sqrt(STYLE_SIZE),
        noise_strength=0.3 * float(torch.rand(1, generator=generator)),
        doubles=doubles,
    )


def _draw_rgb(num_in: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    weight = torch.randn((3, num_in, 1, 1), generator=generator)
    return weight, torch.randn((STYLE_SIZE, num_in), generator=generator) / math.sqrt(STYLE_SIZE)


def _styles(style: Tensor, generator: torch.Generator) -> Tensor:
    w = functional.leaky_relu(torch.randn((1, STYLE_SIZE), generator=generator), 0.2)
    styles: Tensor = 1.0 + w @ style
    return styles


def _apply(layer: _Layer, x: Tensor, noise: Tensor, generator: torch.Generator) -> Tensor:
    """Modulate, convolve, demodulate, add noise and bias, ReLU."""
    weight = layer.weight * _styles(layer.style, generator)[0][None, :, None, None]
    weight = weight * torch.rsqrt((weight**2).sum((1, 2, 3), keepdim=True) + 1e-8)
    if layer.doubles:
        x = functional.interpolate(x, scale_factor=2, mode="bilinear")
    x = functional.conv2d(x, weight, padding=1)
    x = x + layer.noise_strength * functional.adaptive_avg_pool2d(noise, x.shape[-1])
    return math.sqrt(2.0) * torch.relu(x + layer.bias)


def _apply_rgb(weight: Tensor, style: Tensor, x: Tensor, generator: torch.Generator) -> Tensor:
    scaled = weight * _styles(style, generator)[0][None, :, None, None] / math.sqrt(weight.shape[1])
    image: Tensor = functional.conv2d(x, scaled)
    return image


def pink_noise(generator: torch.Generator) -> Tensor:
    """Return noise of spectrum 1 / r**a, a ~ U(.5, 1.5), under a smooth Laplace envelope, unit spread, (1, 1, 512, 512)."""
    exponent = 0.5 + float(torch.rand(1, generator=generator))
    line = torch.fft.fftfreq(NOISE_SIDE)
    radius = torch.sqrt(line[:, None] ** 2 + line[None, :] ** 2)
    radius[0, 0] = 1.0
    phase = 2.0 * math.pi * torch.rand((NOISE_SIDE, NOISE_SIDE), generator=generator)
    field = torch.fft.ifft2(torch.polar(radius**-exponent, phase)).real
    u = torch.rand((4, 4), generator=generator) - 0.5
    laplace = -torch.sign(u) * torch.log1p(-2.0 * u.abs().clamp(max=0.499999))
    small = Image.fromarray(laplace.numpy().astype(np.float32))
    envelope = np.array(small.resize((NOISE_SIDE, NOISE_SIDE), Image.Resampling.LANCZOS))
    field = (field - field.mean()) * torch.from_numpy(envelope)
    unit: Tensor = field / field.std().clamp(min=1e-8)
    return unit[None, None]


def _natural_colours(image: Tensor, generator: torch.Generator) -> NDArray[np.uint8]:
    """Give each channel a mean and spread drawn from natural images', clip and round, (R, R, 3) uint8."""
    draws = torch.randn((2, 3), generator=generator)
    spread = torch.tensor([std + jitter * d for (std, jitter), d in zip(COLOUR_STD, draws[0].tolist(), strict=True)])
    mean = torch.tensor([m + jitter * d for (m, jitter), d in zip(COLOUR_MEAN, draws[1].tolist(), strict=True)])
    flat = image.flatten(1)
    flat = (flat - flat.mean(1, keepdim=True)) / flat.std(1, keepdim=True).clamp(min=1e-6)
    pixels = (flat * spread[:, None] + mean[:, None]).reshape(image.shape).clamp(0.0, 1.0)
    return np.ascontiguousarray(pixels.mul(255).round().to(torch.uint8).permute(1, 2, 0).numpy())


STYLEGAN: Final = MixingSet(
    name="stylegan-oriented",
    title="StyleGAN (Oriented)",
    semantics=1,
    config=StyleGanConfig,
    origin="procedural",
    num_images=14_230,
    build=StyleGanSource,
    what="Images of untrained StyleGAN2 generators with oriented kernels, 32 channels wide instead of 512.",
    source="Baradad et al. (NeurIPS 2021); mbaradad/learning_with_noise, stylegan",
)
