"""Images of a treatment: training images beside what a method makes of them, to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from augment.errors import AugmentError
from augment.kernels.counters import SampleKeys
from augment.treatment import Treatment

if TYPE_CHECKING:
    from numpy.typing import NDArray


def treated_rows(treatment: Treatment, images: NDArray[np.uint8], *, repeats: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return each image as it is, followed by what the sample stage makes of it in several epochs.

    Args:
        treatment: Its sample stage is applied.
        images: (N, H, W, C) uint8.
        repeats: Epochs.
        seed: Seed of the draws.

    Returns:
        (N * (1 + repeats), H, W, C) uint8, the images of one row after the other.

    Raises:
        AugmentError: If the treatment changes no image on the host, so that there is nothing to see.
    """
    if type(treatment).sample is Treatment.sample:
        raise AugmentError("a preview shows what happens to single images, but this method acts on batches; try pixmix")
    epochs = [_as_bytes(_sampled(treatment, images, seed, epoch)) for epoch in range(repeats)]
    rows = np.stack([images, *epochs], axis=1)
    return rows.reshape(-1, *images.shape[1:])


def enlarged(images: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Return images with every pixel repeated, (N, H * factor, W * factor, C)."""
    tall: NDArray[np.uint8] = images.repeat(factor, axis=1)
    return tall.repeat(factor, axis=2)


def _sampled(
    treatment: Treatment, images: NDArray[np.uint8], seed: int, epoch: int
) -> NDArray[np.uint8] | NDArray[np.float32]:
    changed = treatment.sample(images, SampleKeys(seed, epoch, np.arange(len(images), dtype=np.int64)))
    return changed[-1] if treatment.num_views > 1 else changed


def _as_bytes(images: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.uint8]:
    scale = 1.0 if images.dtype == np.uint8 else 255.0
    pixels: NDArray[np.uint8] = np.rint(images * np.float32(scale)).astype(np.uint8)
    return pixels
