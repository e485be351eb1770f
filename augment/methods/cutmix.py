"""CutMix: paste a box of another image, and share the target by area.

Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features" (ICCV 2019), as in
clovaai/CutMix-PyTorch: with a given probability per batch, the box's sides are sqrt(1 - weight) of the image's, its centre is
uniform, it is clipped at the borders, and the weight becomes the share of the area that was kept. Here the batch is the
logical shard.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from augment.heavy import Tensor, nn
from augment.kernels.counters import StepKeys, step_uniforms
from augment.kernels.step_draws import beta_weight, partners, soft_targets
from augment.method import Method, require_above_0, require_fraction
from augment.treatment import Treatment, TreatmentContext


@dataclass(frozen=True, slots=True, kw_only=True)
class CutMixConfig:
    """Hyper-parameters of CutMix.

    Attributes:
        probability: Share of the batches that are mixed.
        alpha: Both parameters of the Beta distribution that the kept area is drawn from.
    """

    probability: float = 0.5
    alpha: float = 1.0

    def __post_init__(self) -> None:
        require_fraction(self, "probability")
        require_above_0(self, "alpha")


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Rows top..bottom and columns left..right, ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        """Pixels inside."""
        return (self.bottom - self.top) * (self.right - self.left)


def box_for(weight: float, row: float, column: float, height: int, width: int) -> Box:
    """Return the box that leaves about `weight` of an image.

    Args:
        weight: Share of the area to keep, in [0, 1].
        row: Uniform draw in [0, 1) for the centre's row.
        column: Uniform draw in [0, 1) for the centre's column.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
    """
    ratio = math.sqrt(1.0 - weight)
    half_height, half_width = int(height * ratio) // 2, int(width * ratio) // 2
    centre_row, centre_column = int(row * height), int(column * width)
    return Box(
        top=max(centre_row - half_height, 0),
        bottom=min(centre_row + half_height, height),
        left=max(centre_column - half_width, 0),
        right=min(centre_column + half_width, width),
    )


class CutMix(Treatment):
    """CutMix as a batch stage."""

    def __init__(self, config: CutMixConfig, context: TreatmentContext) -> None:
        self._config = config
        self._num_classes = context.num_classes

    def batch(self, model: nn.Module, images: Tensor, targets: Tensor, keys: StepKeys) -> tuple[Tensor, Tensor]:
        """Paste boxes: (N, C, H, W) float32 -> the same, and (N, K) probabilities; or both as given."""
        chance, weight, row, column = step_uniforms(keys, 4, stream="cutmix").tolist()
        if chance >= self._config.probability:
            return images, targets
        height, width = images.shape[2:]
        box = box_for(beta_weight(weight, self._config.alpha), row, column, height, width)
        partner = partners(keys, len(images), stream="cutmix", device=images.device)
        mixed = images.clone()
        inside = (..., slice(box.top, box.bottom), slice(box.left, box.right))
        mixed[inside] = images[partner][inside]
        kept = 1.0 - box.area / (height * width)
        soft = soft_targets(targets, self._num_classes)
        return mixed, kept * soft + (1.0 - kept) * soft[partner]


METHOD: Final = Method(
    name="cutmix",
    title="CutMix",
    semantics=1,
    config=CutMixConfig,
    stages=frozenset({"batch"}),
    build=CutMix,
    defaults={"imagenet": {"probability": 1.0}},
    what="Paste a box of another image of the shard and share the target by area.",
    source="Yun et al., CutMix (ICCV 2019); clovaai/CutMix-PyTorch",
    unstated="CutMix's probability (0.5 on CIFAR, 1 on ImageNet here)",
)
