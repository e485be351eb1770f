"""Inference over the workers of a job: each image once, in order, without padding duplicates.

Images are cut into batches whose borders do not depend on the number of workers; each worker takes a run of neighbouring
batches over *all* sets of a benchmark. An image therefore always meets the network in the same batch, and its logits are the
same bits for any number of workers of one kind.

Shapes: N images, H x W pixels, C channels, K classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment.heavy import torch
from eval.errors import EvalError
from eval.inference.subject import Subject
from eval.predictions import Predictions, compact, concatenate, from_compact


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """Some images under one name.

    Attributes:
        fields: What distinguishes this set, plain values (corruption, severity, ...); they head its fine rows.
        labels: True classes, (N,) int64; -1 for none.
        load: Returns the images [start, stop): (n, H, W, C) uint8, or float32 in [0, 1].
        group: Images that stay together in a batch (the frames of a sequence); batches hold whole groups.
        classes: Classes that count, rising, (K',) int64: the softmax runs over their logits only and labels are positions
            among them; or None for all.
    """

    fields: Mapping[str, Any]
    labels: NDArray[np.int64]
    load: Callable[[int, int], NDArray[np.uint8] | NDArray[np.float32]]
    group: int = 1
    classes: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.labels)


def of_array(
    images: NDArray[np.uint8] | NDArray[np.float32], labels: NDArray[np.int64] | None = None, **fields: Any
) -> ImageSet:
    """Return the set of the images in an array, (N, H, W, C); without labels they count as outliers.

    Raises:
        EvalError: If there are not as many labels as images.
    """
    labels = np.full(len(images), -1, dtype=np.int64) if labels is None else labels
    if len(labels) != len(images):
        raise EvalError(f"a set needs one label per image, but has {len(images)} images and {len(labels)} labels")
    return ImageSet(fields=fields, labels=labels, load=lambda start, stop: images[start:stop])


@dataclass(frozen=True, slots=True)
class _Batch:
    """Images [start, stop) of one set."""

    which: int
    start: int
    stop: int


def predict(subject: Subject, image_set: ImageSet) -> Predictions:
    """Return the predictions on one set, whole and in order, on every worker.

    Raises:
        EvalError: If a logit is not finite, or the network has another number of classes.
    """
    return predict_sets(subject, [image_set])[0]


def predict_sets(subject: Subject, sets: Sequence[ImageSet]) -> tuple[Predictions, ...]:
    """Return the predictions on each set, whole and in order, on every worker.

    Every worker must call this with the same sets in the same order.

    Raises:
        EvalError: If a set is empty, a logit is not finite, or the network has another number of classes.
    """
    empty = [dict(image_set.fields) for image_set in sets if len(image_set) == 0]
    if empty:
        raise EvalError(f"a set must contain at least one image, but these contain none: {empty}")
    own = _batches_of(subject, sets)
    local = _predict_batches(subject, sets, own)
    # Those of all workers, so that every rank reports the same.
    subject.evaluation.forward_passes += sum(len(image_set) for image_set in sets)
    return _reassemble(subject.workers.gather(local), len(sets))


def clean_predictions(subject: Subject, indices: NDArray[np.int64]) -> Predictions:
    """Return the predictions on some test images; for each number of images the network sees them once per evaluation.

    Args:
        indices: From `eval.inference.sampling.chosen_indices`.

    Raises:
        EvalError: As `predict`.
    """
    known = subject.evaluation.clean
    # By their number alone: `chosen_indices` makes one choice for each number.
    key = (len(indices), subject.precision)
    if key not in known:
        known[key] = predict(subject, of_array(subject.images[indices], subject.labels[indices]))
    return known[key]


def predict_logits(subject: Subject, image_set: ImageSet) -> NDArray[np.float32]:
    """Return the full logits on one set, (N, K) float32, in order, on every worker; nothing is checked for being finite."""
    batches = own_batches(subject, len(image_set))
    first = batches[0][0] if batches else 0
    # Own batches are neighbours: one array without gaps, from the first on.
    local = np.empty((sum(stop - start for start, stop in batches), subject.num_classes), dtype=np.float32)
    with torch.inference_mode():
        for start, stop in batches:
            logits = _logits(image_set.load(start, stop), subject)
            local[start - first : stop - first] = logits.float().cpu().numpy()
    subject.evaluation.forward_passes += len(image_set)
    return np.concatenate(subject.workers.gather(local))


def remember_logits(subject: Subject, indices: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the full logits on some test images; later benchmarks find the predictions made from them.

    Raises:
        EvalError: If a logit is not finite or the network has another number of classes.
    """
    labels = subject.labels[indices]
    logits = predict_logits(subject, of_array(subject.images[indices], labels))
    columns = _Columns(len(logits))
    for batch in _cut(
        [(len(logits), 1)], subject.batch_size
    ):  # on the device and in its batches: not a bit changes by keeping
        part = slice(batch.start, batch.stop)
        own, true = (torch.from_numpy(np.ascontiguousarray(each[part])) for each in (logits, labels))
        columns.append(compact(own.to(subject.device), true.to(subject.device)))
    subject.evaluation.clean[len(indices), subject.precision] = from_compact(columns.filled, subject.num_classes)
    return logits


def own_batches(subject: Subject, size: int) -> list[tuple[int, int]]:
    """Return this worker's batches [start, stop) of a single set of so many images."""
    return [(batch.start, batch.stop) for batch in _shard(_cut([(size, 1)], subject.batch_size), subject)]


def to_pixels(images: NDArray[np.uint8] | NDArray[np.float32], subject: Subject) -> torch.Tensor:
    """Return images (N, H, W, C) as a float32 tensor (N, C, H, W) in [0, 1] on the device, channels last in memory."""
    # a mapped file is read-only, and torch wants arrays that it could write to
    array = np.ascontiguousarray(images) if images.flags.writeable else images.copy()
    tensor = torch.from_numpy(array).to(subject.device, non_blocking=True)
    tensor = tensor.permute(0, 3, 1, 2)
    return tensor.float().div_(255.0) if tensor.dtype == torch.uint8 else tensor


def _logits(images: NDArray[np.uint8] | NDArray[np.float32], subject: Subject) -> torch.Tensor:
    """Return the logits of a batch, (N, K), on the device; computed in parts where it does not fit into memory.

    Raises:
        EvalError: If they are of another number of classes than the dataset's.
        torch.OutOfMemoryError: If not even one image fits.
    """
    parts = subject.evaluation.forward_parts.compute(
        len(images), lambda part: subject.model(to_pixels(images[part], subject))
    )
    for logits in parts:
        check_logits(logits, subject)
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def check_logits(logits: torch.Tensor, subject: Subject) -> None:
    """Refuse a network with another number of classes than the dataset.

    Raises:
        EvalError: If the logits do not have the shape (N, K).
    """
    if logits.ndim != 2 or logits.shape[1] != subject.num_classes:
        raise EvalError(
            f"the network must give {subject.num_classes} logits per image for {subject.dataset!r}, but gave the shape "
            f"{tuple(logits.shape)}; is this the checkpoint of another dataset?"
        )


def _cut(sizes: Sequence[tuple[int, int]], batch_size: int) -> list[_Batch]:
    """Return the batches of sets of (images, group); a batch holds whole groups, at least one."""
    batches = []
    for which, (size, group) in enumerate(sizes):
        step = max(1, batch_size // group) * group
        batches += [_Batch(which, start, min(start + step, size)) for start in range(0, size, step)]
    return batches


def _shard(batches: list[_Batch], subject: Subject) -> list[_Batch]:
    rank, world_size = subject.workers.rank, subject.workers.world_size
    return batches[len(batches) * rank // world_size : len(batches) * (rank + 1) // world_size]


def _batches_of(subject: Subject, sets: Sequence[ImageSet]) -> list[_Batch]:
    return _shard(_cut([(len(image_set), image_set.group) for image_set in sets], subject.batch_size), subject)


def _predict_batches(subject: Subject, sets: Sequence[ImageSet], batches: list[_Batch]) -> dict[int, Predictions]:
    """Return this worker's predictions by set; the compact columns stay on the device until its last batch."""
    sizes = Counter[int]()
    for batch in batches:
        sizes[batch.which] += batch.stop - batch.start
    results = {which: _Columns(size) for which, size in sizes.items()}
    done, total = 0, sizes.total()
    with torch.inference_mode():
        for batch in batches:
            image_set = sets[batch.which]
            labels = torch.from_numpy(image_set.labels[batch.start : batch.stop]).to(subject.device)
            logits = _logits(image_set.load(batch.start, batch.stop), subject)
            if image_set.classes is not None:
                logits = logits[:, torch.from_numpy(image_set.classes).to(subject.device)]
            results[batch.which].append(compact(logits, labels))
            done += batch.stop - batch.start
            subject.evaluation.on_images(done, total)
    return {which: from_compact(columns.filled, subject.num_classes) for which, columns in results.items()}


class _Columns:
    """The compact columns of one set, allocated once and filled batch by batch.

    Small tensors kept from batch to batch would be between the large ones that come and go, and split the heap: memory would
    grow with the number of images.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._num_filled = 0
        self.filled: tuple[torch.Tensor, ...] = ()

    def append(self, columns: tuple[torch.Tensor, ...]) -> None:
        """Copy the columns of the next batch."""
        # Made at the first batch, which shows types and widths.
        self.filled = self.filled or tuple(column.new_empty((self._size, *column.shape[1:])) for column in columns)
        start, self._num_filled = self._num_filled, self._num_filled + len(columns[0])
        for whole, part in zip(self.filled, columns, strict=True):
            whole[start : self._num_filled] = part


def _reassemble(gathered: list[dict[int, Predictions]], num_sets: int) -> tuple[Predictions, ...]:
    """Join the workers' runs: ranks hold neighbouring batches, so rank order is image order."""
    return tuple(concatenate([local[which] for local in gathered if which in local]) for which in range(num_sets))
