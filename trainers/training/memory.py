"""What a training that runs out of memory says.

It is not repeated in parts, as a batch of an evaluation is: batch norm is computed over a micro-batch, so cutting one would
change the numbers of the cell. Nor is it repeated as it is: torch frees its cached blocks by itself before it gives up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from trainers.config import RecipeConfig


@contextmanager
def memory_explained(recipe: RecipeConfig) -> Iterator[None]:
    """Say what would need less memory, where it runs out while a recipe is trained.

    Raises:
        torch.OutOfMemoryError: The same, with the size of a micro-batch and the fix.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        cuts = recipe.batch_shards * recipe.grad_accumulation
        first_line = (str(error).splitlines() or ["out of memory"])[0]
        raise torch.OutOfMemoryError(
            f"a micro-batch of {math.ceil(recipe.batch_size / cuts)} images must fit into the memory of the device, but does not "
            f"({first_line}); raise train.grad_accumulation from {recipe.grad_accumulation} (another cell, since batch norm then "
            "sees fewer images at once), train in bf16, or use devices with more memory; more workers do not help, since "
            "each computes one micro-batch at a time"
        ) from error
