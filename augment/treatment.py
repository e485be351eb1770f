"""The contract between a training-time treatment and the training loop.

A method (`augment.registry.METHODS`) is a light description; building it gives a `Treatment`, whose stages the loop calls in
this order for every logical shard of a global batch:

    sample   host, NumPy:  uint8 images (already cropped and flipped) -> uint8 or float32 images
    batch    device, torch: images in [0, 1] and targets -> images in [0, 1] and targets
    loss     device, torch: forward pass and scalar loss
    extra    host, NumPy:  a second stream of images (outliers), without labels

Shapes: N samples, V views, H x W pixels, C channels, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from augment.heavy import Tensor, functional, nn
from augment.kernels.counters import SampleKeys, StepKeys

Stage = Literal["sample", "batch", "loss", "extra"]
Images = NDArray[np.uint8] | NDArray[np.float32]
"""Images on the host, (N, H, W, C): bytes, or numbers in [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreatmentContext:
    """What a treatment may know of the job it is built for.

    Attributes:
        image_size: Side of the (square) training images in pixels.
        num_channels: 1 (grey) or 3 (RGB).
        num_classes: Number of classes K.
        mean: Per-channel pixel value in [0, 1] that the model's normalisation maps to zero.
        mixing_set: Mixing images, (M, S, S, C) uint8 with S >= image_size, or None where the method needs none.
        outliers: Outlier images, (M, H, W, C) uint8, or None where the method has no extra stream.
        data_root: Folder with the files that a method names, or None where it names none.
    """

    image_size: int
    num_channels: int
    num_classes: int
    mean: tuple[float, ...]
    mixing_set: NDArray[np.uint8] | None = None
    outliers: NDArray[np.uint8] | None = None
    data_root: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCopy:
    """A copy of the training images, changed beforehand, that is shown in place of some of them.

    Attributes:
        folder: Contains one file for each training image.
        share: Share of the images that the copy replaces, in [0, 1].
    """

    folder: Path
    share: float


class LossOutput(NamedTuple):
    """A mean loss over a shard and the logits of its first view, (N, K)."""

    loss: Tensor
    logits: Tensor


class Treatment:
    """A treatment that changes nothing (the baseline); others override the stages they use.

    A treatment never writes to what it is given. Everything random is a pure function of the keys.
    """

    num_views: int = 1
    """Images per sample that `sample` returns; above 1 its result has shape (V, N, H, W, C)."""

    num_extra_per_sample: int = 0
    """Images of the extra stream per training sample (2 for Outlier Exposure)."""

    stored_copy: StoredCopy | None = None
    """A changed copy of the training images that the loader shows in place of some of them."""

    def sample(self, images: NDArray[np.uint8], keys: SampleKeys) -> Images:
        """Change images on the host: (N, H, W, C) uint8 -> (N, H, W, C), or (V, N, H, W, C), uint8 or float32 in [0, 1]."""
        return images

    def batch(self, model: nn.Module, images: Tensor, targets: Tensor, keys: StepKeys) -> tuple[Tensor, Tensor]:
        """Change a shard on the device.

        Args:
            model: The network being trained; must be left as it was (mode, gradients, statistics).
            images: (N, C, H, W) float32 in [0, 1].
            targets: Classes, (N,) int64, or class probabilities, (N, K) float32.
            keys: Seed, optimiser step and logical shard.

        Returns:
            Images of the same shape and range, and targets of either form.
        """
        return images, targets

    def loss(
        self, model: nn.Module, images: Tensor, targets: Tensor, extra: Tensor | None, keys: StepKeys
    ) -> LossOutput:
        """Run the forward pass and return the mean loss of the shard.

        Args:
            model: The network being trained, in training mode.
            images: (N, C, H, W) float32 in [0, 1], or (V * N, C, H, W) with the views one after the other.
            targets: Classes, (N,) int64, or class probabilities, (N, K) float32.
            extra: Images of the extra stream, (M, C, H, W) float32 in [0, 1], or None.
            keys: Seed, optimiser step and logical shard.
        """
        logits = model(images)
        return LossOutput(functional.cross_entropy(logits, targets), logits)

    def extra(self, keys: SampleKeys) -> NDArray[np.uint8] | None:
        """Return `num_extra_per_sample` images per sample of the keys, (M, H, W, C) uint8, or None."""
        return None

    def start_epoch(self, model: nn.Module, epoch: int) -> None:
        """Prepare for an epoch (0-based), for example by refreshing a buffer; the default does nothing."""

    def state_dict(self) -> Mapping[str, Any]:
        """Return what must be in a checkpoint for an exact resume: tensors and plain values only."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
