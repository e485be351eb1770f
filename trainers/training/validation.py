"""Loss and accuracy on images that are held out from training: what anything that selects may look at, instead of test data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from eval.inference.prefetch import Part, Work
from eval.inference.transfer import DeviceFeed, float_images
from trainers.config import RecipeConfig
from trainers.training.group import ProcessGroup
from trainers.training.input.images import ImageSource
from trainers.training.input.order import even_cuts, validation_samples

BATCH: Final = 500


def validation(
    source: ImageSource, recipe: RecipeConfig, group: ProcessGroup, *, threads: int = 0
) -> Callable[[nn.Module], tuple[float, float]] | None:
    """Return a function that evaluates a model on the held-out images, or None where the recipe holds none out.

    Every rank must call it: each evaluates its share of the images, which bear no augmentation. The model is evaluated as it is
    after the epoch, not its running average.

    Args:
        source: The training images; the held-out ones are among them and are never trained on.
        threads: Threads that load images ahead of the device; 0 loads each batch when it is asked for.
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
        sums = torch.zeros(2, dtype=torch.float64, device=group.device)
        with (
            DeviceFeed(group.device, threads=threads, ahead=1) as feed,
            closing(feed.run(_works(source, own, threads))) as batches,
        ):
            for batch in batches:
                ((images, targets),) = batch.groups
                logits = model(float_images(images))
                sums[0] += functional.cross_entropy(logits, targets, reduction="sum")
                sums[1] += (logits.argmax(1) == targets).sum()
        model.train(was_training)
        group.sum_(sums)
        loss, correct = sums.tolist()
        return loss / len(held_out), correct / len(held_out)

    return evaluate


def _works(source: ImageSource, samples: NDArray[np.int64], threads: int) -> Iterator[Work[None]]:
    """Yield the batches of some images, in as many parts as there are threads."""
    for first in range(0, len(samples), BATCH):
        batch = samples[first : first + BATCH]
        cuts = even_cuts(len(batch), max(1, min(threads, len(batch))))
        parts = tuple(Part(0, start, stop, partial(source.plain, batch[start:stop].copy())) for start, stop in cuts)
        yield Work(sizes=(len(batch),), parts=parts, tag=None)
