"""The order of training: which samples form which batch and which logical shard, exactly, on any number of workers.

Every epoch visits every sample once, in a permutation that is a function of (seed, epoch). Global batches are consecutive
slices of it, the last one may be smaller; each is cut into the recipe's logical pieces as evenly as it goes. A worker holds a
consecutive range of the pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from augment.kernels.counters import permutation
from trainers.errors import ImpossibleJob

if TYPE_CHECKING:
    from trainers.config import RecipeConfig

VALIDATION_SEED: Final = 0
"""The held-out images are the same for every cell of a dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How samples are laid out over epochs, batches and pieces.

    Attributes:
        samples: Indices of the training images in their dataset, (N,) int64.
        batch_size: Samples of a global batch.
        num_pieces: Logical pieces of each global batch: shards times micro-batches.
        seed: Seed of the cell.
    """

    samples: NDArray[np.int64]
    batch_size: int
    num_pieces: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Global batches in an epoch, the last partial one included."""
        return -(-len(self.samples) // self.batch_size)

    def epoch(self, epoch: int) -> NDArray[np.int64]:
        """Return the samples of an epoch (0-based) in the order of their visit, (N,)."""
        return self.samples[permutation(self.seed, epoch, len(self.samples), stream="order")]

    def batch(self, visits: NDArray[np.int64], step: int) -> list[NDArray[np.int64]]:
        """Return the pieces of one global batch of an epoch's visits; in a small last batch pieces may be empty."""
        samples = visits[step * self.batch_size : (step + 1) * self.batch_size]
        return [samples[start:stop] for start, stop in even_cuts(len(samples), self.num_pieces)]


def even_cuts(total: int, parts: int) -> list[tuple[int, int]]:
    """Return the bounds of `parts` consecutive ranges of `total` items whose sizes differ by at most one."""
    edges = [part * (total // parts) + min(part, total % parts) for part in range(parts + 1)]
    return list(pairwise(edges))


def pieces_of(rank: int, world_size: int, num_pieces: int) -> tuple[int, ...]:
    """Return the pieces that a worker computes, in order; piece 0 comes last on its worker.

    Piece 0 alone updates batch norm's running statistics, and every other piece must still see the old ones.
    """
    share = num_pieces // world_size
    mine = range(rank * share, (rank + 1) * share)
    return tuple(sorted(mine, key=lambda piece: (piece == 0, piece)))


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
    return samples[: recipe.train_images].astype(np.int64)


def validation_samples(num_images: int, recipe: RecipeConfig) -> NDArray[np.int64]:
    """Return the indices of the held-out images, ascending: the end of a fixed permutation of the training split."""
    if not recipe.validation_images:
        return np.empty(0, dtype=np.int64)
    order = permutation(VALIDATION_SEED, 0, num_images, stream="validation")
    return np.sort(order[-recipe.validation_images :])
