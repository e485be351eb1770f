"""Logical shards, and what the workers tell each other about them at every step besides gradients.

Every global batch is cut into logical shards, so that a result does not depend on the number of workers: batch-norm statistics
and drop-out belong to a shard, running statistics come from shard 0 alone, and each shard's gradient counts by its number of
samples (`trainers.training.data_parallel`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainers.training.group import ProcessGroup

NUM_SIGNALS: Final = 5


class Signals(NamedTuple):
    """What every rank knows of all ranks after a step.

    Attributes:
        num_correct: Samples of the global batch whose label had the largest logit.
        wants_checkpoint: Above zero when rank 0 asks for a checkpoint after this step.
        wants_stop: Above zero when some rank was asked to stop after this step.
        is_leaving: Above zero when some rank is about to lose its machine.
    """

    loss: float
    num_correct: float
    wants_checkpoint: float
    wants_stop: float
    is_leaving: float


class SharedValues:
    """Signals and rank 0's running statistics of one step, in one small buffer that is summed over the workers.

    All of them are known after the last forward pass of a step, so the sum runs while the last backward pass does.
    """

    def __init__(self, model: nn.Module, group: ProcessGroup) -> None:
        """Lay out the buffer for a model, which is on its device already."""
        self._group = group
        # A single worker has shard 0, whose statistics are the ones that count.
        self._statistics = list(running_statistics(model)) if group.world_size > 1 else []
        sizes = [tensor.numel() for tensor in self._statistics]
        self._flat = torch.zeros(NUM_SIGNALS + sum(sizes), dtype=torch.float32, device=group.device)
        starts = accumulate(sizes, initial=NUM_SIGNALS)
        self._views = [
            self._flat[start : start + size].view(tensor.shape)
            for tensor, size, start in zip(self._statistics, sizes, starts, strict=False)
        ]
        self.signals = self._flat[:NUM_SIGNALS]

    def clear(self) -> None:
        """Set everything to zero before a step."""
        self._flat.zero_()

    @torch.no_grad()
    def send(self) -> Callable[[], None]:
        """Start the sum over the workers, and return the function that ends it; nothing may touch the signals in between.

        At the end every rank has the same signals, and the running statistics of rank 0.
        """
        # The other ranks leave zeros, so that the sum is what rank 0 has.
        if self._group.rank == 0 and self._views:
            torch._foreach_copy_(self._views, self._statistics)
        total = self._group.start_sum(self._flat)

        @torch.no_grad()
        def receive() -> None:
            total.wait()
            if self._views:
                torch._foreach_copy_(self._statistics, self._views)

        return receive


def running_statistics(model: nn.Module) -> Iterator[Tensor]:
    """Yield the running means and variances of all batch-norm layers."""
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.running_mean is not None and module.running_var is not None:
            yield module.running_mean
            yield module.running_var


@contextmanager
def statistics_of(model: nn.Module, shard: int) -> Iterator[None]:
    """Let only shard 0 update running statistics; every shard is normalised by its own in training mode."""
    if shard == 0:
        yield
        return
    # Only those that track: a layer that did not before must not start to.
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True
