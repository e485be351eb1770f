"""The initial weights of the published networks for small images."""

from __future__ import annotations

import math

from torch import nn


def initialise_as_published(network: nn.Module) -> None:
    """Draw convolutions from N(0, 2 / (k * k * out)); set batch norm to one and zero, linear biases to zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
            nn.init.normal_(module.weight, 0.0, math.sqrt(2.0 / fan_out))
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
