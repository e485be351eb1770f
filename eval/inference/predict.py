"""Inference over the workers of a job: each image once, in order, without padding duplicates.

An image always meets the network in the same batch (`eval.inference.batches`), so its logits are the same bits for any number of
workers of one kind, and of threads.

Shapes: N images, H x W pixels, C channels, K classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from augment.heavy import torch
from eval.errors import EvalError
from eval.inference.batches import Batch, cut, on_device, own_batches
from eval.inference.image_sets import ImageSet, of_array
from eval.inference.subject import Subject
from eval.inference.transfer import float_images
from eval.predictions import Predictions, compact, concatenate, from_compact


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
    own = own_batches(subject, [(len(image_set), image_set.group) for image_set in sets])
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
    batches = own_batches(subject, [(len(image_set), image_set.group)])
    first = batches[0].start if batches else 0
    # Own batches are neighbours: one array without gaps, from the first on.
    local = np.empty((sum(map(len, batches)), subject.num_classes), dtype=np.float32)
    with torch.inference_mode(), closing(on_device(subject, [image_set], batches)) as arrivals:
        for arrival in arrivals:
            logits = _logits(arrival.images, subject)
            local[arrival.batch.start - first : arrival.batch.stop - first] = logits.float().cpu().numpy()
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
    for batch in cut(
        [(len(logits), 1)], subject.batch_size
    ):  # on the device and in its batches: not a bit changes by keeping
        part = slice(batch.start, batch.stop)
        own, true = (torch.from_numpy(np.ascontiguousarray(each[part])) for each in (logits, labels))
        columns.append(compact(own.to(subject.device), true.to(subject.device)))
    subject.evaluation.clean[len(indices), subject.precision] = from_compact(columns.filled, subject.num_classes)
    return logits


def _logits(images: torch.Tensor, subject: Subject) -> torch.Tensor:
    """Return the logits of a batch, (N, K), on the device; computed in parts where it does not fit into memory.

    Args:
        images: (N, H, W, C), uint8 or float32 in [0, 1].

    Raises:
        EvalError: If they are of another number of classes than the dataset's.
        torch.OutOfMemoryError: If not even one image fits.
    """
    parts = subject.evaluation.forward_parts.compute(
        len(images), lambda part: subject.model(float_images(images[part], copy=False))
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


def _predict_batches(subject: Subject, sets: Sequence[ImageSet], batches: Sequence[Batch]) -> dict[int, Predictions]:
    """Return this worker's predictions by set; the compact columns stay on the device until its last batch."""
    sizes = Counter[int]()
    for batch in batches:
        sizes[batch.which] += len(batch)
    results = {which: _Columns(size) for which, size in sizes.items()}
    classes = {which: torch.from_numpy(known).to(subject.device) for which, known in _classes(sets, sizes).items()}
    done, total = 0, sizes.total()
    with torch.inference_mode(), closing(on_device(subject, sets, batches)) as arrivals:
        for arrival in arrivals:
            which = arrival.batch.which
            logits = _logits(arrival.images, subject)
            if which in classes:
                logits = logits[:, classes[which]]
            results[which].append(compact(logits, arrival.labels))
            done += len(arrival.batch)
            subject.evaluation.on_images(done, total)
    return {which: from_compact(columns.filled, subject.num_classes) for which, columns in results.items()}


def _classes(sets: Sequence[ImageSet], own: Iterable[int]) -> dict[int, NDArray[np.int64]]:
    """Return the classes that count, of the sets in which not all do."""
    return {which: known for which in own if (known := sets[which].classes) is not None}


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
