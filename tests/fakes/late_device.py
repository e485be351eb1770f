"""A device whose streams do nothing until somebody waits for them: memory that is used again too early shows at once."""

import threading
import weakref
from collections.abc import Callable

import torch
from torch import Tensor


def _nothing() -> None:
    """Do nothing."""


class _Stream:
    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._ordered: list[Callable[[], object]] = []
        self._num_done = 0

    def order(self, work: Callable[[], object]) -> "LateEvent":
        with self._lock:
            self._ordered.append(work)
            return LateEvent(self, len(self._ordered))

    def run(self, count: int) -> None:
        with self._lock:
            while self._num_done < count:
                self._num_done += 1
                self._ordered[self._num_done - 1]()
                self._ordered[self._num_done - 1] = _nothing  # which keeps no memory alive


class LateEvent:
    def __init__(self, stream: _Stream, place: int) -> None:
        self._stream, self._place = stream, place

    def synchronize(self) -> None:
        self._stream.run(self._place)


class LateDevice:
    """A `CopyEngine` in host memory.

    Attributes:
        host_sizes: Sizes of the host buffers that were allocated.
        device_sizes: Sizes of the device buffers that were allocated.
        senders: Names of the threads that ordered copies.
        fails: Raised by the next copy, where it is set.
    """

    def __init__(self, *, ignores_reads: bool = False, forgets_copies: bool = False, is_prompt: bool = False) -> None:
        """Make a device.

        Args:
            ignores_reads: Copies do not wait until the memory they write to has been read.
            forgets_copies: Who waits for a copy is told at once that it is done.
            is_prompt: A batch is there when it is received, for a consumer that computes in host memory itself.
        """
        lock = threading.RLock()
        self._copies, self._computes = _Stream(lock), _Stream(lock)
        self._ignores_reads, self._forgets_copies, self._is_prompt = ignores_reads, forgets_copies, is_prompt
        self.host_sizes: list[int] = []
        self.device_sizes: list[int] = []
        self.senders: set[str] = set()
        self.fails: Exception | None = None
        self._allocated: list[weakref.ref[Tensor]] = []

    @property
    def num_buffers(self) -> int:
        """Buffers that are in use."""
        return sum(reference() is not None for reference in self._allocated)

    def host_bytes(self, size: int) -> Tensor:
        self.host_sizes.append(size)
        return self._made(size)

    def device_bytes(self, size: int) -> Tensor:
        self.device_sizes.append(size)
        return self._made(size)

    def _made(self, size: int) -> Tensor:
        buffer = torch.full((size,), 99, dtype=torch.uint8)
        self._allocated.append(weakref.ref(buffer))
        return buffer

    def upload(self, source: Tensor, target: Tensor, after: LateEvent | None) -> LateEvent:
        if self.fails is not None:
            raise self.fails
        self.senders.add(threading.current_thread().name)
        if after is not None and not self._ignores_reads:
            self._copies.order(after.synchronize)
        copied = self._copies.order(lambda: target.copy_(source))
        return LateEvent(self._copies, 0) if self._forgets_copies else copied

    def receive(self, memory: Tensor, copied: LateEvent) -> None:
        received = self._computes.order(copied.synchronize)
        if self._is_prompt:
            received.synchronize()

    def mark(self) -> LateEvent:
        return self._computes.order(lambda: None)

    def compute(self, work: Callable[[], object]) -> None:
        """Order work on the compute stream."""
        self._computes.order(work)

    def finish(self) -> None:
        """Let the device do all that was ordered."""
        self._copies.order(lambda: None).synchronize()
        self._computes.order(lambda: None).synchronize()
