"""What moving batches needs of a device: memory that it reads by itself, a stream for copies, events between streams.

The only file of the input path that names CUDA. `eval.inference.transfer` has the rules of use, which a test follows with a
device that is as late as it may be.
"""

from __future__ import annotations

import functools
from typing import Any, Protocol

from augment.heavy import Tensor, torch


class Event(Protocol):
    """A point in the work of a stream."""

    def synchronize(self) -> None:
        """Wait until the device has passed it."""


class CopyEngine(Protocol):
    """A device with a stream for copies next to the one that computes; called from several threads."""

    def host_bytes(self, size: int) -> Tensor:
        """Return host memory that the device reads by itself, (size,) uint8."""

    def device_bytes(self, size: int) -> Tensor:
        """Return memory of the device that copies are written to, (size,) uint8."""

    def upload(self, source: Tensor, target: Tensor, after: Event | None) -> Event:
        """Order a copy to the device, to begin after an event; return the event of its end."""

    def receive(self, memory: Tensor, copied: Event) -> None:
        """Let the calling thread's compute stream wait for a copy, and keep the memory until that stream is done with it."""

    def mark(self) -> Event:
        """Return an event after everything that the calling thread's compute stream was given so far."""


class CudaEngine:
    """A GPU."""

    def __init__(self, device: torch.device) -> None:
        # With its number: a thread's own current device is the first one at its start.
        self._device = torch.device("cuda", torch.cuda.current_device() if device.index is None else device.index)
        self._copies = _copy_stream(self._device)

    def host_bytes(self, size: int) -> Tensor:
        """Return pinned memory: a copy from any other first goes through a buffer of the driver, while its caller waits."""
        # The current device belongs to a thread: without this, a new thread would open a context on the first GPU.
        with torch.cuda.device(self._device):
            return torch.empty(size, dtype=torch.uint8, pin_memory=True)

    def device_bytes(self, size: int) -> Tensor:
        """Return memory that belongs to the copy stream."""
        with torch.cuda.stream(self._copies):
            return torch.empty(size, dtype=torch.uint8, device=self._device)

    def upload(self, source: Tensor, target: Tensor, after: Any) -> Event:
        """Order a copy on the copy stream."""
        # Blocking: who waits for it sleeps, instead of taking a core that prepares images.
        copied = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._copies):
            if after is not None:
                self._copies.wait_event(after)
            target.copy_(source, non_blocking=True)
            copied.record(self._copies)
        return copied

    def receive(self, memory: Tensor, copied: Any) -> None:
        """Order a wait on the compute stream; the calling thread itself does not wait."""
        stream = torch.cuda.current_stream(self._device)
        stream.wait_event(copied)
        # The memory belongs to the copy stream. The allocator must not hand it out again, once it is dropped, before this
        # stream has done what it was given with it.
        memory.record_stream(stream)

    def mark(self) -> Event:
        """Record an event on the compute stream."""
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event


def engine_for(device: torch.device) -> CopyEngine | None:
    """Return how batches reach a device, or None where no copy is to be overlapped: on a CPU batches are there already."""
    return CudaEngine(device) if device.type == "cuda" else None


@functools.cache
def _copy_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the one copy stream of a device: memory is kept per stream, and more streams would keep more of it."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
