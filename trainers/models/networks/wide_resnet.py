"""Wide residual networks (Zagoruyko and Komodakis 2016), pre-activation, with drop-out inside the blocks.

WRN-40-4 has 8,949,210 parameters for RGB images of 10 classes and 8,972,340 for 100. The pooling is global, which equals
the published 8x8 pooling at 32 px and lets other sizes in.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from trainers.models.networks.initialisation import initialise_as_published


class WideBlock(nn.Module):
    """BN-ReLU-conv3x3-BN-ReLU-dropout-conv3x3; where the width changes, the first BN-ReLU also feeds a 1x1 shortcut."""

    def __init__(self, num_in: int, num_out: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(num_in)
        self.conv1 = nn.Conv2d(num_in, num_out, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(num_out)
        self.conv2 = nn.Conv2d(num_out, num_out, 3, padding=1, bias=False)
        self.dropout = dropout
        self.shortcut = None if num_in == num_out else nn.Conv2d(num_in, num_out, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, num_in, H, W) to (N, num_out, H / stride, W / stride)."""
        activated = functional.relu(self.bn1(x), inplace=True)
        residual = functional.relu(self.bn2(self.conv1(activated)), inplace=True)
        if self.dropout > 0:
            residual = functional.dropout(residual, self.dropout, training=self.training)
        total: Tensor = (x if self.shortcut is None else self.shortcut(activated)) + self.conv2(residual)
        return total


class WideResNet(nn.Module):
    """A stem of 16 channels, three groups of blocks of 16, 32, 64 times `width` channels, global pooling, one linear layer.

    Convolutions start from N(0, 2 / (k * k * out)), batch norm from one and zero, the linear bias from zero.
    """

    def __init__(self, *, depth: int, width: int, dropout: float, num_classes: int, num_channels: int) -> None:
        super().__init__()
        blocks = (depth - 4) // 6
        widths = (16, 16 * width, 32 * width, 64 * width)
        self.stem = nn.Conv2d(num_channels, widths[0], 3, padding=1, bias=False)
        self.groups = nn.Sequential(
            *(
                _group(blocks, num_in, num_out, stride, dropout)
                for num_in, num_out, stride in zip(widths[:-1], widths[1:], (1, 2, 2), strict=True)
            )
        )
        self.bn = nn.BatchNorm2d(widths[-1])
        self.linear = nn.Linear(widths[-1], num_classes)
        initialise_as_published(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images (N, C, H, W) to logits (N, K)."""
        features = functional.relu(self.bn(self.groups(self.stem(x))), inplace=True)
        logits: Tensor = self.linear(features.mean(dim=(2, 3)))
        return logits


def _group(blocks: int, num_in: int, num_out: int, stride: int, dropout: float) -> nn.Sequential:
    first = WideBlock(num_in, num_out, stride, dropout)
    rest = (WideBlock(num_out, num_out, 1, dropout) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest)
