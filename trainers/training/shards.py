"""Logical shards: what makes a result independent of the number of workers.

Every global batch is cut into logical shards. Batch-norm statistics and drop-out belong to a shard, running statistics come
from shard 0 alone, and each shard's gradient counts by its number of samples. Workers add up what they computed in one
collective call per step; torch's DistributedDataParallel cannot do this, since it averages workers equally, knows no shards
and waits for workers that have no samples in a small last batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainers.training.group import ProcessGroup

NUM_SIGNALS: Final = 5


class Signals(NamedTuple):
    """What travels with the gradients: known to every rank at the same step.

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


class StepSum:
    """Gradients, running statistics and signals of one step in one flat buffer, summed over the workers.

    The gradients of the parameters are views into the buffer, so that nothing is copied before or after the sum.
    """

    def __init__(self, model: nn.Module, group: ProcessGroup) -> None:
        """Lay out the buffer for a model and point the gradients of its parameters into it."""
        self._group = group
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        # A single worker has shard 0, whose statistics are the ones that count.
        self._statistics = list(running_statistics(model)) if group.world_size > 1 else []
        sizes = [tensor.numel() for tensor in (*self._parameters, *self._statistics)]
        self._num_gradients = sum(parameter.numel() for parameter in self._parameters)
        device = next(model.parameters()).device
        self._flat = torch.zeros(sum(sizes) + NUM_SIGNALS, dtype=torch.float32, device=device)
        # With the strides of the parameters, channels last or not, as torch itself lays out their gradients.
        self._views = [
            self._flat.as_strided(tensor.size(), tensor.stride(), offset)
            for tensor, offset in zip((*self._parameters, *self._statistics), accumulate([0, *sizes]), strict=False)
        ]
        self.signals = self._flat[-NUM_SIGNALS:]

    @property
    def gradients(self) -> Tensor:
        """All gradients as one flat vector."""
        return self._flat[: self._num_gradients]

    def start(self) -> None:
        """Clear the buffer and let the parameters accumulate into it."""
        self._flat.zero_()
        # Not strict: the views of the statistics come after those of the parameters.
        for parameter, view in zip(self._parameters, self._views, strict=False):
            parameter.grad = view

    @torch.no_grad()
    def finish(self) -> None:
        """Add up over the workers; every rank's running statistics become those of rank 0."""
        if self._group.world_size == 1:
            return
        views = self._views[len(self._parameters) :]
        # The other ranks leave zeros, so that the sum is what rank 0 has.
        if self._group.rank == 0 and views:
            torch._foreach_copy_(views, self._statistics)
        self._group.sum_(self._flat)
        if views:
            torch._foreach_copy_(self._statistics, views)

    def clip(self, largest_norm: float) -> None:
        """Scale the gradients down to a Euclidean norm where theirs is larger."""
        norm = self.gradients.norm()
        # The same small number as in torch's `clip_grad_norm_`.
        self.gradients.mul_(torch.clamp(largest_norm / (norm + 1e-6), max=1.0))


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
