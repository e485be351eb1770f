"""The small network for 28 px images that the Outlier Exposure experiments on MNIST used (21,840 parameters)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class SmallCNN(nn.Module):
    """conv5x5(10)-pool-GELU-conv5x5(20)-dropout2d-pool-GELU-linear(50)-GELU-linear(K); GELU as x * sigmoid(1.702 x)."""

    def __init__(self, *, image_size: int, num_channels: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        side = ((image_size - 4) // 2 - 4) // 2
        self.conv1 = nn.Conv2d(num_channels, 10, 5)
        self.conv2 = nn.Conv2d(10, 20, 5)
        self.dropout = nn.Dropout2d(dropout)
        self.linear1 = nn.Linear(20 * side * side, 50)
        self.linear2 = nn.Linear(50, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images (N, C, H, W) to logits (N, K)."""
        x = _gelu(functional.max_pool2d(self.conv1(x), 2))
        x = _gelu(functional.max_pool2d(self.dropout(self.conv2(x)), 2))
        x = _gelu(self.linear1(torch.flatten(x, 1)))
        logits: Tensor = self.linear2(x)
        return logits


def _gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)
