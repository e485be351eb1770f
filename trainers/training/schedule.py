"""Learning rates as a pure function of the optimiser step; nothing here is state."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainers.config import RecipeConfig


def learning_rate(recipe: RecipeConfig, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of an optimiser step.

    The cosine is lr(t) = final + (first - final) * (1 + cos(pi * t / T)) / 2 over T = epochs * steps_per_epoch steps, one
    change per step (andyzoujm/pixmix, cifar.py). A warm-up multiplies the first steps by (t + 1) / warmup_steps.

    Args:
        recipe: How it is trained.
        step: Optimiser step, from 0.
        steps_per_epoch: Optimiser steps of an epoch.
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
