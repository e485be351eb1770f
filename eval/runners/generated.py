"""Generated pictures as sets to judge: corrupted test pictures and drawn outliers, kept in the cache or made on the fly.

What is generated is a function of (dataset fingerprint, index, kind, severity, seed), so kept and fresh pictures are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from eval.infer import PictureSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eval.subject import Subject


def corruption_sets(
    subject: Subject, kinds: Sequence[str], severities: Sequence[int], indices: NDArray[np.int64]
) -> list[PictureSet]:
    """Return one set per corruption and severity, in that order, of the test pictures at some indices."""
    return [
        PictureSet(
            fields={"corruption": kind, "severity": severity},
            labels=subject.labels[indices],
            load=_corrupted(subject, kind, severity, indices),
        )
        for kind in kinds
        for severity in severities
    ]


def corruption_notes(subject: Subject, kinds: Sequence[str]) -> dict[str, Any]:
    """Return what a reader must know of generated corruptions: that they are generated, and what stands in for what."""
    notes: dict[str, Any] = {"generated": True}
    if "frost" in kinds:
        notes["substitutes"] = {"frost": "procedural ice, no photographs"}
    return notes


def outlier_pictures(subject: Subject, name: str, count: int) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Return drawn outliers of the size of the test pictures, (count, H, W, C) uint8 or float32 in [0, 1]."""
    from eval.outliers import generate

    return generate(name, count, shape=subject.images.shape[1:], seed=subject.seed)


def _corrupted(
    subject: Subject, kind: str, severity: int, indices: NDArray[np.int64]
) -> Callable[[int, int], NDArray[np.uint8]]:
    if not subject.keep_generated or len(indices) < len(subject.images):
        return lambda start, stop: _fresh(subject, kind, severity, indices[start:stop])

    @cache
    def kept() -> NDArray[np.uint8]:
        from eval.corruptions.cache import corrupted_set

        return corrupted_set(
            subject.images, kind, severity, fingerprint=subject.fingerprint, seed=subject.seed, folder=subject.cache_dir
        )

    return lambda start, stop: kept()[start:stop]


def _fresh(subject: Subject, kind: str, severity: int, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
    from eval.corruptions.generate import corrupt

    return corrupt(
        subject.images[indices], kind, severity, indices=indices, fingerprint=subject.fingerprint, seed=subject.seed
    )
