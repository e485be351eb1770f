"""On how many workers a cell may run: what its recipe's batch shards allow of what was asked for."""

from __future__ import annotations

from orchestration.sweeps.model import Workers
from trainers.config import RecipeConfig


def possible_workers(recipe: RecipeConfig, asked: Workers, *, most: int) -> tuple[int, ...]:
    """Return the numbers of workers that a cell may have, ascending; 1 is always among them.

    Every number must divide the batch shards. Where the schedule chooses, it chooses among powers of two.

    Args:
        most: Workers that there are at most, for a schedule that chooses.
    """
    shards = max(1, recipe.batch_shards)
    limit = most if asked == "auto" else asked
    counts = [count for count in range(1, min(shards, max(1, limit)) + 1) if shards % count == 0]
    return tuple(count for count in counts if asked != "auto" or count.bit_count() == 1)
