"""The generator of noise that ANT trains against the classifier."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from augment.networks.weights import Convolution


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

    @property
    def weights(self) -> list[Tensor]:
        """The weights of the four convolutions, in order."""
        return [value for name, value in self.named_parameters() if name.endswith("weight")]

    def load(self, given: Sequence[Convolution]) -> None:
        """Take the weights and biases of four given convolutions of the same shapes."""
        values = [value for convolution in given for value in convolution]
        self.load_state_dict(dict(zip(self.state_dict(), values, strict=True)))

    def forward(self, noise: Tensor) -> Tensor:
        """Return shaped noise of the input's shape, (N, C, H, W)."""
        x = noise
        for number, convolution in enumerate(self.convolutions):
            x = convolution(torch.relu(x) if number else x)
        return x + noise
