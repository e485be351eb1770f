"""Corrupted images, one call each: the generators of the generated benchmarks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamgrid.images import batch_of
from eval.corruptions import generate


def corrupt(
    images: Any,
    kind: str,
    severity: int,
    *,
    seed: int = 0,
    indices: NDArray[np.int64] | None = None,
    family: str = "c",
    fingerprint: str = "images",
) -> Any:
    """Return corrupted images of the kind that was given; the input is left alone.

        foggy = dreamgrid.corrupt(images, "fog", 3)

    What an image becomes depends on the image, its index, the corruption, the seed and the fingerprint alone. The fingerprint of
    a dataset's split gives what the benchmark `c-generated` shows.

    Args:
        images: A Pillow image, a tensor (C, H, W) or (N, C, H, W) uint8, or an array (H, W), (H, W, C) or (N, H, W, C) uint8.
        kind: Name of the corruption, such as "fog".
        severity: 1 to 5; 1 where a family has one severity only.
        seed: Seed of all draws.
        indices: Index of each image in its dataset, (N,); None for 0 to N - 1.
        family: "c", "cbar" or "mnist-c".
        fingerprint: Any text that says which images these are.

    Raises:
        ValueError: If a name or a value is wrong.
    """
    batch = batch_of(images)
    numbers = np.arange(len(batch.arrays), dtype=np.int64) if indices is None else np.asarray(indices)
    made = generate.corrupt(
        batch.arrays, kind, severity, fingerprint=fingerprint, indices=numbers, seed=seed, family=family
    )
    return batch.back(made)
