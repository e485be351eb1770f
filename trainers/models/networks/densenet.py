"""DenseNets for small images (Huang et al. 2017): with bottlenecks and compression (BC, 100 and 12), and plain (40 and 12)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers.models.networks.initialisation import initialise_as_published


class DenseLayer(nn.Module):
    """BN-ReLU-conv1x1-BN-ReLU-conv3x3 to `growth` channels, put behind the input."""

    def __init__(self, num_in: int, growth: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(num_in)
        self.conv1 = nn.Conv2d(num_in, 4 * growth, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, num_in, H, W) to (N, num_in + growth, H, W)."""
        inner = self.conv1(functional.relu(self.bn1(x)))
        return torch.cat((x, self.conv2(functional.relu(self.bn2(inner)))), 1)


class PlainLayer(nn.Module):
    """BN-ReLU-conv3x3 to `growth` channels, put behind the input."""

    def __init__(self, num_in: int, growth: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(num_in)
        self.conv1 = nn.Conv2d(num_in, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, num_in, H, W) to (N, num_in + growth, H, W)."""
        return torch.cat((x, self.conv1(functional.relu(self.bn1(x)))), 1)


class Transition(nn.Module):
    """BN-ReLU-conv1x1, then 2x2 average pooling."""

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(num_in)
        self.conv = nn.Conv2d(num_in, num_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, num_in, H, W) to (N, num_out, H / 2, W / 2)."""
        return functional.avg_pool2d(self.conv(functional.relu(self.bn(x))), 2)


class DenseNet(nn.Module):
    """Three dense blocks with transitions between them, global pooling, one linear layer.

    Args:
        depth: Convolutions and the linear layer: 6n + 4 with bottlenecks, 3n + 4 without, n layers a block.
        num_classes: K.
        is_bc: Whether layers have bottlenecks and transitions halve the channels.
    """

    def __init__(self, *, depth: int, growth: int, num_classes: int, num_channels: int, is_bc: bool) -> None:
        super().__init__()
        layer = DenseLayer if is_bc else PlainLayer
        num_in = 2 * growth
        self.stem = nn.Conv2d(num_channels, num_in, 3, padding=1, bias=False)
        layers: list[nn.Module] = []
        for block in range(3):
            for _ in range((depth - 4) // (6 if is_bc else 3)):
                layers.append(layer(num_in, growth))
                num_in += growth
            if block < 2:
                num_out = num_in // 2 if is_bc else num_in
                layers.append(Transition(num_in, num_out))
                num_in = num_out
        self.layers = nn.Sequential(*layers)
        self.bn = nn.BatchNorm2d(num_in)
        self.linear = nn.Linear(num_in, num_classes)
        initialise_as_published(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images (N, C, H, W) to logits (N, K)."""
        features = functional.relu(self.bn(self.layers(self.stem(x))), inplace=True)
        logits: Tensor = self.linear(features.mean(dim=(2, 3)))
        return logits
