"""The contract between a perturbation and whoever makes sequences of it.

Letters of shapes: N images, T frames, H rows, W columns, C channels (1 or 3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eval.corruptions.contract import Draws


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

    def empty(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return an array for the sequences of some images, (N, T, H, W, C)."""
        return np.empty((len(images), self.frames, *images.shape[1:]), dtype=np.uint8)


PerturbationKernel = Callable[[NDArray[np.uint8], Course], NDArray[np.uint8]]
"""Maps (N, H, W, C) uint8 images to sequences (N, T, H, W, C); leaves its input alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbation:
    """One way to let an image drift, frame by frame.

    Attributes:
        name: The published name, which is also the published file's name.
        semantics: Raised by hand whenever the output for the same input changes.
        run: The implementation.
        frames: Frames of a sequence at 32 and at 224 px.
        is_noise: Whether frames are independent draws around the first one (metrics compare with it, not with the previous).
        is_extra: Whether it is one of the four that do not count in the benchmark.
    """

    name: str
    semantics: int
    run: PerturbationKernel
    frames: tuple[int, int] = (31, 31)
    is_noise: bool = False
    is_extra: bool = False


def perturbation(
    *, semantics: int, frames: tuple[int, int] = (31, 31), is_extra: bool = False
) -> Callable[[PerturbationKernel], Perturbation]:
    """Describe the function below as the perturbation of its name; the fields are those of `Perturbation`."""
    return lambda run: Perturbation(name=run.__name__, semantics=semantics, run=run, frames=frames, is_extra=is_extra)


def perturbation_scale(side: int) -> int:
    """Return the scale whose frames and parameters apply to an image with this shorter side: 32 or 224.

    The nearer one in log2: 32 up to 84 px.
    """
    return 32 if side * side <= 32 * 224 else 224
