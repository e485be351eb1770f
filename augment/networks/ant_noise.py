"""The noise of ANT: a pixel-wise generator, and the scaling that gives clipped noise an exact norm."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from augment.networks.weight_files import Convolution


class NoiseGenerator(nn.Module):
    """Four convolutions with ReLU between and a skip from the input; with its initial weights it passes noise nearly as it is."""

    def __init__(self, channels: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList([
            nn.Conv2d(channels, hidden, 1),
            nn.Conv2d(hidden, hidden, kernel, padding=kernel // 2),
            nn.Conv2d(hidden, hidden, 1),
            nn.Conv2d(hidden, channels, 1),
        ])  # fmt: skip

    def reset(self, generator: torch.Generator) -> None:
        """Draw all weights from N(0, 0.01**2) and set the biases to zero."""
        with torch.no_grad():
            for convolution in self.convolutions:
                assert isinstance(convolution, nn.Conv2d)
                convolution.weight.copy_(0.01 * torch.randn(convolution.weight.shape, generator=generator))
                assert convolution.bias is not None
                convolution.bias.zero_()

    @property
    def weights(self) -> list[Tensor]:
        """The weights of the four convolutions, in order."""
        return [value for name, value in self.named_parameters() if name.endswith("weight")]

    def load(self, given: Sequence[Convolution]) -> None:
        """Take the weights and biases of four given convolutions of the same shapes."""
        with torch.no_grad():
            for convolution, (weight, bias) in zip(self.convolutions, given, strict=True):
                assert isinstance(convolution, nn.Conv2d)
                convolution.weight.copy_(weight)
                assert convolution.bias is not None
                convolution.bias.copy_(bias)

    def forward(self, noise: Tensor) -> Tensor:
        """Return shaped noise of the input's shape, (N, C, H, W)."""
        x = noise
        for number, convolution in enumerate(self.convolutions):
            x = convolution(torch.relu(x) if number else x)
        return x + noise


def add_scaled(images: Tensor, noise: Tensor, epsilon: float) -> Tensor:
    """Return clip(images + eta * noise, 0, 1) with the eta per image that makes the change's norm epsilon.

    A value saturates at eta_i = room_i / |noise_i|, so the squared norm is the saturated rooms' squares plus eta squared times
    the squares of the rest; sorting the eta_i finds the piece that holds epsilon. Where even full saturation changes less than
    epsilon, everything saturates. Gradients flow to the noise.

    Args:
        images: (N, C, H, W) float32 in [0, 1].
        noise: Same shape.
        epsilon: Euclidean norm.

    Source: Rusak et al., "A simple way to make neural networks robust against diverse image corruptions" (ECCV 2020), section 3.
    """
    eta = _scales(images.flatten(1), noise.flatten(1), epsilon).reshape(-1, 1, 1, 1)
    return (images + eta * noise).clamp(0.0, 1.0)


def _scales(images: Tensor, noise: Tensor, epsilon: float) -> Tensor:
    wide = noise.double()
    with torch.no_grad():
        room = torch.where(noise > 0, 1.0 - images, images).double()
        limits = room / wide.abs().clamp(min=1e-12)
        order = limits.argsort(dim=1)
        sorted_limits = limits.gather(1, order)
        squares, rooms = wide.gather(1, order) ** 2, room.gather(1, order) ** 2
        saturated = rooms.cumsum(1)  # squares of rooms up to and with i
        rest = squares.sum(1, keepdim=True) - squares.cumsum(1)  # of noise after i
        reached = saturated + sorted_limits**2 * rest >= epsilon**2
        first = torch.where(reached.any(1), reached.int().argmax(1), reached.shape[1] - 1)
        free = limits >= sorted_limits.gather(1, first[:, None])
        left = epsilon**2 - torch.where(free, 0.0, room**2).sum(1)
    energy = (wide**2 * free).sum(1).clamp(min=1e-24)
    eta = torch.sqrt(left.clamp(min=0.0) / energy)
    full = sorted_limits[:, -1] + 1.0
    return torch.where(reached.any(1), eta, full).to(noise.dtype)
