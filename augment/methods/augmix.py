"""AugMix: a convex combination of several chains of base operations, and optionally a consistency loss.

Hendrycks et al., "AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty" (ICLR 2020), as in
google-research/augmix: `width` chains of 1..`depth` operations each, chain weights from a Dirichlet(1, ..., 1) distribution,
and a share m ~ Beta(1, 1) of the combination against the clean image. Normalisation is affine and the weights sum to 1, so
mixing pixels gives the published mixture of normalised images.

With the consistency loss every sample gives three views (clean and two mixtures), cross-entropy is on the clean view only, and
12 times the Jensen-Shannon divergence of the three predictions is added.
"""

# mypy: no-check-untyped-defs
# (kernels are typed by Numba)

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from augment.heavy import Tensor, functional, nn, torch
from augment.kernels.compiled import kernel, read_only
from augment.kernels.counters import SampleKeys, StepKeys, uniforms
from augment.kernels.mixings import to_unit
from augment.kernels.operations import (
    OperationSet,
    apply_operation,
    arguments,
    check_operations,
    draw_operations,
    scratch,
)
from augment.lookup.parameters import AtMost
from augment.method import Method, require_at_least
from augment.treatment import LossOutput, Treatment, TreatmentContext

NUM_VIEWS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AugMixConfig:
    """Hyper-parameters of AugMix without the consistency loss.

    Attributes:
        severity: Level of the base operations.
        width: Number of chains.
        depth: Largest number of operations in a chain; each draws its own from 1..depth.
        operations: "basic" for the 9 published operations, "all" for 13.
    """

    severity: float = 3.0
    width: Annotated[int, AtMost(64)] = 3
    depth: Annotated[int, AtMost(64)] = 3
    operations: OperationSet = "basic"

    def __post_init__(self) -> None:
        check_operations(self.operations, self.severity)
        require_at_least(self, width=1, depth=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AugMixJsdConfig(AugMixConfig):
    """Hyper-parameters of AugMix with the consistency loss: those of the mixtures, and its weight.

    Attributes:
        consistency_weight: Weight of the Jensen-Shannon divergence between the three views.
    """

    consistency_weight: float = 12.0

    def __post_init__(self) -> None:
        AugMixConfig.__post_init__(self)  # super() fails in classes with slots
        require_at_least(self, consistency_weight=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AugMixDraw:
    """Every random choice for N images, W chains of at most D operations.

    Attributes:
        operation: Operations of the chains, (N, W, D) int64; -1 beyond a chain's end.
        argument: Their arguments, (N, W, D) float64.
        weight: Weight of each chain, (N, W) float32, summing to 1.
        share: Share of the combination against the clean image, (N,) float32 in [0, 1].
    """

    operation: NDArray[np.int64]
    argument: NDArray[np.float64]
    weight: NDArray[np.float32]
    share: NDArray[np.float32]


def draw_augmix(config: AugMixConfig, keys: SampleKeys, *, height: int, width: int, stream: str) -> AugMixDraw:
    """Draw every random choice for the samples of the keys."""
    count, chains, depth = len(keys), config.width, config.depth
    draws = uniforms(keys, 1 + 2 * chains + 3 * chains * depth, stream=stream)
    exponential = -np.log1p(-draws[:, 1 : 1 + chains])
    length = 1 + (draws[:, 1 + chains : 1 + 2 * chains] * depth).astype(np.int64)
    each = draws[:, 1 + 2 * chains :].reshape(count, chains, depth, 3)
    operation, argument = draw_operations(
        config.operations, config.severity, each[..., 0], each[..., 1], each[..., 2], (height, width)
    )
    return AugMixDraw(
        operation=np.where(np.arange(depth) < length[..., None], operation, -1),
        argument=argument,
        weight=(exponential / exponential.sum(axis=1, keepdims=True)).astype(np.float32),
        share=draws[:, 0].astype(np.float32),
    )


def mixture(config: AugMixConfig, images: NDArray[np.uint8], keys: SampleKeys, stream: str) -> NDArray[np.float32]:
    """Return a mixture of each image, its choices drawn from a random stream: (N, H, W, C) uint8 -> float32 in [0, 1]."""
    return apply_augmix(images, draw_augmix(config, keys, height=images.shape[1], width=images.shape[2], stream=stream))


def apply_augmix(images: NDArray[np.uint8], draw: AugMixDraw) -> NDArray[np.float32]:
    """Return the drawn mixtures: (N, H, W, C) uint8 -> (N, H, W, C) float32 in [0, 1]; the input is not written to."""
    out = np.empty(images.shape, dtype=np.float32)
    if images.size:
        _mix_chains(read_only(images), draw.operation, draw.argument, draw.weight, draw.share, out)
    return out


@kernel()
def _mix_chains(images, operation, argument, weight, share, out):  # type: ignore[no-untyped-def]
    """Write (1 - share) clean + share sum of weighted chains for every image; the arrays are those of `AugMixDraw`."""
    count, height, width, channels = images.shape
    centres, padded = scratch(height, width, channels)
    chain = np.empty(height * width * channels, dtype=np.uint8)
    buffer = np.empty(height * width * channels, dtype=np.uint8)
    for index in range(count):
        source, current = images[index].reshape(-1), out[index].reshape(-1)
        to_unit(source, current)
        for value in range(current.size):
            current[value] *= np.float32(1.0) - share[index]
        for which in range(operation.shape[1]):
            for value in range(chain.size):
                chain[value] = source[value]
            for step in range(operation.shape[2]):
                if operation[index, which, step] < 0:
                    break
                apply_operation(
                    operation[index, which, step], argument[index, which, step], chain, buffer,
                    height, width, channels, centres, padded,
                )  # fmt: skip
                for value in range(chain.size):
                    chain[value] = buffer[value]
            scale = share[index] * weight[index, which] / np.float32(255.0)
            for value in range(chain.size):
                current[value] += scale * np.float32(chain[value])
        for value in range(current.size):
            current[value] = min(current[value], np.float32(1.0))  # rounding may exceed 1 by one unit


class AugMix(Treatment):
    """AugMix without the consistency loss: a sample stage."""

    def __init__(self, config: AugMixConfig, context: TreatmentContext) -> None:
        self._config = config

    def sample(self, images: NDArray[np.uint8], keys: SampleKeys) -> NDArray[np.float32]:
        """Mix chains: (N, H, W, C) uint8 -> (N, H, W, C) float32 in [0, 1]."""
        return mixture(self._config, images, keys, "augmix")


class AugMixJsd(Treatment):
    """AugMix with the consistency loss: three views per sample, and the loss over them."""

    num_views = NUM_VIEWS

    def __init__(self, config: AugMixJsdConfig, context: TreatmentContext) -> None:
        self._config = config

    def sample(self, images: NDArray[np.uint8], keys: SampleKeys) -> NDArray[np.float32]:
        """Return (clean, mixture, mixture): (N, H, W, C) uint8 -> (3, N, H, W, C) float32 in [0, 1]."""
        clean = images.astype(np.float32) / np.float32(255.0)
        return np.stack([clean, *(mixture(self._config, images, keys, name) for name in ("augmix", "augmix-second"))])

    def loss(
        self, model: nn.Module, images: Tensor, targets: Tensor, extra: Tensor | None, keys: StepKeys
    ) -> LossOutput:
        """Return cross-entropy on the clean view plus the weighted Jensen-Shannon divergence of the three."""
        logits = model(images)
        views = logits.chunk(NUM_VIEWS)
        loss = functional.cross_entropy(views[0], targets)
        return LossOutput(loss + self._config.consistency_weight * jensen_shannon(views), views[0])


def jensen_shannon(logits: tuple[Tensor, ...]) -> Tensor:
    """Return the mean Jensen-Shannon divergence between predictions of several views of the same samples.

    Args:
        logits: One (N, K) tensor per view.

    Source: AugMix, equation 4; as in its code, the mixture is clamped to [1e-7, 1] before the logarithm.
    """
    predictions = [functional.softmax(view.float(), dim=1) for view in logits]
    mixture = torch.stack(predictions).mean(dim=0).clamp(1e-7, 1.0).log()
    parts = [functional.kl_div(mixture, prediction, reduction="batchmean") for prediction in predictions]
    return torch.stack(parts).mean()


def _warm_up() -> None:
    arguments(np.zeros(1, dtype=np.int64), np.ones(1), np.ones(1), 2, 2)
    for channels in (1, 3):
        images = np.zeros((1, 2, 2, channels), dtype=np.uint8)
        zeros = np.zeros((1, 1, 1), dtype=np.int64)
        ones = np.ones((1, 1), dtype=np.float32)
        draw = AugMixDraw(operation=zeros, argument=np.zeros((1, 1, 1)), weight=ones, share=ones[0])
        apply_augmix(images, draw)


WARM_UP = (_warm_up,)


_SOURCE: Final = "Hendrycks et al., AugMix (ICLR 2020); google-research/augmix"
_DEFAULTS: Final = {"imagenet": {"severity": 1.0}}

AUGMIX: Final = Method(
    name="augmix",
    title="AugMix",
    semantics=1,
    config=AugMixConfig,
    stages=frozenset({"sample"}),
    build=AugMix,
    kernels=WARM_UP,
    defaults=_DEFAULTS,
    returns_float=True,
    what="Blend the image with a random combination of three chains of operations.",
    source=_SOURCE,
    unstated="whether AugMix uses its consistency loss (off here)",
    note="The published table gives no consistency loss; its numbers fit training without one.",
)

AUGMIX_JSD: Final = Method(
    name="augmix-jsd",
    title="AugMix (JSD)",
    semantics=1,
    config=AugMixJsdConfig,
    stages=frozenset({"sample", "loss"}),
    build=AugMixJsd,
    kernels=WARM_UP,
    defaults=_DEFAULTS,
    returns_float=True,
    num_views=3,
    passes=3.0,
    what="AugMix with two mixtures per image and a consistency loss between them and the clean image.",
    source=_SOURCE,
    unstated="whether AugMix uses its consistency loss (on here)",
)
