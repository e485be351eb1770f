"""The order of training: which samples form which batch and which logical shard, exactly, on any number of workers.

Every epoch visits every sample once, in a permutation that is a function of (seed, epoch). Global batches are consecutive
ranges of it, the last one may be smaller; each is cut into the recipe's logical shards as evenly as possible. A worker computes a
consecutive range of the shards.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.kernels.counters import permutation
from trainers.config import RecipeConfig
from trainers.errors import ImpossibleJob

VALIDATION_SEED: Final = 0
"""The held-out images are the same for every cell of a dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How samples are laid out over epochs, batches and shards.

    Attributes:
        samples: Indices of the training images in their dataset, (N,) int64.
        num_shards: Logical shards of each global batch: `batch_shards` times micro-batches.
    """

    samples: NDArray[np.int64]
    batch_size: int
    num_shards: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Global batches in an epoch, the last partial one included."""
        return -(-len(self.samples) // self.batch_size)

    def epoch(self, epoch: int) -> NDArray[np.int64]:
        """Return the samples of an epoch (0-based) in the order of their visit, (N,)."""
        return self.samples[permutation(self.seed, epoch, len(self.samples), stream="order")]

    def batch(self, visits: NDArray[np.int64], step: int) -> list[NDArray[np.int64]]:
        """Return the shards of one global batch of an epoch's visits; in a small last batch shards may be empty."""
        samples = visits[step * self.batch_size : (step + 1) * self.batch_size]
        return [samples[start:stop] for start, stop in even_cuts(len(samples), self.num_shards)]


def even_cuts(total: int, ranges: int) -> list[tuple[int, int]]:
    """Return the bounds of so many consecutive ranges of `total` items; their sizes differ by at most one."""
    edges = [index * (total // ranges) + min(index, total % ranges) for index in range(ranges + 1)]
    return list(pairwise(edges))


def shards_of(rank: int, world_size: int, num_shards: int) -> tuple[int, ...]:
    """Return the shards that a worker computes, in order; shard 0 comes last on its worker.

    Shard 0 alone updates batch norm's running statistics, and every other shard must still see the old ones.
    """
    each = num_shards // world_size
    mine = range(rank * each, (rank + 1) * each)
    return tuple(sorted(mine, key=lambda shard: (shard == 0, shard)))


def check_workers(recipe: RecipeConfig, world_size: int) -> None:
    """Refuse a number of workers that the recipe's logical shards cannot be spread over.

    Raises:
        ImpossibleJob: If the number of workers does not divide `batch_shards`.
    """
    if recipe.batch_shards % world_size:
        raise ImpossibleJob(
            f"the number of workers must divide batch_shards ({recipe.batch_shards}), but got {world_size}; "
            "choose another number of workers, or set train.batch_shards (which changes the cell)"
        )


def training_samples(num_images: int, recipe: RecipeConfig) -> NDArray[np.int64]:
    """Return the indices that a recipe trains on: all but the held-out ones, or the first so many of those.

    Raises:
        ImpossibleJob: If nothing is left to train on.
    """
    held_out = np.zeros(num_images, dtype=np.bool_)
    held_out[validation_samples(num_images, recipe)] = True
    samples = np.flatnonzero(~held_out)
    if not len(samples):
        raise ImpossibleJob(
            f"validation_images must be below the {num_images} training images, but got {recipe.validation_images}"
        )
    # After holding out, so that `train_images` does not change what a cell is validated on.
    return samples[: recipe.train_images].astype(np.int64)


def validation_samples(num_images: int, recipe: RecipeConfig) -> NDArray[np.int64]:
    """Return the indices of the held-out images, ascending: the end of a fixed permutation of the training split."""
    if not recipe.validation_images:
        return np.empty(0, dtype=np.int64)
    order = permutation(VALIDATION_SEED, 0, num_images, stream="validation")
    return np.sort(order[-recipe.validation_images :])
