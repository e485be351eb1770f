"""Sets of images under a name, loaded batch by batch.

Shapes: N images, H x W pixels, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.errors import EvalError


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """Some images under one name.

    Attributes:
        fields: What distinguishes this set, plain values (corruption, severity, ...); they head its fine rows.
        labels: True classes, (N,) int64; -1 for none.
        load: Returns the images [start, stop): (n, H, W, C) uint8, or float32 in [0, 1]. It is called from several threads at
            once, for parts of batches in any order, and the images must not depend on how a set is cut.
        group: Images that stay together in a batch and in a call of `load` (the frames of a sequence).
        classes: Classes that count, rising, (K',) int64: the softmax runs over their logits only and labels are positions
            among them; or None for all.
    """

    fields: Mapping[str, Any]
    labels: NDArray[np.int64]
    load: Callable[[int, int], NDArray[np.uint8] | NDArray[np.float32]]
    group: int = 1
    classes: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.labels)


def of_array(
    images: NDArray[np.uint8] | NDArray[np.float32], labels: NDArray[np.int64] | None = None, **fields: Any
) -> ImageSet:
    """Return the set of the images in an array, (N, H, W, C); without labels they count as outliers.

    Raises:
        EvalError: If there are not as many labels as images.
    """
    labels = np.full(len(images), -1, dtype=np.int64) if labels is None else labels
    if len(labels) != len(images):
        raise EvalError(f"a set needs one label per image, but has {len(images)} images and {len(labels)} labels")
    return ImageSet(fields=fields, labels=labels, load=lambda start, stop: images[start:stop])
