"""The image-to-image network of the EDSR treatment: doubles the resolution; its features can be damaged on the way."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

FeatureEdit = Callable[[Tensor], Tensor]


def unchanged(features: Tensor) -> Tensor:
    """Return features as they are."""
    return features


class ResidualBlock(nn.Module):
    """Two convolutions with a skip."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(hidden, hidden, 3, padding=1), nn.Conv2d(hidden, hidden, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus its residual, scaled by 0.2."""
        inner: Tensor = self.conv2(torch.relu(self.conv1(x)))
        return x + 0.2 * inner


class Upsampler(nn.Module):
    """Residual super-resolution by two (Lim et al., EDSR, 2017) of images that were halved first."""

    def __init__(self, channels: int, hidden: int, num_blocks: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(channels, hidden, 3, padding=1)
        self.body = nn.ModuleList(ResidualBlock(hidden) for _ in range(num_blocks))
        self.up = nn.Conv2d(hidden, 4 * hidden, 3, padding=1)
        self.tail = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(
        self, images: Tensor, after_head: FeatureEdit = unchanged, inside_body: FeatureEdit = unchanged
    ) -> Tensor:
        """Return images redrawn from half their resolution, (N, C, H, W) in [0, 1] -> the same shape, range open.

        Args:
            images: Images.
            after_head: Edit of the features behind the first convolution.
            inside_body: Edit of the features behind the middle block.
        """
        small = functional.avg_pool2d(images, 2, ceil_mode=True)
        start = x = after_head(self.head(2.0 * small - 1.0))
        for number, block in enumerate(self.body):
            x = block(x)
            if number == len(self.body) // 2:
                x = inside_body(x)
        large = functional.pixel_shuffle(self.up(x + start), 2)
        redrawn: Tensor = self.tail(large)[:, :, : images.shape[2], : images.shape[3]]
        return 0.5 * (redrawn + 1.0)
