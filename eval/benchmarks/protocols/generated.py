"""Corrupted test images as sets to evaluate on, kept in the cache or made on the fly.

What is generated is a function of (dataset fingerprint, index, kind, severity, seed), so kept and fresh images are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.benchmarks.protocols.corruption import evaluate_corruptions
from eval.corruptions.cache import corrupted_set, read_record, set_key, set_path
from eval.corruptions.contract import FrostImages
from eval.corruptions.generate import corrupt
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
        kinds: Corruptions.
        severities: Severities of each.
        max_images: Use only so many test images, or None for all.
        baseline: Name of the baseline network whose errors normalise mCE.
        frost: Images for `frost`; None means procedural ice.

    Raises:
        EvalError: If a logit is not finite, or the baseline is unknown or lacks a corruption or severity.
    """
    indices = chosen_indices(subject, max_images)
    made = [_GeneratedSet(subject, kind, severity, family, frost, indices) for kind in kinds for severity in severities]
    outcome = evaluate_corruptions(subject, [each.as_image_set() for each in made], baseline=baseline)
    digests = {each.name: digest for each in made if (digest := each.kept_digest())}
    known = {name: digest for found in subject.workers.gather(digests) for name, digest in found.items()}
    notes: dict[str, Any] = {**outcome.notes, **limit_notes(subject, len(indices))}
    notes |= {"generated": True, "digests": dict(sorted(known.items()))}
    if "frost" in kinds:
        notes["frost"] = "procedural ice, no photographs" if frost is None else frost.label
    return replace(outcome, notes=notes)


class _GeneratedSet:
    """The test images under one corruption at one severity."""

    def __init__(
        self,
        subject: Subject,
        kind: str,
        severity: int,
        family: str,
        frost: FrostImages | None,
        indices: NDArray[np.int64],
    ) -> None:
        self._subject, self._kind, self._severity, self._indices = subject, kind, severity, indices
        self._options: dict[str, Any] = {
            "fingerprint": subject.fingerprint,
            "seed": subject.seed,
            "family": family,
            "frost": frost,
        }
        self.name = f"{kind}/{severity}"

    def as_image_set(self) -> ImageSet:
        """Return the images; a limited evaluation corrupts only those that it uses."""
        is_kept = self._subject.keep_generated and len(self._indices) == len(self._subject.images)
        return ImageSet(
            fields={"corruption": self._kind, "severity": self._severity},
            labels=self._subject.labels[self._indices],
            load=self._kept() if is_kept else self._fresh,
        )

    def kept_digest(self) -> str:
        """Return the digest of the pixels that this node keeps, or "" where it keeps none."""
        subject = self._subject
        key = set_key(subject.images.shape, self._kind, self._severity, **self._options)
        if not subject.keep_generated or not set_path(key, subject.cache_dir).is_file():
            return ""
        return str(read_record(key, subject.cache_dir)["sha256"])[:16]

    def _fresh(self, start: int, stop: int) -> NDArray[np.uint8]:
        own = self._indices[start:stop]
        return corrupt(self._subject.images[own], self._kind, self._severity, indices=own, **self._options)

    def _kept(self) -> Callable[[int, int], NDArray[np.uint8]]:
        @cache  # opened when the first batch of it is due: other sets may be evaluated on other workers
        def images() -> NDArray[np.uint8]:
            subject = self._subject
            return corrupted_set(
                subject.images, self._kind, self._severity, cache_dir=subject.cache_dir, **self._options
            )

        return lambda start, stop: images()[start:stop]
