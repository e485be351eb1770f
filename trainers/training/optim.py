"""Optimiser, learning rate and weight average of a recipe.

Weight decay is on all parameters, batch norm and biases included, as published. The learning rate is a pure function of the step.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import nn

from trainers.config import RecipeConfig

FUSED_DEVICES: Final = frozenset({"cuda"})
"""Where an optimiser steps by one kernel for all parameters; on a CPU that would round otherwise than recorded results."""


def build_optimiser(recipe: RecipeConfig, model: nn.Module) -> torch.optim.Optimizer:
    """Return the recipe's optimiser over all parameters, where they are now; its learning rate is set at every step."""
    parameters = list(model.parameters())
    fused = parameters[0].device.type in FUSED_DEVICES or None
    foreach = True if fused is None else None
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=recipe.lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
            fused=fused,
            foreach=foreach,
        )
    kind = torch.optim.Adam if recipe.optimiser == "adam" else torch.optim.AdamW
    return kind(
        parameters,
        lr=recipe.lr,
        betas=(recipe.momentum, 0.999),
        weight_decay=recipe.weight_decay,
        fused=fused,
        foreach=foreach,
    )


def restore_optimiser(optimiser: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Load an optimiser's state, which another kind of device may have written."""
    # Torch takes the implementation from the state too: without this, a CPU would go on with a GPU's.
    own = [{name: group[name] for name in ("fused", "foreach")} for group in optimiser.param_groups]
    groups = [{**saved, **chosen} for saved, chosen in zip(state["param_groups"], own, strict=True)]
    optimiser.load_state_dict({**state, "param_groups": groups})


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def learning_rate(recipe: RecipeConfig, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of an optimiser step.

    The cosine is lr(t) = final + (first - final) * (1 + cos(pi * t / T)) / 2 over T = epochs * steps_per_epoch steps, one
    change per step (andyzoujm/pixmix, cifar.py). A warm-up multiplies the first steps by (t + 1) / warmup_steps.

    Args:
        step: Optimiser step, from 0.
    """
    rate = _after_warmup(recipe, step, steps_per_epoch)
    if step < recipe.warmup_steps:
        rate *= (step + 1) / recipe.warmup_steps
    return rate


def _after_warmup(recipe: RecipeConfig, step: int, steps_per_epoch: int) -> float:
    if recipe.schedule == "constant":
        return recipe.lr
    if recipe.schedule == "step":
        return float(recipe.lr * recipe.step_gamma ** bisect_right(recipe.step_epochs, step // steps_per_epoch))
    total = max(1, recipe.epochs * steps_per_epoch)
    return recipe.final_lr + (recipe.lr - recipe.final_lr) * (1 + math.cos(math.pi * step / total)) / 2


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
