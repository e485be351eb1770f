"""Outlier Exposure: a second stream of unlabelled images on which the network is trained to be undecided.

Hendrycks et al., "Deep Anomaly Detection with Outlier Exposure" (ICLR 2019), as in hendrycks/outlier-exposure: two outliers
for each training image, one forward pass over both together (shared batch-norm statistics), and 0.5 times the mean of
logsumexp(z) - mean(z) over the outliers, which is cross-entropy to the uniform distribution.

The published loader reads the outliers in their order from a random start in every epoch. Here, likewise, a training image's
outliers follow from its index and the epoch's start, so that an epoch covers one stretch of the set, whatever the batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from augment.errors import AugmentError
from augment.heavy import Tensor, functional, nn, torch
from augment.kernels.counters import SampleKeys, StepKeys, uniforms
from augment.kernels.geometry import gather_crop_flip
from augment.lookup.parameters import AtMost
from augment.method import Method, require_at_least
from augment.treatment import LossOutput, Treatment, TreatmentContext


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierExposureConfig:
    """Hyper-parameters of Outlier Exposure.

    Attributes:
        weight: Weight of the outlier term.
        per_sample: Outliers for each training image.
        crop_padding: Zero padding of the outliers' random crop in pixels.
        flip: Whether outliers are flipped with probability 1/2.
    """

    weight: float = 0.5
    per_sample: Annotated[int, AtMost(256)] = 2
    crop_padding: Annotated[int, AtMost(1_024)] = 4
    flip: bool = True

    def __post_init__(self) -> None:
        require_at_least(self, weight=0, per_sample=1, crop_padding=0)


class OutlierExposure(Treatment):
    """Outlier Exposure as an extra stream and a loss.

    Raises:
        AugmentError: If there are no outliers, or they have another shape than the training images.
    """

    def __init__(self, config: OutlierExposureConfig, context: TreatmentContext) -> None:
        size, channels = context.image_size, context.num_channels
        outliers = context.outliers
        if outliers is None or not len(outliers):
            raise AugmentError("Outlier Exposure needs outlier images, but got none; name an outlier stream")
        if outliers.shape[1:] != (size, size, channels):
            raise AugmentError(
                f"outlier images must be (M, {size}, {size}, {channels}) like the training images, but got "
                f"{outliers.shape}; resize them or choose another stream"
            )
        self.num_extra_per_sample = config.per_sample
        self._config = config
        self._outliers = outliers

    def extra(self, keys: SampleKeys) -> NDArray[np.uint8]:
        """Return `per_sample` cropped and flipped outliers per sample, (M, H, W, C) uint8."""
        per_sample = self._config.per_sample
        places = (keys.indices[:, None] * per_sample + np.arange(per_sample)).reshape(-1)
        start = uniforms(SampleKeys(keys.seed, keys.epoch, np.zeros(1, dtype=np.int64)), 1, stream="outlier-start")
        rows = (int(start[0, 0] * len(self._outliers)) + places) % len(self._outliers)
        return gather_crop_flip(
            self._outliers,
            rows,
            SampleKeys(keys.seed, keys.epoch, places),
            padding=self._config.crop_padding,
            flip=self._config.flip,
            stream="outlier-crop-flip",
        )

    def loss(
        self, model: nn.Module, images: Tensor, targets: Tensor, extra: Tensor | None, keys: StepKeys
    ) -> LossOutput:
        """Return cross-entropy on the training images plus the weighted outlier term, from one forward pass."""
        if extra is None:
            raise AugmentError("Outlier Exposure got no outliers with this batch; the loop must pass its extra stream")
        logits = model(torch.cat([images, extra]))
        inside, outside = logits[: len(images)], logits[len(images) :]
        loss = functional.cross_entropy(inside, targets) + self._config.weight * uniform_cross_entropy(outside)
        return LossOutput(loss, inside)


def uniform_cross_entropy(logits: Tensor) -> Tensor:
    """Return the mean of logsumexp(z) - mean(z), the cross-entropy to the uniform distribution; logits (M, K)."""
    return (logits.logsumexp(dim=1) - logits.mean(dim=1)).mean()


_MNIST_RECIPE: Final = {"epochs": 5, "lr": 0.01}
"""hendrycks/outlier-exposure, MNIST/: five epochs from the rate that the network itself was trained at."""

METHOD: Final = Method(
    name="oe",
    title="Outlier Exposure",
    semantics=1,
    config=OutlierExposureConfig,
    stages=frozenset({"loss", "extra"}),
    build=OutlierExposure,
    needs_outliers=True,
    recipe={"*": {"epochs": 10, "lr": 1e-3}, **dict.fromkeys(("mnist", "fashion-mnist", "kmnist"), _MNIST_RECIPE)},
    starts_from="baseline",
    passes=3.0,
    what="Fine-tune towards uniform predictions on a second stream of unlabelled images.",
    source="Hendrycks et al., Outlier Exposure (ICLR 2019); hendrycks/outlier-exposure",
    unstated="whether OE is fine-tuned or trained from scratch (10 epochs from 0.001 here)",
    note="Fine-tuning from the baseline for 10 epochs is inferred from the published errors.",
)
