"""The input path of training: images are loaded, cropped, flipped and treated in background threads, then moved to the device.

The content of a shard of a batch is a pure function of its sample indices and the epoch, so prefetched shards are no state.
Nothing is prefetched past the end of an epoch, since a treatment may change between epochs.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Final, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from augment.kernels.counters import SampleKeys
from augment.treatment import Treatment
from eval.inference.prefetch import Part, Work
from eval.inference.streams import CopyEngine
from eval.inference.transfer import DeviceBatch, DeviceFeed
from trainers.training.input.images import ImageSource
from trainers.training.input.order import Order, even_cuts, shards_of

SMALLEST_CHUNK: Final = 16
"""Samples below which a chunk of a shard is not worth a thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One logical shard of a global batch, on the device; its images are valid until the next batch is asked for.

    Attributes:
        number: Number of the shard in its batch.
        images: (n, H, W, C), or (V, n, H, W, C), uint8 or float32 in [0, 1]; see `eval.inference.transfer.float_images`.
        labels: (n,) int64.
        extra: Images of the extra stream, (m, H, W, C) uint8, or None.
    """

    number: int
    images: Tensor
    labels: Tensor
    extra: Tensor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """This worker's shards of one global batch.

    Attributes:
        step: Step in the epoch, from 0.
        num_samples: Samples of the global batch over all workers.
        shards: The worker's shards that are not empty, in the order they are computed in.
        wait_s: Seconds that were spent waiting for them.
    """

    step: int
    num_samples: int
    shards: tuple[Shard, ...]
    wait_s: float


class _Tag(NamedTuple):
    """What a batch is known by on its way."""

    step: int
    num_samples: int
    shards: tuple[int, ...]


class Loader:
    """Prepares one worker's shards of batch after batch; a context manager that owns its threads and buffers."""

    def __init__(
        self,
        *,
        source: ImageSource,
        treatment: Treatment,
        order: Order,
        rank: int,
        world_size: int,
        threads: int,
        device: torch.device,
        batches_ahead: int = 3,
        engine: CopyEngine | None = None,
    ) -> None:
        """Describe the path.

        Args:
            treatment: Its `sample` and `extra` stages are run here.
            threads: Background threads; 0 prepares each batch when it is asked for.
            device: Where batches are wanted; to a GPU they are copied while it computes.
            batches_ahead: Batches that are prepared before they are asked for.
            engine: How batches reach the device, where that is not chosen by the device.
        """
        self._source = source
        self._treatment = treatment
        self._order = order
        self._shards = shards_of(rank, world_size, order.num_shards)
        self._threads = threads
        self._feed = DeviceFeed(device, threads=threads, ahead=batches_ahead, engine=engine)

    def __enter__(self) -> Loader:
        self._feed.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._feed.__exit__(kind, error, trace)

    def epoch(self, epoch: int, first_step: int = 0) -> Generator[Batch]:
        """Yield the batches of an epoch (0-based) from a step on; to be closed where it is not run to its end."""
        with closing(self._feed.run(self._works(epoch, first_step))) as batches:
            for batch in batches:
                yield _batch(batch)

    def _works(self, epoch: int, first_step: int) -> Iterator[Work[_Tag]]:
        visits = self._order.epoch(epoch)
        for step in range(first_step, self._order.steps_per_epoch):
            cut = self._order.batch(visits, step)
            shards = tuple(shard for shard in self._shards if len(cut[shard]))
            parts = [
                part
                for group, shard in enumerate(shards)
                for part in self._parts(group, SampleKeys(self._order.seed, epoch, cut[shard]))
            ]
            # Samples of all workers: each shard weighs by its part of the whole batch.
            tag = _Tag(step, sum(map(len, cut)), shards)
            yield Work(sizes=tuple(len(cut[shard]) for shard in shards), parts=tuple(parts), tag=tag)

    def _parts(self, group: int, keys: SampleKeys) -> Iterator[Part]:
        """Cut a shard into as many chunks as there are threads."""
        # Cuts change nothing: what a sample becomes depends on its own key alone.
        for start, stop in even_cuts(len(keys), max(1, min(self._threads, len(keys) // SMALLEST_CHUNK))):
            chunk = SampleKeys(keys.seed, keys.epoch, keys.indices[start:stop])
            yield Part(group, start, stop, partial(self._prepare, chunk))

    def _prepare(self, keys: SampleKeys) -> tuple[NDArray[Any], ...]:
        """Return images, labels and, where there is an extra stream, its images."""
        loaded, labels = self._source.load(keys)
        images = self._treatment.sample(loaded, keys)
        extra = self._treatment.extra(keys) if self._treatment.num_extra_per_sample else None
        return (images, labels) if extra is None else (images, labels, extra)


def _batch(batch: DeviceBatch[_Tag]) -> Batch:
    shards = tuple(
        # A treatment may keep targets, and the buffer that these are in is written to again.
        Shard(number=number, images=images, labels=labels.clone(), extra=extra[0] if extra else None)
        for number, (images, labels, *extra) in zip(batch.tag.shards, batch.groups, strict=True)
    )
    return Batch(step=batch.tag.step, num_samples=batch.tag.num_samples, shards=shards, wait_s=batch.wait_s)
