"""The networks of style transfer: published ones, put together from the weights in their files, and their substitute.

Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization" (ICCV 2017), files as of
naoto0804/pytorch-AdaIN: a VGG-like encoder and its mirror, of 3 x 3 convolutions on mirrored borders with ReLU. The encoder
halves the resolution before every convolution that doubles the channels and is used up to the first one as wide as the decoder's
input (relu4_1 of VGG-19); it may begin with a 1 x 1 convolution that normalises the pixels. The decoder doubles the resolution
after every convolution that halves the channels and ends without ReLU. Networks of `augment.networks.style.training` do likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from augment.errors import AugmentError
from augment.networks.weights import Convolution, convolutions_of, read_weights


class MirrorPad(nn.Module):
    """One pixel of border, mirrored; repeated where an image is too small to be mirrored."""

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, C, H + 2, W + 2)."""
        mode = "reflect" if min(images.shape[2:]) > 1 else "replicate"
        return functional.pad(images, (1, 1, 1, 1), mode=mode)


class PublishedStyleNetwork(nn.Module):
    """Encoder and decoder with given weights; images of one channel are shown as grey RGB."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, channels: int) -> None:
        super().__init__()
        self.encoder, self.decoder, self.channels = encoder, decoder, channels

    def encode(self, images: Tensor) -> Tensor:
        """Return features, (N, C, H, W) in [0, 1] -> (N, F, H / 8, W / 8), sizes rounded up."""
        features: Tensor = self.encoder(images.expand(-1, 3, -1, -1))
        return features

    def decode(self, features: Tensor, height: int, width: int) -> Tensor:
        """Return images of a height and width, range open."""
        drawn: Tensor = self.decoder(features)[:, :, :height, :width]
        return drawn if self.channels == 3 else drawn.mean(1, keepdim=True)


def style_network(encoder: Path, decoder: Path, channels: int) -> PublishedStyleNetwork:
    """Return the networks of two files.

    Args:
        encoder: Weights of a VGG-like encoder, RGB in [0, 1] as input.
        decoder: Weights of its decoder.
        channels: Channels of the images, 1 or 3.

    Raises:
        AugmentError: If a file cannot be read, or the two do not belong together.
    """
    drawn = convolutions_of(read_weights(decoder), decoder)
    width = drawn[0].weight.shape[1]
    seen = convolutions_of(read_weights(encoder), encoder)
    ends = [number for number, each in enumerate(seen) if len(each.weight) == width]
    _check(seen, drawn, bool(ends), encoder, decoder)
    return PublishedStyleNetwork(encoder_of(seen[: ends[0] + 1]), decoder_of(drawn), channels)


def _check(
    seen: Sequence[Convolution], drawn: Sequence[Convolution], reaches: bool, encoder: Path, decoder: Path
) -> None:
    chains = [(encoder, seen, 3), (decoder, drawn, drawn[0].weight.shape[1])]
    for path, convolutions, given in chains:
        for number, (weight, _) in enumerate(convolutions):
            if weight.shape[1] != given or weight.shape[2] not in (1, 3):
                raise AugmentError(
                    f"convolution {number} of {path} must take {given} channels with a 1 x 1 or 3 x 3 kernel, but has the shape "
                    f"{tuple(weight.shape)}; name the weights of a plain chain of convolutions"
                )
            given = len(weight)
    if not reaches or len(drawn[-1].weight) != 3:
        raise AugmentError(
            f"the encoder must reach the {drawn[0].weight.shape[1]} channels that the decoder takes, and the decoder must end in "
            f"3, but {encoder} and {decoder} do not; name two files that were trained together"
        )


def encoder_of(convolutions: Sequence[Convolution]) -> nn.Sequential:
    """Return the encoder of convolutions: half the resolution before each one that doubles the channels."""
    layers: list[nn.Module] = []
    for each in convolutions:
        num_out, num_in, side, _ = each.weight.shape
        if num_out == 2 * num_in:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        layers += [convolution_of(each)] if side == 1 else [MirrorPad(), convolution_of(each), nn.ReLU()]
    return nn.Sequential(*layers)


def decoder_of(convolutions: Sequence[Convolution]) -> nn.Sequential:
    """Return the decoder of convolutions: twice the resolution after each one that halves the channels, but the last."""
    layers: list[nn.Module] = []
    for number, each in enumerate(convolutions):
        num_out, num_in = each.weight.shape[:2]
        layers += [MirrorPad(), convolution_of(each)]
        if number < len(convolutions) - 1:
            layers.append(nn.ReLU())
            if num_in == 2 * num_out:
                layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
    return nn.Sequential(*layers)


def convolution_of(given: Convolution) -> nn.Conv2d:
    """Return a convolution without padding and with given weights."""
    num_out, num_in, side, _ = given.weight.shape
    made = nn.Conv2d(num_in, num_out, side)
    with torch.no_grad():
        made.weight.copy_(given.weight)
        made.bias.copy_(given.bias)  # type: ignore[union-attr]
    return made


class StyleNetwork(nn.Module):
    """The substitute for the published networks: an encoder to half the resolution and a decoder back."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, 2 * hidden, 3, padding=1), nn.ReLU(),
            nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(2 * hidden, 4 * hidden, 3, padding=1), nn.ReLU(),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Conv2d(4 * hidden, 2 * hidden, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(2 * hidden, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, channels, 3, padding=1),
        )  # fmt: skip

    def encode(self, images: Tensor) -> Tensor:
        """Return features, (N, C, H, W) in [0, 1] -> (N, 4 hidden, H / 2, W / 2)."""
        features: Tensor = self.encoder(2.0 * images - 1.0)
        return features

    def decode(self, features: Tensor, height: int, width: int) -> Tensor:
        """Return images of a height and width, range open."""
        drawn: Tensor = self.decoder(features)[:, :, :height, :width]
        return 0.5 * (drawn + 1.0)
