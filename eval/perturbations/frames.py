"""Make sequences: `perturb(images, "tilt", fingerprint=..., indices=...)`.

A sequence is a function of (fingerprint, index, perturbation, frame, difficulty, seed) and its image alone.

Letters of shapes: N images, T frames, H rows, W columns, C channels (1 or 3).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from eval.corruptions.contract import Draws
from eval.corruptions.generate import check_images
from eval.perturbations.contract import Course, perturbation_scale
from eval.perturbations.p.registry import num_frames, perturbation_named

VALUES_AT_ONCE: Final = 1 << 23


def perturb(
    images: NDArray[np.uint8],
    kind: str,
    *,
    fingerprint: str,
    indices: NDArray[np.int64],
    seed: int = 0,
    difficulty: int = 1,
) -> NDArray[np.uint8]:
    """Return a sequence of frames for every image, (N, T, H, W, C) uint8; the input is left alone.

    Args:
        images: (N, H, W, C) uint8 with C = 1 or 3 and sides of at least 8 px.
        kind: Key of `PERTURBATIONS`.
        fingerprint: Content identity of the dataset that the images belong to.
        indices: Index of each image in its dataset, (N,), from 0 and below 2**32.
        seed: Seed of the generated set.
        difficulty: Level of the noises, 1 to 3; other perturbations have one set of frames, which harder metrics thin out.

    Raises:
        ValueError: If an argument breaks one of these rules.
    """
    check_images(images, indices, fingerprint, seed)
    if difficulty not in (1, 2, 3):
        raise ValueError(f"the difficulty of a perturbation must be 1, 2 or 3, but got {difficulty}")
    kernel = perturbation_named(kind).run
    side = min(images.shape[1:3])
    draws = Draws(seed, f"p/{fingerprint}/{kind}/{difficulty}", 0, np.asarray(indices, dtype=np.int64))
    course = Course(frames=num_frames(kind, side), scale=perturbation_scale(side), difficulty=difficulty, draws=draws)
    out = course.empty(images)
    step = max(1, VALUES_AT_ONCE // (course.frames * int(np.prod(images.shape[1:]))))  # a batch of about 8 MiB
    for start in range(0, len(images), step):
        rows = slice(start, min(start + step, len(images)))
        out[rows] = kernel(images[rows], replace(course, draws=draws.part(rows)))
    return out
