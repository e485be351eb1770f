"""Batches that do not fit into the memory of a device, computed in parts.

The borders of batches are fixed (`eval.inference.predict`); where memory runs out, a batch is computed in halves, quarters and
so on, down to single images. The network is in evaluation mode, so what an image comes to does not depend on its neighbours;
on a GPU its last bits may, since other batch sizes take other kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

from augment.heavy import torch

T = TypeVar("T")


class Parts:
    """How many images of a batch are computed at once; found out by running out of memory, and remembered.

    Forward passes and attacks, which keep activations for gradients, need different amounts: each has an object of its own.

    Attributes:
        limit: Most images at once, or None as long as every batch has fitted.
        has_cut: Whether a batch was computed in parts since this was last set to False.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        self.has_cut = False

    def compute(self, num_images: int, compute: Callable[[slice], T]) -> list[T]:
        """Return what a function gives for each part of a batch, in order.

        Args:
            compute: Called with the images of a part; again for the same images after memory ran out.

        Raises:
            torch.OutOfMemoryError: If not even one image fits.
        """
        while True:
            parts = self._cut(num_images)
            self.has_cut |= len(parts) > 1
            try:
                return [compute(part) for part in parts]
            except torch.OutOfMemoryError as error:
                self.halve(num_images, error)
            # Out of the handler: the error keeps the tensors of the failed pass alive through its frames.
            torch.cuda.empty_cache()

    def halve(self, num_images: int, error: torch.OutOfMemoryError) -> None:
        """Compute half as many images at once from now on, since memory ran out in a batch.

        Raises:
            torch.OutOfMemoryError: If that was one image already.
        """
        largest = min(self.limit or num_images, num_images)
        if largest <= 1:
            raise torch.OutOfMemoryError(
                f"one image at a time must fit into the memory of the device, but does not ({_first_line(error)}); "
                "free the device of other processes, or evaluate on one with more memory"
            ) from error
        self.limit = math.ceil(largest / 2)

    def _cut(self, num_images: int) -> list[slice]:
        """Return parts of nearly equal size, none above the limit."""
        num_parts = math.ceil(num_images / (self.limit or max(1, num_images)))
        borders = [num_images * part // max(1, num_parts) for part in range(num_parts + 1)]
        return [slice(start, stop) for start, stop in pairwise(borders)]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or ["out of memory"])[0]
