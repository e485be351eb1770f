"""The workers of a job: one process alone, or several over torch.distributed (gloo on CPUs, NCCL on GPUs)."""

from __future__ import annotations

from typing import Protocol, TypeVar

from augment.heavy import torch

T = TypeVar("T")


class ProcessGroup(Protocol):
    """What a job needs of its workers; also serves the evaluation (`eval.inference.subject.Workers`)."""

    @property
    def rank(self) -> int:
        """Number of this worker, from 0."""

    @property
    def world_size(self) -> int:
        """Number of workers."""

    @property
    def device(self) -> torch.device:
        """Where this worker computes."""

    def gather(self, value: T) -> list[T]:
        """Return every rank's value in rank order, on every rank."""

    def broadcast(self, value: T) -> T:
        """Return rank 0's value on every rank."""

    def sum_(self, tensor: torch.Tensor) -> None:
        """Replace a tensor by its sum over all ranks, in place."""

    def start_sum(self, tensor: torch.Tensor) -> torch.futures.Future[torch.Tensor]:
        """Start to replace a tensor by its sum over all ranks, in place; the future gives the tensor when that is done.

        Every rank must start its sums in the same order. On a GPU waiting for the future orders the device's work and does not
        hold up the host.
        """


class OneWorker:
    """A job in a single process."""

    rank = 0
    world_size = 1

    def __init__(self, device: torch.device | None = None) -> None:
        """Compute on a device; by default on the current CUDA device, or the CPU where there is none."""
        self.device = device or _default_device()

    def gather(self, value: T) -> list[T]:
        """Return the value in a list."""
        return [value]

    def broadcast(self, value: T) -> T:
        """Return the value."""
        return value

    def sum_(self, tensor: torch.Tensor) -> None:
        """Leave the tensor as it is."""

    def start_sum(self, tensor: torch.Tensor) -> torch.futures.Future[torch.Tensor]:
        """Leave the tensor as it is."""
        done: torch.futures.Future[torch.Tensor] = torch.futures.Future()
        done.set_result(tensor)
        return done


class DistributedWorkers:
    """The workers of torch.distributed's default group, which the launcher has initialised."""

    def __init__(self, rank: int, world_size: int, device: torch.device) -> None:
        """Name this worker, their number, and where this one computes."""
        self.rank = rank
        self.world_size = world_size
        self.device = device

    def gather(self, value: T) -> list[T]:
        """Return every rank's value in rank order, on every rank."""
        gathered: list[T] = [value] * self.world_size
        torch.distributed.all_gather_object(gathered, value)
        return gathered

    def broadcast(self, value: T) -> T:
        """Return rank 0's value on every rank."""
        holder = [value]
        torch.distributed.broadcast_object_list(holder, src=0)
        return holder[0]

    def sum_(self, tensor: torch.Tensor) -> None:
        """Replace a tensor by its sum over all ranks, in place."""
        torch.distributed.all_reduce(tensor)

    def start_sum(self, tensor: torch.Tensor) -> torch.futures.Future[torch.Tensor]:
        """Start to replace a tensor by its sum over all ranks, in place; the future gives the tensor when that is done."""
        work = torch.distributed.all_reduce(tensor, async_op=True)
        assert work is not None
        return work.get_future().then(lambda done: done.value()[0])


def distributed_group(*, rank: int, world_size: int, device: str | torch.device) -> ProcessGroup:
    """Return the group of a worker whose process group is initialised; a single worker needs none."""
    if world_size == 1:
        return OneWorker(torch.device(device))
    return DistributedWorkers(rank, world_size, torch.device(device))


def _default_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")
