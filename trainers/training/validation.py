"""Loss and accuracy on images that are held out from training: what anything that selects may look at, instead of test data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from eval.inference.transfer import float_images
from trainers.config import RecipeConfig
from trainers.training.group import ProcessGroup
from trainers.training.images import ImageSource
from trainers.training.order import even_cuts, validation_samples

BATCH: Final = 500


def validation(
    source: ImageSource, recipe: RecipeConfig, group: ProcessGroup
) -> Callable[[nn.Module], tuple[float, float]] | None:
    """Return a function that evaluates a model on the held-out images, or None where the recipe holds none out.

    Every rank must call it: each evaluates its share of the images, which bear no augmentation. The model is evaluated as it is
    after the epoch, not its running average.

    Args:
        source: The training images; the held-out ones are among them and are never trained on.
    """
    held_out = validation_samples(source.num_images, recipe)
    if not len(held_out):
        return None
    start, stop = even_cuts(len(held_out), group.world_size)[group.rank]
    own = held_out[start:stop]

    @torch.no_grad()
    def evaluate(model: nn.Module) -> tuple[float, float]:
        was_training = model.training
        model.eval()
        sums = torch.zeros(2, dtype=torch.float64)
        for first in range(0, len(own), BATCH):
            pixels, labels = source.plain(np.ascontiguousarray(own[first : first + BATCH]))
            logits = model(float_images(torch.from_numpy(pixels).to(group.device)))
            targets = torch.from_numpy(labels).to(group.device)
            sums[0] += functional.cross_entropy(logits, targets, reduction="sum").item()
            sums[1] += (logits.argmax(1) == targets).sum().item()
        model.train(was_training)
        sums = sums.to(group.device)
        group.sum_(sums)
        loss, correct = sums.tolist()
        return loss / len(held_out), correct / len(held_out)

    return evaluate
