"""Generated images as sets to evaluate: corrupted test images and drawn outliers, kept in the cache or made on the fly.

What is generated is a function of (dataset fingerprint, index, kind, severity, seed), so kept and fresh images are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from eval.inference.predict import ImageSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eval.benchmarks.configs import CorruptionConfig
    from eval.corruptions.contract import FrostImages
    from eval.inference.subject import Subject


def corruption_sets(
    subject: Subject,
    kinds: Sequence[str],
    severities: Sequence[int],
    indices: NDArray[np.int64],
    *,
    family: str,
    frost: FrostImages | None = None,
) -> list[ImageSet]:
    """Return one set per corruption and severity, in that order, of the test images at some indices."""
    return [
        ImageSet(
            fields={"corruption": kind, "severity": severity},
            labels=subject.labels[indices],
            load=_corrupted(subject, kind, severity, indices, family=family, frost=frost),
        )
        for kind in kinds
        for severity in severities
    ]


def bar_kinds(subject: Subject) -> tuple[str, ...]:
    """Return the ten corruptions of C-bar for the size of the test images."""
    from eval.corruptions.cbar.registry import cbar_kinds

    return cbar_kinds(min(subject.images.shape[1:3]))


def given_frost(subject: Subject, config: CorruptionConfig) -> FrostImages | None:
    """Return the photographs of frost that the parameters ask for, or None for procedural ice.

    Raises:
        EvalError: If a photograph is missing.
    """
    if config.frost == "procedural":
        return None
    from eval.corruptions.ice import frost_from_folder

    return frost_from_folder(subject.data_root / "frost")


def generation_notes(
    subject: Subject,
    kinds: Sequence[str],
    severities: Sequence[int],
    *,
    family: str,
    frost: FrostImages | None = None,
) -> dict[str, Any]:
    """Return what a reader must know: that the images are generated, stand-ins, and byte digests of the sets that were kept.

    Every worker must call this: each knows the sets of its own node.
    """
    from eval.corruptions.cache import read_record, set_key, set_path

    digests: dict[str, str] = {}
    for kind in kinds:
        for severity in severities:
            key = set_key(
                subject.images.shape,
                kind,
                severity,
                fingerprint=subject.fingerprint,
                seed=subject.seed,
                family=family,
                frost=frost,
            )
            if subject.keep_generated and set_path(key, subject.cache_dir).is_file():
                digests[f"{kind}/{severity}"] = str(read_record(key, subject.cache_dir)["sha256"])[:16]
    known = {name: digest for part in subject.workers.gather(digests) for name, digest in part.items()}
    notes: dict[str, Any] = {"generated": True, "digests": dict(sorted(known.items()))}
    if "frost" in kinds:
        notes["frost"] = "procedural ice, no photographs" if frost is None else frost.label
    return notes


def outlier_set(subject: Subject, name: str, count: int) -> ImageSet:
    """Return drawn outliers of the size of the test images."""
    import numpy as np

    height, width, channels = subject.images.shape[1:]

    def load(start: int, stop: int) -> NDArray[np.float32]:
        from eval.outliers.generated import outliers

        return outliers(
            name,
            stop - start,
            height=height,
            width=width,
            channels=channels,
            seed=subject.seed,
            start=start,
            as_floats=True,
        )

    return ImageSet(fields={"set": name}, labels=np.full(count, -1, dtype=np.int64), load=load)


def _corrupted(
    subject: Subject,
    kind: str,
    severity: int,
    indices: NDArray[np.int64],
    *,
    family: str,
    frost: FrostImages | None,
) -> Callable[[int, int], NDArray[np.uint8]]:
    """Return the loader of one set; a limited evaluation corrupts only the images that it uses."""

    def fresh(start: int, stop: int) -> NDArray[np.uint8]:
        from eval.corruptions.generate import corrupt

        own = indices[start:stop]
        return corrupt(
            subject.images[own],
            kind,
            severity,
            fingerprint=subject.fingerprint,
            indices=own,
            seed=subject.seed,
            family=family,
            frost=frost,
        )

    @cache
    def kept() -> NDArray[np.uint8]:
        from eval.corruptions.cache import corrupted_set

        return corrupted_set(
            subject.images,
            kind,
            severity,
            fingerprint=subject.fingerprint,
            cache_dir=subject.cache_dir,
            seed=subject.seed,
            family=family,
            frost=frost,
        )

    if not subject.keep_generated or len(indices) < len(subject.images):
        return fresh
    return lambda start, stop: kept()[start:stop]
