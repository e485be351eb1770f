"""Mixup: convex combinations of images and of their targets.

Zhang et al., "mixup: Beyond Empirical Risk Minimization" (ICLR 2018), as in facebookresearch/mixup-cifar10: one weight per
batch, drawn from Beta(alpha, alpha), and a permutation of the batch as partners. Cross-entropy is linear in the targets, so
mixed targets give the published sum of two losses. Here the batch is the logical shard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from augment.heavy import Tensor, nn
from augment.kernels.counters import StepKeys, step_uniforms
from augment.kernels.step_draws import beta_weight, partners, soft_targets
from augment.method import Method, require_above_0
from augment.treatment import Treatment, TreatmentContext


@dataclass(frozen=True, slots=True, kw_only=True)
class MixupConfig:
    """Hyper-parameters of Mixup.

    Attributes:
        alpha: Both parameters of the Beta distribution that the weight is drawn from.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        require_above_0(self, "alpha")


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


METHOD: Final = Method(
    name="mixup",
    title="Mixup",
    semantics=1,
    config=MixupConfig,
    stages=frozenset({"batch"}),
    build=Mixup,
    defaults={"imagenet": {"alpha": 0.2}},
    recipe={name: {"weight_decay": 1e-4} for name in ("cifar-10", "cifar-100")},
    what="Blend every image and its target with another of the shard, by one weight per shard.",
    source="Zhang et al., mixup (ICLR 2018); facebookresearch/mixup-cifar10",
    unstated="Mixup's alpha (1 on CIFAR, 0.2 on ImageNet here)",
    note="The PixMix paper does not state alpha: 1 on small images, 0.2 on ImageNet, as the authors of Mixup have it.",
)
