"""Make sequences: `perturb(images, "tilt", fingerprint=..., indices=...)`, or batch by batch with `sequences`.

A sequence is a function of (fingerprint, index, perturbation, frame, difficulty, seed) and its image alone.

Letters of shapes: N images, T frames, H rows, W columns, C channels (1 or 3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from eval.corruptions.generate import check_images
from eval.corruptions.setting import Draws
from eval.perturbations.registry import num_frames, perturbation_named, perturbation_scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

_VALUES_AT_ONCE: Final = 1 << 23


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a batch of sequences runs.

    Attributes:
        frames: Frames of a sequence, T.
        scale: The scale whose parameters apply, 32 or 224.
        difficulty: 1 to 3; chooses the level of the noises.
        draws: Random numbers of frame 0; `at(frame)` gives those of another.
    """

    frames: int
    scale: int
    difficulty: int
    draws: Draws

    def at(self, frame: int) -> Draws:
        """Return the random numbers of one frame."""
        return replace(self.draws, level=frame)


PerturbationKernel = Callable[["NDArray[np.uint8]", Course], "NDArray[np.uint8]"]
"""Maps (N, H, W, C) uint8 images to sequences (N, T, H, W, C); leaves its input alone."""


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
    kernel = perturbation_named(kind).kernel()
    side = min(images.shape[1:3])
    draws = Draws(seed, f"p/{fingerprint}/{kind}/{difficulty}", 0, np.asarray(indices, dtype=np.int64))
    course = Course(frames=num_frames(kind, side), scale=perturbation_scale(side), difficulty=difficulty, draws=draws)
    out = np.empty((len(images), course.frames, *images.shape[1:]), dtype=np.uint8)
    step = sequences_at_once(images.shape, course.frames)
    for start in range(0, len(images), step):
        rows = slice(start, min(start + step, len(images)))
        out[rows] = kernel(images[rows], replace(course, draws=draws.part(rows)))
    return out


def sequences(
    images: NDArray[np.uint8],
    kind: str,
    *,
    fingerprint: str,
    indices: NDArray[np.int64],
    seed: int = 0,
    difficulty: int = 1,
    at_once: int | None = None,
) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
    """Yield (rows of `images`, their sequences) batch by batch, so that the set is never held whole.

    Args:
        images: As for `perturb`, as are all but the last.
        at_once: Sequences per batch; None keeps a batch at about 8 MiB.
    """
    frames = num_frames(kind, min(images.shape[1:3]))
    step = at_once or sequences_at_once(images.shape, frames)
    for start in range(0, len(images), step):
        rows = slice(start, min(start + step, len(images)))
        made = perturb(
            images[rows], kind, fingerprint=fingerprint, indices=indices[rows], seed=seed, difficulty=difficulty
        )
        yield rows, made


def sequences_at_once(shape: tuple[int, ...], frames: int) -> int:
    """Return how many sequences make a batch of about 8 MiB (at least one: a sequence is whole)."""
    return max(1, _VALUES_AT_ONCE // (frames * int(np.prod(shape[1:]))))
