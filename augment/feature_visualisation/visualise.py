"""Feature visualisation: images that excite chosen channels of a network most.

The engine is that of Olah, Mordvintsev and Schubert, "Feature Visualization" (Distill, 2017) and of tensorflow/lucid: images
are parametrised by their Fourier coefficients in a decorrelated colour space and seen by the network through random shifts,
scalings and turns. All random numbers belong to single images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.feature_visualisation.layers import Layer, activations, input_channels
from augment.heavy import Tensor, functional, nn, torch
from augment.kernels.counters import SampleKeys, normals, uniforms
from augment.networks.modes import frozen

COLOUR_ROOT: Final = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""Square root of the covariance of ImageNet's colours (tensorflow/lucid, optvis/param/color.py)."""


LEAK: Final = 0.1
"""Weight of activations below a channel's activation at rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FvisConfig:
    """How images are optimised. The defaults are lucid's; shifts, scales and turns shrink at small sides.

    Attributes:
        steps: Steps of Adam.
        lr: Learning rate of Adam.
        init_std: Standard deviation of the Fourier coefficients at the start.
        decay: Exponent of the frequency scale: higher frequencies start and move less.
        shift_share: Largest shift as a share of the side (12 pixels of 128, 3 of 32).
        scale_range: Largest relative change of scale; None for 0.1, or 0.05 below 64 pixels.
        turn_degrees: Largest turn; None for 10 degrees, or 5 below 64 pixels.
    """

    steps: int = 512
    lr: float = 0.05
    init_std: float = 0.01
    decay: float = 1.0
    shift_share: float = 3 / 32
    scale_range: float | None = None
    turn_degrees: float | None = None

    def __post_init__(self) -> None:
        if self.steps < 0 or self.lr <= 0:
            raise ValueError(f"steps must be at least 0 and lr above 0, but got {self.steps} and {self.lr}")


@dataclass(frozen=True, slots=True)
class Unit:
    """A channel of a layer, with the weight of its activation in the objective."""

    layer: str
    channel: int
    weight: float = 1.0


def all_units(layers: Sequence[Layer]) -> tuple[Unit, ...]:
    """Return every channel of every layer."""
    return tuple(Unit(layer.name, channel) for layer in layers for channel in range(layer.num_channels))


def visualise(
    model: nn.Module,
    units: Sequence[Sequence[Unit]],
    keys: SampleKeys,
    *,
    side: int,
    config: FvisConfig,
    stream: str = "fvis",
) -> NDArray[np.uint8]:
    """Return images that maximise the mean rectified activation of their units.

    Args:
        model: Network that takes pixels in [0, 1]; left as it was. It runs on its own device in evaluation mode.
        units: Units of each image; several are summed by weight.
        keys: Identity of each image's random numbers.
        side: Side of the images in pixels.
        config: How they are optimised.
        stream: Name of the random numbers' stream.

    Returns:
        (N, S, S, C) uint8 with the channels that the network takes.
    """
    channels = input_channels(model)
    if len(units) == 0:
        return np.empty((0, side, side, channels), np.uint8)
    device = next(model.parameters()).device
    spectrum = _initial_spectrum(keys, channels, side, config, stream).to(device).requires_grad_()
    scale = frequency_scale(side, config.decay).to(device)
    optimiser = torch.optim.Adam([spectrum], lr=config.lr)
    names = list(dict.fromkeys(unit.layer for image in units for unit in image))
    with frozen(model), torch.enable_grad():
        rest = answers_at_rest(model, names, side)
        for step in range(config.steps):
            seen = transform(render(spectrum, scale, side), _views(keys, step, side, config, stream).to(device))
            score = objective(activations(model, seen, names), rest, units)
            (spectrum.grad,) = torch.autograd.grad(-score.sum(), spectrum)
            optimiser.step()
    with torch.no_grad():
        pixels = render(spectrum, scale, side).mul(255).round_().clamp_(0, 255).to(torch.uint8)
    return np.ascontiguousarray(pixels.permute(0, 2, 3, 1).cpu().numpy())


def frequency_scale(side: int, decay: float) -> Tensor:
    """Return 1 / max(f, 1 / side)**decay for the half-spectrum of a square image, (S, S // 2 + 1), f in cycles per pixel."""
    rows, columns = torch.fft.fftfreq(side), torch.fft.rfftfreq(side)
    frequency = torch.sqrt(rows[:, None] ** 2 + columns[None, :] ** 2)
    return 1.0 / frequency.clamp(min=1.0 / side) ** decay


def render(spectrum: Tensor, scale: Tensor, side: int) -> Tensor:
    """Return the images of Fourier coefficients: (N, C, S, S // 2 + 1, 2) float32 -> (N, C, S, S) in [0, 1]."""
    image = torch.fft.irfft2(torch.view_as_complex(spectrum) * scale, s=(side, side), norm="ortho") / 4.0
    if image.shape[1] == 3:
        root = torch.tensor(COLOUR_ROOT, device=image.device)
        root = root / root.norm(dim=0).max()
        image = torch.einsum("nchw,dc->ndhw", image, root)
    return torch.sigmoid(image)


def transform(images: Tensor, views: Tensor) -> Tensor:
    """Return images seen through affine maps of their coordinates, grey outside: (N, C, H, W), (N, 2, 3) -> (N, C, H, W)."""
    grid = functional.affine_grid(views, list(images.shape), align_corners=False)
    return functional.grid_sample(images - 0.5, grid, mode="bilinear", padding_mode="zeros", align_corners=False) + 0.5


def objective(maps: dict[str, Tensor], rest: dict[str, Tensor], units: Sequence[Sequence[Unit]]) -> Tensor:
    """Return each image's weighted mean over space of how far its units are above rest, rectified, (N,).

    Layers are read before their activation function. The plain mean of a linear layer is greatest for a flat black or white
    image; rectified, it is greatest for the pattern that the channel detects, as where lucid reads layers after ReLU.
    What is below rest counts a tenth, so that silent channels start.

    Args:
        maps: Feature maps of each layer, (N, F, H, W).
        rest: Mean activation of each channel on a flat grey image, (F,).
        units: Units of each image.
    """
    return torch.stack([
        torch.stack([unit.weight * _beyond(maps, rest, i, unit) for unit in image]).sum()
        for i, image in enumerate(units)
    ])  # fmt: skip


def _beyond(maps: dict[str, Tensor], rest: dict[str, Tensor], row: int, unit: Unit) -> Tensor:
    answer = maps[unit.layer][row, unit.channel] - rest[unit.layer][unit.channel]
    return functional.leaky_relu(answer, LEAK).mean()


def answers_at_rest(model: nn.Module, names: Sequence[str], side: int) -> dict[str, Tensor]:
    """Return each channel's mean activation on a flat grey image, by layer, (F,); the network must be frozen."""
    device = next(model.parameters()).device
    grey = torch.full((1, input_channels(model), side, side), 0.5, device=device)
    with torch.no_grad():
        return {name: maps.mean((0, 2, 3)) for name, maps in activations(model, grey, names).items()}


def _initial_spectrum(keys: SampleKeys, channels: int, side: int, config: FvisConfig, stream: str) -> Tensor:
    shape = (len(keys), channels, side, side // 2 + 1, 2)
    draws = normals(keys, int(np.prod(shape[1:])), stream=f"{stream}/spectrum").reshape(shape)
    return torch.from_numpy((config.init_std * draws).astype(np.float32))


def _views(keys: SampleKeys, step: int, side: int, config: FvisConfig, stream: str) -> Tensor:
    """Draw each image's shift, scale and turn of a step as affine maps, (N, 2, 3) float32; a third of the turns are zero."""
    u = uniforms(SampleKeys(keys.seed, step, keys.indices), 5, stream=f"{stream}/views")
    is_small = side < 64
    scale_range = config.scale_range if config.scale_range is not None else (0.05 if is_small else 0.1)
    degrees = config.turn_degrees if config.turn_degrees is not None else (5.0 if is_small else 10.0)
    shift = 2.0 * config.shift_share * (2.0 * u[:, 0:2] - 1.0)
    scale = 1.0 / (1.0 + scale_range * (2.0 * u[:, 2] - 1.0))
    turn = np.deg2rad(degrees) * (2.0 * u[:, 3] - 1.0) * (u[:, 4] >= 1 / 3)
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    views = np.stack([np.stack([cos, -sin, shift[:, 0]], -1), np.stack([sin, cos, shift[:, 1]], -1)], 1)
    return torch.from_numpy(views.astype(np.float32))
