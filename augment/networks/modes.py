"""A network that is borrowed for a moment: in evaluation mode, without parameter gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from augment.heavy import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every module into evaluation mode, and afterwards back into its own."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode without parameter gradients, and restore every module and parameter afterwards."""
    trainable = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    with evaluating(model):
        for parameter, _ in trainable:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter, needs_gradient in trainable:
                parameter.requires_grad_(needs_gradient)
