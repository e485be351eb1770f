"""Corrupted test images as sets to evaluate on, kept in the cache or made on the fly, ahead of the device.

What is generated is a function of (dataset fingerprint, index, kind, severity, seed), so kept and fresh images are the same.
Whole families are kept within a budget of disk (`eval.corruptions.budget`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment.heavy import torch
from eval.benchmarks.protocols.corruption import evaluate_corruptions
from eval.corruptions.budget import may_keep
from eval.corruptions.cache import read_record, set_path
from eval.corruptions.contract import FrostImages
from eval.corruptions.generate import CorruptedSet
from eval.inference.image_sets import ImageSet
from eval.inference.sampling import chosen_indices, limit_notes
from eval.inference.subject import Subject
from eval.report import BenchmarkOutcome


def evaluate_family(
    subject: Subject,
    family: str,
    kinds: Sequence[str],
    severities: Sequence[int],
    max_images: int | None,
    *,
    baseline: str | None = None,
    frost: FrostImages | None = None,
) -> BenchmarkOutcome:
    """Evaluate a subject on corruptions of its own test images; the notes contain what a reader must know of stand-ins.

    Args:
        subject: The network and its test images; each worker knows the sets that its own node keeps.
        family: Key of `FAMILIES`.
        max_images: Use only so many test images, or None for all.
        baseline: Name of the baseline network whose errors normalise mCE.
        frost: Images for `frost`; None means procedural ice.
    """
    indices = chosen_indices(subject, max_images)
    made = [
        CorruptedSet(
            images=subject.images,
            kind=kind,
            severity=severity,
            fingerprint=subject.fingerprint,
            seed=subject.seed,
            family=family,
            frost=frost,
        )
        for kind in kinds
        for severity in severities
    ]
    # A limited evaluation corrupts only the images that it uses.
    is_whole = len(indices) == len(subject.images)
    keeps = is_whole and may_keep([each.key for each in made], subject.cache_dir, subject.generated_bytes)
    sets = [
        _image_set(
            each, subject, indices, is_kept=keeps or (is_whole and set_path(each.key, subject.cache_dir).is_file())
        )
        for each in made
    ]
    outcome = evaluate_corruptions(subject, sets, baseline=baseline)
    digests = {f"{each.kind}/{each.severity}": digest for each in made if (digest := _kept_digest(each, subject))}
    known = {name: digest for found in subject.workers.gather(digests) for name, digest in found.items()}
    notes: dict[str, Any] = {**outcome.notes, **limit_notes(subject, len(indices))}
    notes |= {"generated": True, "digests": dict(sorted(known.items()))}
    if "frost" in kinds:
        notes["frost"] = "procedural ice, no photographs" if frost is None else frost.label
    return replace(outcome, notes=notes)


def _image_set(made: CorruptedSet, subject: Subject, indices: NDArray[np.int64], *, is_kept: bool) -> ImageSet:
    """Return a set to evaluate on.

    Args:
        is_kept: Whether all images are in the cache, or to be made there when the first batch of the set is due: other sets may
            be evaluated on other workers.
    """
    lock = threading.Lock()

    @cache
    def opened() -> NDArray[np.uint8]:
        # Without threads ahead of the device, those of the device have nothing to do meanwhile.
        return made.whole(subject.cache_dir, threads=subject.threads or torch.get_num_threads())

    def whole() -> NDArray[np.uint8]:
        with lock:  # `cache` alone would let each thread open it, or make it
            return opened()

    return ImageSet(
        fields={"corruption": made.kind, "severity": made.severity},
        labels=subject.labels[indices],
        load=lambda start, stop: whole()[start:stop] if is_kept else made.at(indices[start:stop]),
    )


def _kept_digest(made: CorruptedSet, subject: Subject) -> str:
    """Return the digest of the pixels that this node keeps, or "" where it keeps none."""
    if not set_path(made.key, subject.cache_dir).is_file():
        return ""
    return str(read_record(made.key, subject.cache_dir)["sha256"])[:16]
