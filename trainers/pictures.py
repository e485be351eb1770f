"""Training pictures that lie in memory as one uint8 array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment.counters import SampleKeys


class ResidentPictures:
    """A split in memory; the random crop of the zero-padded picture and the flip are done while gathering."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64], *, crop_padding: int, flip: bool) -> None:
        """Hold a split.

        Args:
            images: (N, H, W, C) uint8, never written to.
            labels: (N,) int64.
            crop_padding: Zero padding of the random crop in pixels; 0 for none.
            flip: Horizontal flip with probability 1/2, before the crop.
        """
        self._images = images
        self.labels = labels
        self._crop_padding = crop_padding
        self._flip = flip

    def pictures(self, keys: SampleKeys) -> NDArray[np.uint8]:
        """Return the pictures of the keys, flipped and cropped, (n, H, W, C)."""
        from augment.geometry import gather_crop_flip

        return gather_crop_flip(self._images, keys.indices, keys, padding=self._crop_padding, flip=self._flip)
