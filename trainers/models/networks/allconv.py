"""The All Convolutional Net (Springenberg et al. 2015) with batch norm and GELU, as in the AugMix experiments."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainers.models.networks.initialisation import initialise_as_published

_WIDE, _WIDER = 96, 192


class Gelu(nn.Module):
    """x * sigmoid(1.702 x), as published."""

    def forward(self, x: Tensor) -> Tensor:
        """Map a tensor of any shape to one of the same shape."""
        return x * torch.sigmoid(1.702 * x)


class AllConv(nn.Module):
    """Three 3x3 convolutions of 96 channels, three of 192, one without padding, two 1x1 with padding; average; one linear layer.

    Max pooling and drop-out follow the third and the sixth convolution. The published average is over the first 8x8 of the 10x10
    values that an image of 32 px leaves: without the last two rows and columns, at other sizes too.
    """

    def __init__(self, *, num_classes: int, num_channels: int, dropout: float) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_convolution(num_channels, _WIDE),
            *_convolution(_WIDE, _WIDE),
            *_convolution(_WIDE, _WIDE),
            nn.MaxPool2d(2),
            nn.Dropout(dropout),
            *_convolution(_WIDE, _WIDER),
            *_convolution(_WIDER, _WIDER),
            *_convolution(_WIDER, _WIDER),
            nn.MaxPool2d(2),
            nn.Dropout(dropout),
            *_convolution(_WIDER, _WIDER, padding=0),
            *_convolution(_WIDER, _WIDER, side=1),
            *_convolution(_WIDER, _WIDER, side=1),
        )
        self.classifier = nn.Linear(_WIDER, num_classes)
        initialise_as_published(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images (N, C, H, W) to logits (N, K)."""
        logits: Tensor = self.classifier(self.features(x)[:, :, :-2, :-2].mean(dim=(2, 3)))
        return logits


def _convolution(num_in: int, num_out: int, *, side: int = 3, padding: int = 1) -> tuple[nn.Module, ...]:
    return nn.Conv2d(num_in, num_out, side, padding=padding), nn.BatchNorm2d(num_out), Gelu()
