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
from typing import TYPE_CHECKING, Final

import numpy as np

from augment.kernels.compiled import kernel, read_only
from augment.kernels.counters import uniforms
from augment.kernels.mixings import to_unit
from augment.kernels.operations import ALL, BASIC, LOWEST_LEVEL, apply_operation, arguments, scratch
from augment.kernels.warm import warm
from augment.methods.rival_configs import AugMixConfig, AugMixJsdConfig
from augment.treatment import LossOutput, Treatment, TreatmentContext

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from augment.kernels.counters import SampleKeys, StepKeys

KERNELS: Final = ("augment.kernels.counters", "augment.methods.augmix")
NUM_VIEWS: Final = 3


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
    choices = ALL if config.operations == "all" else BASIC
    operation = (each[..., 0] * len(choices)).astype(np.int64)
    level = LOWEST_LEVEL + (config.severity - LOWEST_LEVEL) * each[..., 1]
    argument = arguments(operation, level, np.where(each[..., 2] > 0.5, -1.0, 1.0), height, width)
    return AugMixDraw(
        operation=np.where(np.arange(depth) < length[..., None], operation, -1),
        argument=argument,
        weight=(exponential / exponential.sum(axis=1, keepdims=True)).astype(np.float32),
        share=draws[:, 0].astype(np.float32),
    )


def apply_augmix(images: NDArray[np.uint8], draw: AugMixDraw) -> NDArray[np.float32]:
    """Return the drawn mixtures: (N, H, W, C) uint8 -> (N, H, W, C) float32 in [0, 1]; the input is not written to."""
    out = np.empty(images.shape, dtype=np.float32)
    if images.size:
        _mix_chains(read_only(images), draw.operation, draw.argument, draw.weight, draw.share, out)
    return out


@kernel()
def _mix_chains(images, operation, argument, weight, share, out):  # type: ignore[no-untyped-def]
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
            current[value] = min(current[value], np.float32(1.0))


class AugMix(Treatment):
    """AugMix without the consistency loss: a sample stage."""

    def __init__(self, config: AugMixConfig, context: TreatmentContext) -> None:
        self._config = config
        warm(KERNELS)

    def sample(self, images: NDArray[np.uint8], keys: SampleKeys) -> NDArray[np.float32]:
        """Mix chains: (N, H, W, C) uint8 -> (N, H, W, C) float32 in [0, 1]."""
        return self._mixture(images, keys, "augmix")

    def _mixture(self, images: NDArray[np.uint8], keys: SampleKeys, stream: str) -> NDArray[np.float32]:
        draw = draw_augmix(self._config, keys, height=images.shape[1], width=images.shape[2], stream=stream)
        return apply_augmix(images, draw)


class AugMixJsd(Treatment):
    """AugMix with the consistency loss: three views per sample, and the loss over them."""

    num_views = NUM_VIEWS

    def __init__(self, config: AugMixJsdConfig, context: TreatmentContext) -> None:
        self._mixing = AugMix(config.mixing, context)
        self._weight = config.consistency_weight

    def sample(self, images: NDArray[np.uint8], keys: SampleKeys) -> NDArray[np.float32]:
        """Return (clean, mixture, mixture): (N, H, W, C) uint8 -> (3, N, H, W, C) float32 in [0, 1]."""
        clean = images.astype(np.float32) / np.float32(255.0)
        views = [self._mixing._mixture(images, keys, stream) for stream in ("augmix", "augmix-second")]
        return np.stack([clean, *views])

    def loss(
        self, model: nn.Module, images: Tensor, targets: Tensor, extra: Tensor | None, keys: StepKeys
    ) -> LossOutput:
        """Return cross-entropy on the clean view plus the weighted Jensen-Shannon divergence of the three."""
        from torch.nn import functional

        logits = model(images)
        views = logits.chunk(NUM_VIEWS)
        loss = functional.cross_entropy(views[0], targets)
        return LossOutput(loss + self._weight * jensen_shannon(views), views[0])


def jensen_shannon(logits: tuple[Tensor, ...]) -> Tensor:
    """Return the mean Jensen-Shannon divergence between predictions of several views of the same samples.

    Args:
        logits: One (N, K) tensor per view.

    Source: AugMix, equation 4; as in its code, the mixture is clamped to [1e-7, 1] before the logarithm.
    """
    import torch
    from torch.nn import functional

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
