"""The image-to-image networks of EDSR, whose features can be damaged on the way: the published one, and its substitute.

The published network (Lim et al., EDSR, 2017; sanghyun-son/EDSR-PyTorch, "baseline" networks) is put together from its file's
weights: names of modules are those of the file, pixels inside are in [0, 255] minus the mean colour, and everything that may vary
(blocks, channels, factor) is read off the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from augment.errors import AugmentError
from augment.lookup.parameters import reason_of
from augment.networks.weights import read_weights

FeatureEdit = Callable[[Tensor], Tensor]
MEAN_RGB: Final = (0.4488, 0.4371, 0.4040)
EDITED_BLOCK: Final = 5
"""Blocks before the edit inside the body (hendrycks/imagenet-r, DeepAugment/EDSR_distort_imagenet.py)."""


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


class PublishedBlock(nn.Module):
    """Two convolutions with a skip."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(hidden, hidden), nn.ReLU(), _conv(hidden, hidden))

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus its residual."""
        residual: Tensor = self.body(x)
        return x + residual


class PublishedEdsr(nn.Module):
    """Images are made smaller by the network's factor, then redrawn by it at their own size."""

    def __init__(self, *, channels: int, hidden: int, num_blocks: int, factors: tuple[int, ...]) -> None:
        super().__init__()
        self.channels, self.hidden, self.factor = channels, hidden, math.prod(factors)
        self.head = nn.Sequential(_conv(3, hidden))
        self.body = nn.Sequential(*(PublishedBlock(hidden) for _ in range(num_blocks)), _conv(hidden, hidden))
        ups = [layer for each in factors for layer in (_conv(hidden, each**2 * hidden), nn.PixelShuffle(each))]
        self.tail = nn.Sequential(nn.Sequential(*ups), _conv(hidden, 3))

    def forward(
        self, images: Tensor, after_head: FeatureEdit = unchanged, inside_body: FeatureEdit = unchanged
    ) -> Tensor:
        """Return images redrawn, (N, C, H, W) in [0, 1] -> the same shape, range open; edits as for `Upsampler`."""
        small = functional.avg_pool2d(images.expand(-1, 3, -1, -1), self.factor, ceil_mode=True)
        mean = torch.tensor(MEAN_RGB, device=images.device).reshape(1, 3, 1, 1)
        start = x = after_head(self.head(255.0 * (small - mean)))
        edited = min(EDITED_BLOCK, len(self.body) - 1)
        for number, layer in enumerate(self.body):
            x = layer(inside_body(x) if number == edited else x)
        drawn: Tensor = self.tail(x + start)[:, :, : images.shape[2], : images.shape[3]] / 255.0 + mean
        return drawn if self.channels == 3 else drawn.mean(1, keepdim=True)


def published_edsr(path: Path, channels: int) -> PublishedEdsr:
    """Return the network of a file.

    Args:
        path: Weights of an EDSR network without scaled residuals ("baseline").
        channels: Channels of the images, 1 or 3.

    Raises:
        AugmentError: If the file cannot be read or is of another network.
    """
    tensors = {name: value for name, value in read_weights(path).items() if "_mean." not in name}
    try:
        hidden = len(tensors["head.0.weight"])
        num_blocks = sum(name.endswith(".body.0.weight") for name in tensors)
        ups = [value for name, value in tensors.items() if name.startswith("tail.0.") and name.endswith("weight")]
        factors = tuple(math.isqrt(len(value) // hidden) for value in ups)
        network = PublishedEdsr(channels=channels, hidden=hidden, num_blocks=num_blocks, factors=factors)
        network.load_state_dict(tensors)
    except (KeyError, RuntimeError) as error:
        raise AugmentError(
            f"{path} must contain the weights of an EDSR baseline network (edsr_baseline_x2, x3 or x4), but does not: "
            f"{reason_of(error)}; name such a file, or leave weights out"
        ) from error
    return network


def _conv(num_in: int, num_out: int) -> nn.Conv2d:
    return nn.Conv2d(num_in, num_out, 3, padding=1)
