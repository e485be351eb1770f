"""ResNeXt for small images (Xie et al. 2017), as in the AugMix experiments: depth 29, 4 groups of base width 32."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from trainers.models.networks.initialisation import initialise_as_published


class GroupedBottleneck(nn.Module):
    """conv1x1-BN-ReLU-grouped conv3x3-BN-ReLU-conv1x1-BN, plus the input (through a 1x1 convolution where shapes differ)."""

    def __init__(self, num_in: int, num_out: int, num_inner: int, groups: int, stride: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(num_in, num_inner, 1, bias=False)
        self.bn_reduce = nn.BatchNorm2d(num_inner)
        self.grouped = nn.Conv2d(num_inner, num_inner, 3, stride=stride, padding=1, groups=groups, bias=False)
        self.bn_grouped = nn.BatchNorm2d(num_inner)
        self.expand = nn.Conv2d(num_inner, num_out, 1, bias=False)
        self.bn_expand = nn.BatchNorm2d(num_out)
        self.shortcut = (
            nn.Sequential(nn.Conv2d(num_in, num_out, 1, stride=stride, bias=False), nn.BatchNorm2d(num_out))
            if stride != 1 or num_in != num_out
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, num_in, H, W) to (N, num_out, H / stride, W / stride)."""
        inner = functional.relu(self.bn_reduce(self.reduce(x)), inplace=True)
        inner = functional.relu(self.bn_grouped(self.grouped(inner)), inplace=True)
        return functional.relu(self.shortcut(x) + self.bn_expand(self.expand(inner)), inplace=True)


class ResNeXt(nn.Module):
    """A stem of 64 channels, three stages of (depth - 2) / 9 bottlenecks to 256, 512, 1024 channels, global pooling."""

    def __init__(self, *, depth: int, groups: int, base_width: int, num_classes: int, num_channels: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(num_channels, 64, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(64)
        blocks: list[nn.Module] = []
        num_in = 64
        for width, stride in ((64, 1), (128, 2), (256, 2)):
            inner = width * base_width // 64 * groups
            for position in range((depth - 2) // 9):
                blocks.append(GroupedBottleneck(num_in, 4 * width, inner, groups, stride if position == 0 else 1))
                num_in = 4 * width
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(num_in, num_classes)
        initialise_as_published(self)
        nn.init.kaiming_normal_(self.linear.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images (N, C, H, W) to logits (N, K)."""
        features = self.blocks(functional.relu(self.bn(self.stem(x)), inplace=True))
        logits: Tensor = self.linear(features.mean(dim=(2, 3)))
        return logits
