"""A ring of host buffers: threads write batches into them, a device copies from them, and each is used again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from augment.heavy import Tensor
from eval.inference.streams import Event

_ALIGNMENT: Final = 512
"""Bytes to a multiple of which an array begins: what CUDA's own allocator gives, enough for every type and vector load."""

Layout = Sequence[tuple[tuple[int, ...], np.dtype[Any]]]
"""Shape and type of each array of a batch."""


class Slot:
    """One buffer of a ring.

    Attributes:
        arrays: The arrays of a batch, views of the buffer one after the other.
        offsets: Byte of the buffer at which each begins.
        num_bytes: Bytes from the first array's begin to the last one's end: one copy moves them all.
    """

    def __init__(self) -> None:
        self.arrays: tuple[NDArray[Any], ...] = ()
        self.offsets: tuple[int, ...] = ()
        self.num_bytes = 0
        self._memory: Tensor | None = None

    @property
    def content(self) -> Tensor:
        """The bytes to be copied, (num_bytes,) uint8."""
        assert self._memory is not None
        return self._memory[: self.num_bytes]

    def lay_out(self, layout: Layout, allocate: Callable[[int], Tensor]) -> None:
        """Make room for a batch; the buffer grows to the largest batch that it has had, and never again."""
        offsets, end = [], 0
        sizes = [int(np.prod(shape, dtype=np.int64)) * dtype.itemsize for shape, dtype in layout]
        for size in sizes:
            offsets.append(end)
            end += -(-size // _ALIGNMENT) * _ALIGNMENT
        if self._memory is None or len(self._memory) < end:
            # Before the larger one is made: never both at once.
            self.arrays, self._memory = (), None
            self._memory = allocate(end)
        pixels = self._memory.numpy()
        self.arrays = tuple(
            pixels[offset : offset + size].view(dtype).reshape(shape)
            for offset, size, (shape, dtype) in zip(offsets, sizes, layout, strict=True)
        )
        self.offsets, self.num_bytes = tuple(offsets), end


class HostRing:
    """A fixed number of slots.

    A slot is taken, written to, copied from, given back with the event of its copy, and taken again after that event: who takes
    it waits for the event, if it is still to come. Slots come round in the order in which they are given back.
    """

    def __init__(self, num_slots: int, allocate: Callable[[int], Tensor]) -> None:
        """Describe a ring; its memory is allocated when it is used.

        Args:
            allocate: Returns so many bytes of memory that the device can copy from, (size,) uint8; called from any thread.
        """
        self.num_slots = num_slots
        self._allocate = allocate
        self._free: SimpleQueue[tuple[Slot, Event | None]] = SimpleQueue()
        for _ in range(num_slots):
            self._free.put((Slot(), None))

    def take(self, layout: Layout) -> Slot:
        """Return a slot with room for the arrays of a batch, once there is one and the copy from it is done."""
        slot, copied = self._free.get()
        try:
            if copied is not None:
                copied.synchronize()
            slot.lay_out(layout, self._allocate)
        except BaseException:
            # Another thread may wait for it, and a failed device must not leave it waiting.
            self._free.put((slot, None))
            raise
        return slot

    def give_back(self, slot: Slot, copied: Event | None) -> None:
        """Let a slot be used again.

        Args:
            copied: The event after the copy from it, which need not be done; None where nothing was ordered.
        """
        self._free.put((slot, copied))
