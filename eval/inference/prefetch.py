"""Host batches that threads prepare ahead, in order: each thread writes what it made straight into its place in the batch.

A batch consists of groups (the logical shards of a training step; an evaluation has one), a group of a few arrays over the same
rows (images, labels), and is made in parts, each some rows of one group.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from eval.inference.ring import HostRing, Slot

Tag = TypeVar("Tag")
Arrays = tuple[NDArray[Any], ...]


class Part(NamedTuple):
    """Rows [start, stop) of one group of a batch.

    Attributes:
        make: Returns the arrays of these rows, from any thread. The rows are the axis before H, W, C of images, (N, H, W, C) or
            (V, N, H, W, C), and the first axis of all else; an array may have several rows for each of the part's.
    """

    group: int
    start: int
    stop: int
    make: Callable[[], Arrays]


@dataclass(frozen=True, slots=True)
class Work(Generic[Tag]):
    """A batch to be made.

    Attributes:
        sizes: Rows of each group.
        parts: Together they cover each group exactly.
        tag: What the batch is known by; it travels with it.
    """

    sizes: tuple[int, ...]
    parts: tuple[Part, ...]
    tag: Tag


@dataclass(frozen=True, slots=True)
class HostBatch(Generic[Tag]):
    """A batch on the host.

    Attributes:
        groups: The arrays of each group.
        slot: The buffer of a ring that contains them, to be given back after its copy; None where they have their own memory.
    """

    groups: tuple[Arrays, ...]
    tag: Tag
    slot: Slot | None


def prepared(
    works: Iterable[Work[Tag]], *, pool: Executor | None, ahead: int, ring: HostRing | None
) -> Generator[HostBatch[Tag]]:
    """Yield the batches of some works, in order.

    An exception in a part is raised where its batch would have come. When this generator is closed, no thread works for it any
    longer, and the slots of batches that it has not yielded are back in the ring.

    Args:
        works: Taken as late as possible, `ahead` batches before they are asked for.
        pool: Threads; None makes each batch when it is asked for.
        ahead: Batches that are made before they are asked for.
        ring: Where batches are written, each to be given back by the consumer; None gives each its own memory.

    Raises:
        ValueError: If parts of a batch do not fit together, or the ring has too few slots.
    """
    # One batch is with the consumer, `ahead` are being made, and the copy of one more may be under way. With fewer slots a
    # thread would wait for a slot that only a later step of the consumer gives back.
    if ring is not None and ring.num_slots < ahead + 2:
        raise ValueError(f"a ring must have {ahead + 2} slots for {ahead} batches ahead, but has {ring.num_slots}")
    waiting: deque[tuple[_Filling[Tag], list[Future[None]]]] = deque()
    source = iter(works)
    try:
        while True:
            # The length is compared first, since `next` takes a work. One more than ahead: the first is handed out now.
            while len(waiting) <= (ahead if pool else 0) and (work := next(source, None)) is not None:
                filling = _Filling(work, ring)
                waiting.append((filling, [pool.submit(filling.run, part) for part in work.parts] if pool else []))
                del work
            if not waiting:
                return
            filling, futures = waiting[0]
            if pool is None:
                for part in filling.work.parts:
                    filling.run(part)
            for future in futures:
                future.result()
            waiting.popleft()
            yield filling.batch()
    finally:
        _abandon(waiting)


def _abandon(waiting: deque[tuple[_Filling[Any], list[Future[None]]]]) -> None:
    """End the work on batches that nobody will ask for; a slot goes back only when no thread writes to it any longer."""
    for _, futures in waiting:
        for future in futures:
            future.cancel()
    for filling, futures in waiting:
        for future in futures:
            if not future.cancelled():
                future.exception()
        filling.give_back()


class _Filling(Generic[Tag]):
    """A batch while threads fill it."""

    def __init__(self, work: Work[Tag], ring: HostRing | None) -> None:
        self.work = work
        self._ring = ring
        self._slot: Slot | None = None
        self._groups: list[Arrays] = []
        self._lock = threading.Lock()
        # Where each part is a whole group, its arrays are the batch's; without a ring there is nowhere to copy them to.
        whole = sorted(part.group for part in work.parts) == list(range(len(work.sizes)))
        self._is_direct = ring is None and whole
        if self._is_direct:
            self._groups = [()] * len(work.sizes)

    def run(self, part: Part) -> None:
        """Make a part and put it in its place."""
        made = part.make()
        if self._is_direct:
            self._groups[part.group] = made
            return
        self._make_room(made, part.stop - part.start)
        wholes = self._groups[part.group]
        if len(made) != len(wholes):
            raise ValueError(f"every part of a batch must have {len(wholes)} arrays, but one has {len(made)}")
        for array, whole in zip(made, wholes, strict=True):
            place = whole[_place(array, part)]
            if place.shape != array.shape or place.dtype != array.dtype:
                raise ValueError(
                    f"the parts of a batch must have the same shape and type for every sample, but one is {array.shape} "
                    f"{array.dtype} where others make it {place.shape} {place.dtype}"
                )
            place[...] = array

    def batch(self) -> HostBatch[Tag]:
        """Return the batch when all parts have run."""
        return HostBatch(tuple(self._groups), self.work.tag, self._slot)

    def give_back(self) -> None:
        """Return the slot to the ring unread."""
        if self._ring is not None and self._slot is not None:
            self._ring.give_back(self._slot, copied=None)

    def _make_room(self, made: Arrays, rows: int) -> None:
        """Lay the batch out; the part that is ready first shows which arrays there are, of what shape and type."""
        with self._lock:
            if self._groups:
                return
            layouts = [[(_whole_shape(array, rows, size), array.dtype) for array in made] for size in self.work.sizes]
            if self._ring is None:
                self._groups = [tuple(np.empty(shape, dtype) for shape, dtype in layout) for layout in layouts]
                return
            self._slot = self._ring.take([array for layout in layouts for array in layout])
            arrays = iter(self._slot.arrays)
            self._groups = [tuple(next(arrays) for _ in layout) for layout in layouts]


def _axis(array: NDArray[Any]) -> int:
    """Return the axis of the rows: that before H, W, C of images, also where views come first."""
    return max(0, array.ndim - 4)


def _whole_shape(array: NDArray[Any], rows: int, size: int) -> tuple[int, ...]:
    """Return the shape that a group of so many rows has, given the array of a part of it."""
    axis = _axis(array)
    return (*array.shape[:axis], array.shape[axis] // rows * size, *array.shape[axis + 1 :])


def _place(array: NDArray[Any], part: Part) -> tuple[slice, ...]:
    """Return where a part's array belongs in its group's."""
    axis = _axis(array)
    each = array.shape[axis] // (part.stop - part.start)
    return (*[slice(None)] * axis, slice(part.start * each, part.stop * each))
