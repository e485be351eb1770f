"""Corrupted test images as sets to evaluate on, kept in the cache or made on the fly.

What is generated is a function of (dataset fingerprint, index, kind, severity, seed), so kept and fresh images are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.benchmarks.protocols.corruption import evaluate_corruptions
from eval.corruptions.cache import read_record, set_path
from eval.corruptions.contract import FrostImages
from eval.corruptions.generate import CorruptedSet
from eval.inference.predict import ImageSet
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
    sets = [_image_set(each, subject, indices) for each in made]
    outcome = evaluate_corruptions(subject, sets, baseline=baseline)
    digests = {f"{each.kind}/{each.severity}": digest for each in made if (digest := _kept_digest(each, subject))}
    known = {name: digest for found in subject.workers.gather(digests) for name, digest in found.items()}
    notes: dict[str, Any] = {**outcome.notes, **limit_notes(subject, len(indices))}
    notes |= {"generated": True, "digests": dict(sorted(known.items()))}
    if "frost" in kinds:
        notes["frost"] = "procedural ice, no photographs" if frost is None else frost.label
    return replace(outcome, notes=notes)


def _image_set(made: CorruptedSet, subject: Subject, indices: NDArray[np.int64]) -> ImageSet:
    """Return a set to evaluate on; a limited evaluation corrupts only the images that it uses."""

    @cache  # opened when the first batch of it is due: other sets may be evaluated on other workers
    def whole() -> NDArray[np.uint8]:
        return made.whole(subject.cache_dir)

    is_kept = subject.keep_generated and len(indices) == len(subject.images)
    return ImageSet(
        fields={"corruption": made.kind, "severity": made.severity},
        labels=subject.labels[indices],
        load=lambda start, stop: whole()[start:stop] if is_kept else made.at(indices[start:stop]),
    )


def _kept_digest(made: CorruptedSet, subject: Subject) -> str:
    """Return the digest of the pixels that this node keeps, or "" where it keeps none."""
    if not subject.keep_generated or not set_path(made.key, subject.cache_dir).is_file():
        return ""
    return str(read_record(made.key, subject.cache_dir)["sha256"])[:16]
