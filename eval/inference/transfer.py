"""From threads that make batches to tensors on a device, while the device computes on the batch before.

    threads --parts--> ring of pinned host buffers --copy stream--> two device buffers --compute stream--> consumer

On a GPU a thread of its own takes finished host batches in order and orders their copies, so that the consumer (the thread that
launches kernels) neither joins, pins nor copies. Who may write where, and when:

- a host buffer is written again after the event of the copy from it (`HostRing.take`);
- a device buffer is written again after the event that the consumer's stream records when the consumer asks for the next batch:
  until then the tensors of a batch are valid, and no longer;
- the compute stream waits for the event of a batch's copy before it reads it;
- device buffers belong to the copy stream, so that the allocator is told of their use in the compute stream (`record_stream`).

Back-pressure bounds memory: `ahead` + 2 host buffers and two device buffers, each of the size of the largest batch, however long
it runs. Batches travel as they are, bytes as bytes; `float_images` makes numbers of them on the device. On a CPU there is no
ring, no copy and no further thread: tensors share the memory of what the parts returned.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Final, Generic

import numpy as np
from numpy.typing import NDArray

from augment.heavy import Tensor, torch
from eval.inference.prefetch import HostBatch, Tag, Work, prepared
from eval.inference.ring import HostRing, Slot
from eval.inference.streams import CopyEngine, Event, engine_for

NUM_DEVICE_BUFFERS: Final = 2
"""One is computed on while the other is copied to."""


@dataclass(frozen=True, slots=True)
class DeviceBatch(Generic[Tag]):
    """A batch on the device.

    Attributes:
        groups: The arrays of each group, as they were made: images (N, H, W, C) or (V, N, H, W, C), uint8 or float32. Valid until
            the next batch is asked for.
        wait_s: Seconds that its consumer waited for it.
    """

    groups: tuple[tuple[Tensor, ...], ...]
    tag: Tag
    wait_s: float


class _DeviceBuffer:
    """Memory that one batch is copied to."""

    def __init__(self) -> None:
        self.memory: Tensor | None = None
        self.is_read: Event | None = None


@dataclass(frozen=True, slots=True)
class _Arrival(Generic[Tag]):
    """A batch whose copy was ordered; an empty one has none."""

    groups: tuple[tuple[Tensor, ...], ...]
    tag: Tag
    buffer: _DeviceBuffer
    copied: Event | None


@dataclass(frozen=True, slots=True)
class _End:
    """The last thing that arrives: what ended the batches, or None where there are no more."""

    error: BaseException | None


class DeviceFeed:
    """Makes batches in threads and brings them to a device; a context manager that owns its threads and buffers.

    It may be used again and again, one iteration at a time; buffers stay until its end.
    """

    def __init__(self, device: torch.device, *, threads: int, ahead: int = 3, engine: CopyEngine | None = None) -> None:
        """Describe a feed; memory is allocated at the first batch.

        Args:
            threads: Threads that make parts; 0 makes each batch when it is asked for.
            ahead: Batches that are made before they are asked for.
            engine: How batches reach the device, where that is not chosen by the device.
        """
        self._device = device
        self._ahead = ahead
        self._engine = engine or engine_for(device)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="images") if threads else None
        self._start_empty()

    def __enter__(self) -> DeviceFeed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        # The memory is free now and not when the last name of this feed is gone, which an error's frames may keep.
        self._start_empty()

    def _start_empty(self) -> None:
        self._ring = None if self._engine is None else HostRing(self._ahead + 2, self._engine.host_bytes)
        self._free: SimpleQueue[_DeviceBuffer] = SimpleQueue()
        for _ in range(NUM_DEVICE_BUFFERS):
            self._free.put(_DeviceBuffer())

    def run(self, works: Iterable[Work[Tag]]) -> Generator[DeviceBatch[Tag]]:
        """Yield the batches of some works in order; to be closed where it is not run to its end.

        What a part raises is raised here, where its batch would have come. On a GPU `works` is iterated in another thread.
        """
        batches = prepared(works, pool=self._pool, ahead=self._ahead, ring=self._ring)
        if self._engine is None:
            return self._at_once(batches)
        return self._overlapped(batches, self._engine)

    def _at_once(self, batches: Generator[HostBatch[Tag]]) -> Generator[DeviceBatch[Tag]]:
        with closing(batches):
            while True:
                started = time.perf_counter()
                batch = next(batches, None)
                if batch is None:
                    return
                groups = tuple(tuple(map(self._tensor, group)) for group in batch.groups)
                yield DeviceBatch(groups, batch.tag, time.perf_counter() - started)

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        # A mapped file is read-only, and torch wants arrays that it could write to.
        writable = np.ascontiguousarray(array) if array.flags.writeable else array.copy()
        return torch.from_numpy(writable).to(self._device)

    def _overlapped(self, batches: Generator[HostBatch[Tag]], engine: CopyEngine) -> Generator[DeviceBatch[Tag]]:
        arrivals: SimpleQueue[_Arrival[Tag] | _End] = SimpleQueue()
        is_closed = threading.Event()
        sender = threading.Thread(
            target=self._send, args=(batches, engine, arrivals, is_closed), name="copies", daemon=True
        )
        sender.start()
        try:
            while True:
                started = time.perf_counter()
                arrival = arrivals.get()
                if isinstance(arrival, _End):
                    if arrival.error is not None:
                        raise arrival.error
                    return
                try:
                    if arrival.copied is not None and arrival.buffer.memory is not None:
                        engine.receive(arrival.buffer.memory, arrival.copied)
                    yield DeviceBatch(arrival.groups, arrival.tag, time.perf_counter() - started)
                finally:
                    self._has_read(arrival.buffer, engine)
                # Its tensors would keep the memory of a buffer that grows.
                del arrival
        finally:
            is_closed.set()
            # The sender may wait for a buffer, and these are all there are.
            self._take_back(arrivals)
            sender.join()
            self._take_back(arrivals)

    def _send(
        self,
        batches: Generator[HostBatch[Tag]],
        engine: CopyEngine,
        arrivals: SimpleQueue[_Arrival[Tag] | _End],
        is_closed: threading.Event,
    ) -> None:
        """Order the copies of batches, in a thread of its own."""
        error: BaseException | None = None
        try:
            with closing(batches):
                for batch in batches:
                    buffer = self._free.get()
                    if is_closed.is_set():
                        self._give_back(batch, None)
                        self._free.put(buffer)
                        break
                    arrivals.put(self._ordered(batch, buffer, engine))
        except BaseException as raised:  # the consumer raises it
            error = raised
        arrivals.put(_End(error))

    def _ordered(self, batch: HostBatch[Tag], buffer: _DeviceBuffer, engine: CopyEngine) -> _Arrival[Tag]:
        """Order the copy of a batch into a device buffer."""
        slot, copied = batch.slot, None
        if slot is None:
            return _Arrival((), batch.tag, buffer, None)
        try:
            if buffer.memory is None or len(buffer.memory) < slot.num_bytes:
                buffer.memory = None
                buffer.memory = engine.device_bytes(slot.num_bytes)
            target = buffer.memory[: slot.num_bytes]
            copied = engine.upload(slot.content, target, after=buffer.is_read)
            tensors = iter(_views(slot, target))
            groups = tuple(tuple(next(tensors) for _ in group) for group in batch.groups)
            return _Arrival(groups, batch.tag, buffer, copied)
        except BaseException:
            self._free.put(buffer)
            raise
        finally:
            self._give_back(batch, copied)

    def _has_read(self, buffer: _DeviceBuffer, engine: CopyEngine) -> None:
        try:
            # After everything that the consumer has ordered with the batch.
            buffer.is_read = engine.mark()
        finally:
            # Also on a device that has failed: the sender must not wait for it forever.
            self._free.put(buffer)

    def _give_back(self, batch: HostBatch[Any], copied: Event | None) -> None:
        if self._ring is not None and batch.slot is not None:
            self._ring.give_back(batch.slot, copied)

    def _take_back(self, arrivals: SimpleQueue[_Arrival[Tag] | _End]) -> None:
        """Free the buffers of batches that nobody will ask for."""
        while True:
            try:
                arrival = arrivals.get_nowait()
            except Empty:
                return
            if isinstance(arrival, _Arrival):
                self._free.put(arrival.buffer)


def _views(slot: Slot, copy: Tensor) -> Iterator[Tensor]:
    """Yield a slot's arrays as they are in a copy of its content."""
    for array, offset in zip(slot.arrays, slot.offsets, strict=True):
        yield copy[offset : offset + array.nbytes].view(torch.from_numpy(array).dtype).view(array.shape)


def float_images(pixels: Tensor, *, copy: bool = True) -> Tensor:
    """Return images as (N, C, H, W) float32 in [0, 1], channels last in memory; views of (V, N, ...) come one after the other.

    Args:
        pixels: (N, H, W, C) or (V, N, H, W, C), uint8 in 0..255 or float32 in [0, 1], on any device.
        copy: Whether images that are float32 already are copied too, so that they stay when the next batch is asked for.
    """
    # A view: torch calls this order in memory channels last.
    images = pixels.reshape(-1, *pixels.shape[-3:]).permute(0, 3, 1, 2)
    if pixels.dtype == torch.uint8:
        return images.to(torch.float32).div_(255.0)
    return images.to(torch.float32, copy=copy)
