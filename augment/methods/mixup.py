"""Mixup: convex combinations of images and of their targets.

Zhang et al., "mixup: Beyond Empirical Risk Minimization" (ICLR 2018), as in facebookresearch/mixup-cifar10: one weight per
batch, drawn from Beta(alpha, alpha), and a permutation of the batch as partners. Cross-entropy is linear in the targets, so
mixed targets give the published sum of two losses. Here the batch is the logical shard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from augment.kernels.batch_draws import beta_weight, partners, soft_targets
from augment.kernels.counters import StepKeys, step_uniforms
from augment.methods.configs import MixupConfig
from augment.treatment import Treatment, TreatmentContext

if TYPE_CHECKING:
    from torch import Tensor, nn


class Mixup(Treatment):
    """Mixup as a batch stage."""

    def __init__(self, config: MixupConfig, context: TreatmentContext) -> None:
        self._alpha = config.alpha
        self._num_classes = context.num_classes

    def batch(self, model: nn.Module, images: Tensor, targets: Tensor, keys: StepKeys) -> tuple[Tensor, Tensor]:
        """Mix each image with its partner: (N, C, H, W) float32 -> the same, and (N, K) probabilities."""
        weight = beta_weight(float(step_uniforms(keys, 1, stream="mixup")[0]), self._alpha)
        partner = partners(keys, len(images), stream="mixup", device=images.device)
        soft = soft_targets(targets, self._num_classes)
        mixed = weight * images + (1.0 - weight) * images[partner]
        return mixed.clamp(0.0, 1.0), weight * soft + (1.0 - weight) * soft[partner]
