"""Optimisers of a recipe: weight decay on all parameters, batch norm and biases included, as published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from trainers.config import RecipeConfig


def build_optimiser(recipe: RecipeConfig, model: nn.Module) -> torch.optim.Optimizer:
    """Return the recipe's optimiser over all parameters; its learning rate is set anew at every step."""
    parameters = list(model.parameters())
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=recipe.lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
            foreach=True,
        )
    kind = torch.optim.Adam if recipe.optimiser == "adam" else torch.optim.AdamW
    return kind(
        parameters, lr=recipe.lr, betas=(recipe.momentum, 0.999), weight_decay=recipe.weight_decay, foreach=True
    )


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters."""
    for group in optimiser.param_groups:
        group["lr"] = rate


class Average:
    """An exponential moving average of the weights: average += (1 - decay) * (weight - average) after every step."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Start from the weights of a model."""
        self.decay = decay
        self.values = [parameter.detach().clone() for parameter in model.parameters()]

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the weights of a model."""
        torch._foreach_lerp_(self.values, [p.detach() for p in model.parameters()], 1.0 - self.decay)

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        """Write the average into a model; its running statistics stay."""
        for parameter, value in zip(model.parameters(), self.values, strict=True):
            parameter.copy_(value)
