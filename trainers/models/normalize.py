"""The whole classifier: normalisation first, then the network; pixels in [0, 1] go in, float32 logits come out.

Nobody outside a model hears of a mean or of a precision: augmentations, corruptions and attacks see pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn


class Normalize(nn.Module):
    """Subtracts a mean and divides by a standard deviation per channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map pixels in [0, 1], (N, C, H, W), to normalised values of the same shape."""
        return (images - self.mean) / self.std


class Classifier(nn.Module):
    """Normalisation followed by a network; runs the network in bfloat16 where asked, and returns float32 logits."""

    def __init__(
        self, normalize: Normalize, network: nn.Module, *, precision: Literal["fp32", "bf16"] = "fp32"
    ) -> None:
        super().__init__()
        self.normalize = normalize
        self.network = network
        self.precision = precision

    def forward(self, images: Tensor) -> Tensor:
        """Map pixels in [0, 1], (N, C, H, W), to logits (N, K) float32."""
        normalised = self.normalize(images)
        if self.precision == "fp32":
            logits: Tensor = self.network(normalised)
            return logits
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            logits = self.network(normalised)
        return logits.float()
