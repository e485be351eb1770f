"""The gradient of a global batch: torch's DistributedDataParallel around the loss of a logical shard.

Each shard's loss is weighted by its fraction of the global batch, so the gradient of the batch is the plain sum over all shards
of all workers. A worker adds up its own shards; during the backward pass of its last one DistributedDataParallel sums each bucket
of gradients over the workers as soon as it is complete. What is wrapped is the loss and not the network: a treatment sees the
plain network and may run it as often as it likes.
"""

# Annotations are not postponed here: DistributedDataParallel compares those of a communication hook with its own types.

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributed import GradBucket  # type: ignore[attr-defined]
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from augment.kernels.counters import StepKeys
from augment.treatment import Treatment
from trainers.config import Compression
from trainers.training.group import ProcessGroup

Hook = Callable[[ProcessGroup, GradBucket], Future[Tensor]]


class DeviceShard(NamedTuple):
    """One logical shard on the device, after the batch stage of its treatment.

    Attributes:
        images: (N, C, H, W) float32 in [0, 1], or (V * N, C, H, W).
        targets: Classes, (N,) int64, or class probabilities, (N, K) float32.
        extra: Images of the extra stream, (M, C, H, W) float32 in [0, 1], or None.
        weight: Samples of the shard as a fraction of the global batch.
    """

    images: Tensor
    targets: Tensor
    extra: Tensor | None
    keys: StepKeys
    weight: float


class StepLoss(nn.Module):
    """What a worker adds to the loss of a global batch for one of its shards, or for none."""

    def __init__(self, model: nn.Module, treatment: Treatment) -> None:
        """Hold the network; that of a treatment is its own, so the treatment itself must not become a part of this module."""
        super().__init__()
        self.model = model
        self._loss = treatment.loss

    def forward(self, shard: DeviceShard | None) -> tuple[Tensor, Tensor]:
        """Return the weighted loss and the logits of the first view, (N, K).

        A small last batch may leave a worker without samples. Its peers wait for its part of every bucket all the same: zeros,
        which a loss gives that depends on every parameter by a factor of zero. There are no logits then, (0,).
        """
        if shard is None:
            parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
            total = torch.stack([parameter.sum() for parameter in parameters]).sum()
            return total * 0.0, total.new_empty(0)
        output = self._loss(self.model, shard.images, shard.targets, shard.extra, shard.keys)
        # Detached: what hangs on the logits alone has no part in the backward pass, and nobody may wait for its gradient.
        return output.loss * shard.weight, output.logits.detach()


class BatchGradient:
    """The gradient of a global batch, in `grad` of the parameters of every worker."""

    def __init__(
        self, model: nn.Module, treatment: Treatment, group: ProcessGroup, *, compression: Compression = "none"
    ) -> None:
        """Wrap a model, which is on its device already; every rank must call it.

        Args:
            compression: "bf16" sums in bfloat16: every worker rounds what it adds, and the sum is rounded again.
        """
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        # Gradients of zero, not none: weight decay and momentum are for the parameters that a loss leaves out too.
        for parameter in self._parameters:
            parameter.grad = torch.zeros_like(parameter)
        self._loss: nn.Module = StepLoss(model, treatment)
        self._parallel = None
        self._compression = compression
        # A single worker has nothing to sum, and may have no process group.
        if group.world_size > 1:
            self._loss = self._parallel = _data_parallel(self._loss, group, _HOOKS[compression])

    def clear(self) -> None:
        """Set the gradient to zero before a step, in place: with several workers it is a view into the buckets."""
        torch._foreach_zero_(self._gradients())

    def loss(self, shard: DeviceShard) -> tuple[Tensor, Tensor]:
        """Run the forward pass of one of this worker's shards; return its weighted loss and its logits, (N, K).

        The backward pass of the loss sums over the workers, unless both passes are inside of `kept`.
        """
        result: tuple[Tensor, Tensor] = self._loss(shard)
        return result

    def loss_of_nothing(self) -> Tensor:
        """Return what a worker without samples has in place of the loss of its last shard."""
        loss: Tensor = self._loss(None)[0]
        return loss

    def kept(self) -> AbstractContextManager[None]:
        """Return a context in which gradients stay on this worker: for all but the last of its shards."""
        return nullcontext() if self._parallel is None else self._parallel.no_sync()

    @torch.no_grad()
    def finish(self) -> None:
        """End the backward passes of a step: a single worker rounds its gradient as the sum of several is rounded."""
        if self._parallel is None and self._compression == "bf16":
            gradients = self._gradients()
            torch._foreach_copy_(gradients, [gradient.to(torch.bfloat16) for gradient in gradients])

    @torch.no_grad()
    def clip(self, largest_norm: float) -> None:
        """Scale the gradient down to a Euclidean norm where its own is larger."""
        gradients = self._gradients()
        # As one vector in the order of memory: a norm of norms would round differently.
        norm = torch.cat([gradient.as_strided((gradient.numel(),), (1,)) for gradient in gradients]).norm()
        # The same small number as in torch's `clip_grad_norm_`.
        torch._foreach_mul_(gradients, torch.clamp(largest_norm / (norm + 1e-6), max=1.0))

    def _gradients(self) -> list[Tensor]:
        return [parameter.grad for parameter in self._parameters if parameter.grad is not None]


def _data_parallel(loss: nn.Module, group: ProcessGroup, hook: Hook) -> DistributedDataParallel:
    parallel = DistributedDataParallel(
        loss,
        # Running statistics come from rank 0 once per step (`trainers.training.shards.SharedValues`).
        forward_sync_buffers=False,
        # Keeps the buckets as they are made. Otherwise they are made again after the first step, in the order in which gradients
        # came; from three workers on the place in a bucket decides in which order the ring adds up a value, so that a resumed
        # training, whose first step is a later one, rounds differently. The price is a walk over the graph at every step, 0.2 ms
        # for a WRN-40-4, and a line in the log of every worker by which torch asks whether this is wanted.
        find_unused_parameters=True,
        gradient_as_bucket_view=True,
    )
    parallel.register_comm_hook(group, hook)
    return parallel


def _sum(group: ProcessGroup, bucket: GradBucket) -> Future[Tensor]:
    """Sum a bucket of gradients over the workers; torch's own hooks average."""
    return group.start_sum(bucket.buffer())


def _sum_in_bf16(group: ProcessGroup, bucket: GradBucket) -> Future[Tensor]:
    """Sum a bucket in bfloat16, as torch's `bf16_compress_hook` does, which averages too.

    All workers get the same: whoever adds up a value sends the rounded sum to all others.
    """
    gradients = bucket.buffer()
    return group.start_sum(gradients.to(torch.bfloat16)).then(lambda total: gradients.copy_(total.value()))


_HOOKS: Final[Mapping[Compression, Hook]] = {"none": _sum, "bf16": _sum_in_bf16}
