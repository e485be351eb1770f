"""Which images of a set go into a number: the same ones for every checkpoint, spread over the set."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from augment.kernels.counters import permutation
from eval.inference.subject import Subject
from eval.metrics.anomaly import subset_sizes


def chosen_indices(subject: Subject, max_images: int | None) -> NDArray[np.int64]:
    """Return the indices of the test images that a benchmark uses, rising, (n,) int64.

    A limit takes the first images of a fixed permutation, so that a larger limit keeps those of a smaller one.
    """
    return chosen_of(len(subject.images), max_images, subject.seed)


def chosen_of(total: int, max_images: int | None, seed: int) -> NDArray[np.int64]:
    """Return which of some images a limit leaves, as indices, rising, (n,) int64."""
    if max_images is None or max_images >= total:
        return np.arange(total, dtype=np.int64)
    return np.sort(permutation(seed, 0, total, stream="eval-max-images")[:max_images])


def limit_notes(subject: Subject, num_used: int) -> dict[str, object]:
    """Return the note that a limited benchmark must carry, or nothing for a full one."""
    total = len(subject.images)
    return {} if num_used >= total else {"limited": {"used": num_used, "of": total}}


def outlier_subsets(
    num_outliers: int, num_inside: int, *, repeats: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield random subsets of one outlier to five test images, as indices (k,) of outliers and (5 k,) of test images.

    Where there are outliers enough, k is a fifth of the test images and each subset takes other outliers against all test images,
    as published. Where there are fewer, all of them face fewer test images, so that the ratio and with it AUPR's chance level
    stay: a permutation of the test images is cut into runs of 5 k, and as many permutations are walked through as give at least
    `repeats` subsets. So every test image counts as often as any other (up to a remainder below 5 k).

    Raises:
        ValueError: If no subset has that ratio.
    """
    outliers, inside = subset_sizes(num_outliers, num_inside)
    runs = num_inside // inside
    for walk in range(math.ceil(repeats / runs)):
        order = permutation(seed, walk, num_inside, stream="eval-test-subset")
        for run in range(runs):
            chosen = permutation(seed, walk * runs + run, num_outliers, stream="eval-outlier-subset")[:outliers]
            yield chosen, order[run * inside : (run + 1) * inside]
