"""A small residual network with random weights, for images that need a network but no training."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

WIDTHS = (16, 32, 64)


class _Block(nn.Module):
    def __init__(self, num_in: int, num_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_in, num_out, 3, stride=stride, padding=1)
        self.conv2 = nn.Conv2d(num_out, num_out, 3, padding=1)
        self.shortcut = nn.Conv2d(num_in, num_out, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        inner: Tensor = self.conv2(torch.relu(self.conv1(torch.relu(x))))
        shortcut: Tensor = self.shortcut(x)
        return (inner + shortcut) / math.sqrt(2.0)


class UntrainedNetwork(nn.Module):
    """Stem and six residual blocks; pixels in [0, 1] go in, feature maps come out."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(num_channels, WIDTHS[0], 3, padding=1)
        widths = [WIDTHS[0], *(width for width in WIDTHS for _ in range(2))]
        self.blocks = nn.Sequential(*(_Block(a, b, 2 if b > a else 1) for a, b in pairwise(widths)))

    def forward(self, images: Tensor) -> Tensor:
        """Return the last feature maps: (N, C, H, W) in [0, 1] -> (N, 64, H / 4, W / 4)."""
        features: Tensor = self.blocks(self.stem(4.0 * images - 2.0))
        return features


def untrained_network(seed: int, num_channels: int) -> UntrainedNetwork:
    """Return the network with weights N(0, 2 / fan-in) from its own generator."""
    network = UntrainedNetwork(num_channels)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                fan_in = module.weight[0].numel()
                module.weight.normal_(0.0, math.sqrt(2.0 / fan_in), generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
    return network.eval()
