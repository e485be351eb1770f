"""Batches of an evaluation: cut at fixed borders, shared by the workers, made ahead in threads, and brought to the device.

Images are cut into batches whose borders do not depend on the number of workers nor of threads; each worker takes a run of
neighbouring batches over *all* sets of a benchmark. While the device computes on one batch, threads load, decode or generate
the next ones, each thread some images, straight into the buffers that are copied from (`eval.inference.transfer`).

Shapes: N images, H x W pixels, C channels.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from augment.heavy import torch
from eval.inference.image_sets import ImageSet
from eval.inference.prefetch import Arrays, Part, Work
from eval.inference.streams import CopyEngine
from eval.inference.subject import Subject
from eval.inference.transfer import DeviceFeed, float_images

SMALLEST_PART: Final = 16
"""Images below which a part of a batch is not worth a thread."""

BATCHES_AHEAD: Final = 3
"""Batches that are made before the device asks for them; they bound the memory of the host."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Images [start, stop) of one set."""

    which: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class OnDevice:
    """A batch on the device, until the next one is asked for.

    Attributes:
        images: (n, H, W, C) as they are loaded: uint8, or float32 in [0, 1].
        labels: (n,) int64.
    """

    batch: Batch
    images: torch.Tensor
    labels: torch.Tensor


def cut(sizes: Sequence[tuple[int, int]], batch_size: int) -> list[Batch]:
    """Return the batches of sets of (images, group); a batch holds whole groups, at least one."""
    batches = []
    for which, (size, group) in enumerate(sizes):
        step = max(1, batch_size // group) * group
        batches += [Batch(which, start, min(start + step, size)) for start in range(0, size, step)]
    return batches


def own_batches(subject: Subject, sizes: Sequence[tuple[int, int]]) -> list[Batch]:
    """Return this worker's batches of sets of (images, group)."""
    batches = cut(sizes, subject.batch_size)
    rank, world_size = subject.workers.rank, subject.workers.world_size
    return batches[len(batches) * rank // world_size : len(batches) * (rank + 1) // world_size]


def on_device(
    subject: Subject, sets: Sequence[ImageSet], batches: Sequence[Batch], *, engine: CopyEngine | None = None
) -> Generator[OnDevice]:
    """Yield batches in order, made ahead by the threads of the subject; to be closed where it is not run to its end.

    What loading raises is raised here as it is, where its batch would have come.

    Args:
        engine: How batches reach the device, where that is not chosen by the device.
    """
    done = 0
    with DeviceFeed(subject.device, threads=subject.threads, ahead=BATCHES_AHEAD, engine=engine) as feed:
        while True:
            works = (_work(batch, sets[batch.which], subject.threads) for batch in batches[done:])
            try:
                with closing(feed.run(works)) as arrivals:
                    for arrival in arrivals:
                        ((images, labels),) = arrival.groups
                        done += 1
                        yield OnDevice(arrival.tag, images, labels)
                return
            except torch.OutOfMemoryError as error:
                # The buffers of the batches themselves found no room next to the passes, which get smaller.
                subject.evaluation.forward_parts.halve(len(batches[done]), error)
            # Out of the handler: the error keeps memory alive through its frames.
            torch.cuda.empty_cache()


def to_pixels(images: NDArray[np.uint8] | NDArray[np.float32], subject: Subject) -> torch.Tensor:
    """Return images (N, H, W, C) as a float32 tensor (N, C, H, W) in [0, 1] on the device, channels last in memory."""
    # A mapped file is read-only, and torch wants arrays that it could write to.
    array = np.ascontiguousarray(images) if images.flags.writeable else images.copy()
    return float_images(torch.from_numpy(array).to(subject.device, non_blocking=True), copy=False)


def _work(batch: Batch, images: ImageSet, threads: int) -> Work[Batch]:
    """Return how a batch is made: in as many parts as there are threads, each of whole groups."""
    num_groups = len(batch) // images.group
    num_parts = max(1, min(threads, num_groups, len(batch) // SMALLEST_PART))
    borders = [num_groups * part // num_parts * images.group for part in range(num_parts + 1)]
    parts = [
        Part(0, start, stop, partial(_made, images, batch.start + start, batch.start + stop))
        for start, stop in pairwise(borders)
    ]
    return Work(sizes=(len(batch),), parts=tuple(parts), tag=batch)


def _made(images: ImageSet, start: int, stop: int) -> Arrays:
    loaded: NDArray[Any] = images.load(start, stop)
    return loaded, images.labels[start:stop]
