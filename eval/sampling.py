"""Limiting a judgement to some of the test pictures: the same ones for every checkpoint, spread over the test set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eval.subject import Subject


def chosen_indices(subject: Subject, max_images: int | None) -> NDArray[np.int64]:
    """Return the indices of the test pictures that a benchmark uses, rising, (n,) int64.

    A limit takes the first pictures of a fixed permutation, so that a larger limit keeps those of a smaller one.
    """
    return chosen_of(len(subject.images), max_images, subject.seed)


def chosen_of(total: int, max_images: int | None, seed: int) -> NDArray[np.int64]:
    """Return which of some pictures a limit leaves, as indices, rising, (n,) int64."""
    if max_images is None or max_images >= total:
        return np.arange(total, dtype=np.int64)
    from augment.counters import permutation

    return np.sort(permutation(seed, 0, total, stream="eval-max-images")[:max_images])


def limit_notes(subject: Subject, num_used: int) -> dict[str, object]:
    """Return the note that a limited benchmark must carry, or nothing for a full one."""
    total = len(subject.images)
    return {} if num_used >= total else {"limited": {"used": num_used, "of": total}}
