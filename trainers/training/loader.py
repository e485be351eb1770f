"""The input path: resident uint8 images, cropped, flipped and treated by compiled kernels in background threads.

What a piece of a batch looks like is a pure function of its sample indices and the epoch, so prefetched pieces are no state.
Nothing is prefetched past the end of an epoch, since a treatment may change between epochs.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from augment.kernels.counters import SampleKeys
from trainers.training.order import Order, even_cuts, pieces_of

if TYPE_CHECKING:
    from types import TracebackType

    from augment.treatment import Treatment

SMALLEST_PART: Final = 16
"""Samples below which a part of a piece is not worth a thread's while."""

Pixels = NDArray[np.uint8] | NDArray[np.float32]


class ImageSource(Protocol):
    """Training images: resident arrays, or files that are decoded on demand."""

    @property
    def num_images(self) -> int:
        """Images of the split."""

    @property
    def fingerprint(self) -> str:
        """Identity of the split's content."""

    def load(self, keys: SampleKeys) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return images after the recipe's crop and flip, (n, H, W, C) uint8, and their classes, (n,) int64."""

    def plain(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return images as test images are shown, (n, H, W, C) uint8, and their classes, (n,) int64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPiece:
    """One logical piece of a global batch, ready for the device.

    Attributes:
        piece: Number of the piece in its batch.
        images: (n, H, W, C), or (V, n, H, W, C), uint8 or float32 in [0, 1].
        labels: (n,) int64.
        extra: Images of the extra stream, (m, H, W, C) uint8, or None.
    """

    piece: int
    images: Pixels
    labels: NDArray[np.int64]
    extra: NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBatch:
    """This worker's pieces of one global batch.

    Attributes:
        step: Step in the epoch, from 0.
        num_samples: Samples of the global batch over all workers.
        pieces: The worker's pieces that hold samples, in the order they are computed in.
        wait_s: Seconds that were spent waiting for them.
    """

    step: int
    num_samples: int
    pieces: tuple[HostPiece, ...]
    wait_s: float


class _Part(NamedTuple):
    """Some samples of a piece."""

    images: Pixels
    labels: NDArray[np.int64]
    extra: NDArray[np.uint8] | None


class Loader:
    """Prepares one worker's pieces of batch after batch; a context manager that owns its threads."""

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
            source: The training images.
            treatment: Its `sample` and `extra` stages are run here.
            order: Which samples form which piece.
            rank: This worker.
            world_size: Number of workers.
            threads: Background threads; 0 prepares each piece when it is asked for.
            batches_ahead: Batches that are prepared before they are asked for.
        """
        self._source = source
        self._treatment = treatment
        self._order = order
        self._pieces = pieces_of(rank, world_size, order.num_pieces)
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
        waiting: deque[tuple[int, int, list[Callable[[], HostPiece]]]] = deque()
        while True:
            while len(waiting) <= self._batches_ahead and (step := next(steps, None)) is not None:
                waiting.append(self._schedule(epoch, step, visits))
            if not waiting:
                return
            step, num_samples, results = waiting.popleft()
            started = time.perf_counter()
            pieces = tuple(result() for result in results)
            yield HostBatch(step=step, num_samples=num_samples, pieces=pieces, wait_s=time.perf_counter() - started)

    def _schedule(
        self, epoch: int, step: int, visits: NDArray[np.int64]
    ) -> tuple[int, int, list[Callable[[], HostPiece]]]:
        cut = self._order.batch(visits, step)
        wanted = [(piece, cut[piece]) for piece in self._pieces if len(cut[piece])]
        results = [self._start(piece, SampleKeys(self._order.seed, epoch, samples)) for piece, samples in wanted]
        return step, sum(len(samples) for samples in cut), results

    def _start(self, piece: int, keys: SampleKeys) -> Callable[[], HostPiece]:
        """Prepare a piece in the background, in as many parts as there are threads; parts are put together when asked for."""
        pool = self._pool
        if pool is None:
            return lambda: _joined(piece, [self._prepare(keys)])
        num_parts = max(1, min(self._threads, len(keys) // SMALLEST_PART))
        parts = [
            SampleKeys(keys.seed, keys.epoch, keys.indices[start:stop])
            for start, stop in even_cuts(len(keys), num_parts)
        ]
        futures: list[Future[_Part]] = [pool.submit(self._prepare, part) for part in parts]
        return lambda: _joined(piece, [future.result() for future in futures])

    def _prepare(self, keys: SampleKeys) -> _Part:
        loaded, labels = self._source.load(keys)
        images: Any = self._treatment.sample(loaded, keys)
        extra = self._treatment.extra(keys) if self._treatment.num_extra_per_sample else None
        return _Part(images, labels, extra)


def _joined(piece: int, parts: Sequence[_Part]) -> HostPiece:
    if len(parts) == 1:
        return HostPiece(piece=piece, images=parts[0].images, labels=parts[0].labels, extra=parts[0].extra)
    extras = [part.extra for part in parts if part.extra is not None]
    return HostPiece(
        piece=piece,
        images=np.concatenate([part.images for part in parts], axis=parts[0].images.ndim - 4),
        labels=np.concatenate([part.labels for part in parts]),
        extra=np.concatenate(extras) if extras else None,
    )
