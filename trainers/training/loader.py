"""The input path: resident uint8 images, cropped, flipped and treated by compiled kernels in background threads.

The content of a shard of a batch is a pure function of its sample indices and the epoch, so prefetched shards are no state.
Nothing is prefetched past the end of an epoch, since a treatment may change between epochs.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from augment.kernels.counters import SampleKeys
from augment.treatment import Treatment
from trainers.training.images import ImageSource
from trainers.training.order import Order, even_cuts, shards_of

SMALLEST_CHUNK: Final = 16
"""Samples below which a chunk of a shard is not worth a thread."""

Pixels = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostShard:
    """One logical shard of a global batch, ready for the device.

    Attributes:
        number: Number of the shard in its batch.
        images: (n, H, W, C), or (V, n, H, W, C), uint8 or float32 in [0, 1].
        labels: (n,) int64.
        extra: Images of the extra stream, (m, H, W, C) uint8, or None.
    """

    number: int
    images: Pixels
    labels: NDArray[np.int64]
    extra: NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBatch:
    """This worker's shards of one global batch.

    Attributes:
        step: Step in the epoch, from 0.
        num_samples: Samples of the global batch over all workers.
        shards: The worker's shards that are not empty, in the order they are computed in.
        wait_s: Seconds that were spent waiting for them.
    """

    step: int
    num_samples: int
    shards: tuple[HostShard, ...]
    wait_s: float


class _Chunk(NamedTuple):
    """Some samples of a shard, prepared by one thread."""

    images: Pixels
    labels: NDArray[np.int64]
    extra: NDArray[np.uint8] | None


class Loader:
    """Prepares one worker's shards of batch after batch; a context manager that owns its threads."""

    def __init__(
        self,
        *,
        source: ImageSource,
        treatment: Treatment,
        order: Order,
        rank: int,
        world_size: int,
        threads: int,
        batches_ahead: int = 3,
    ) -> None:
        """Describe the path.

        Args:
            treatment: Its `sample` and `extra` stages are run here.
            threads: Background threads; 0 prepares each shard when it is asked for.
            batches_ahead: Batches that are prepared before they are asked for.
        """
        self._source = source
        self._treatment = treatment
        self._order = order
        self._shards = shards_of(rank, world_size, order.num_shards)
        self._batches_ahead = batches_ahead
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="images") if threads else None

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[HostBatch]:
        """Yield the batches of an epoch (0-based) from a step on."""
        visits = self._order.epoch(epoch)
        steps = iter(range(first_step, self._order.steps_per_epoch))
        waiting: deque[tuple[int, int, list[Callable[[], HostShard]]]] = deque()
        while True:
            # The length is compared first, since `next` takes a step. One more than ahead: the first is handed out now.
            while len(waiting) <= self._batches_ahead and (step := next(steps, None)) is not None:
                waiting.append(self._schedule(epoch, step, visits))
            if not waiting:
                return
            step, num_samples, results = waiting.popleft()
            started = time.perf_counter()
            shards = tuple(result() for result in results)
            yield HostBatch(step=step, num_samples=num_samples, shards=shards, wait_s=time.perf_counter() - started)

    def _schedule(
        self, epoch: int, step: int, visits: NDArray[np.int64]
    ) -> tuple[int, int, list[Callable[[], HostShard]]]:
        cut = self._order.batch(visits, step)
        wanted = [(shard, cut[shard]) for shard in self._shards if len(cut[shard])]
        results = [self._start(shard, SampleKeys(self._order.seed, epoch, samples)) for shard, samples in wanted]
        # Samples of all workers: each shard weighs by its part of the whole batch.
        return step, sum(len(samples) for samples in cut), results

    def _start(self, shard: int, keys: SampleKeys) -> Callable[[], HostShard]:
        """Prepare a shard in the background, in as many chunks as there are threads; they are joined when asked for."""
        pool = self._pool
        if pool is None:
            return lambda: _joined(shard, [self._prepare(keys)])
        num_chunks = max(1, min(self._threads, len(keys) // SMALLEST_CHUNK))
        # Cuts change nothing: what a sample becomes depends on its own key alone.
        chunks = [
            SampleKeys(keys.seed, keys.epoch, keys.indices[start:stop])
            for start, stop in even_cuts(len(keys), num_chunks)
        ]
        futures: list[Future[_Chunk]] = [pool.submit(self._prepare, chunk) for chunk in chunks]
        return lambda: _joined(shard, [future.result() for future in futures])

    def _prepare(self, keys: SampleKeys) -> _Chunk:
        loaded, labels = self._source.load(keys)
        images: Any = self._treatment.sample(loaded, keys)
        extra = self._treatment.extra(keys) if self._treatment.num_extra_per_sample else None
        return _Chunk(images, labels, extra)


def _joined(number: int, chunks: Sequence[_Chunk]) -> HostShard:
    if len(chunks) == 1:
        return HostShard(number=number, images=chunks[0].images, labels=chunks[0].labels, extra=chunks[0].extra)
    extras = [chunk.extra for chunk in chunks if chunk.extra is not None]
    return HostShard(
        number=number,
        # Along N, the axis before H, W, C, also where views come first: (V, N, H, W, C).
        images=np.concatenate([chunk.images for chunk in chunks], axis=chunks[0].images.ndim - 4),
        labels=np.concatenate([chunk.labels for chunk in chunks]),
        extra=np.concatenate(extras) if extras else None,
    )
