"""EDSR: images redrawn by a super-resolution network whose weights and features were damaged.

Hendrycks et al., "The Many Faces of Robustness" (ICCV 2021), DeepAugment, as in hendrycks/imagenet-r,
DeepAugment/EDSR_distort_imagenet.py: three weight edits of 17 kinds, one edit of the features behind the head and one inside the
body, drawn again for every twentieth image; amounts that are unpublished are chosen here. The network is the published one where
its weights are given, and then only convolutions of its blocks are edited; else a substitute trained on the images at hand
(`augment.methods.distortion`). Each edit takes one convolution at random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from augment.files.named import named_file, require_in_data_root
from augment.heavy import Tensor, functional, nn, torch
from augment.kernels.counters import StepKeys
from augment.kernels.step_draws import shard_generator
from augment.lookup.parameters import AtMost
from augment.method import Method, require_at_least
from augment.methods.distortion import DistortionConfig, LearnedDistortion
from augment.treatment import TreatmentContext

IMAGES_PER_DAMAGE: Final = 20
WeightEdit: TypeAlias = "Callable[[Tensor, torch.Generator], Tensor]"
FeatureEdit: TypeAlias = "Callable[[Tensor], Tensor]"


@dataclass(frozen=True, slots=True, kw_only=True)
class EdsrConfig(DistortionConfig):
    """Hyper-parameters of images redrawn by a network with damaged weights; see also `DistortionConfig`.

    Attributes:
        num_blocks: Residual blocks of the substitute network.
        hidden: Channels of the substitute network.
        num_edits: Weight edits drawn, with replacement, for each damaged copy.
        weights: File in the data root with the weights of a published EDSR network, or "" for a substitute that is trained.
        weights_content: Its SHA-256; planning fills it in.
    """

    num_blocks: Annotated[int, AtMost(64)] = 4
    hidden: Annotated[int, AtMost(1_024)] = 32
    num_edits: Annotated[int, AtMost(64)] = 3
    weights: str = ""
    weights_content: str = ""

    def __post_init__(self) -> None:
        DistortionConfig.__post_init__(self)  # super() fails in classes with slots
        require_at_least(self, num_blocks=1, hidden=1, num_edits=0)
        require_in_data_root("weights", self.weights)


class Edsr(LearnedDistortion):
    """EDSR as a batch stage."""

    stream = "edsr"

    def __init__(self, config: EdsrConfig, context: TreatmentContext) -> None:
        self._config, self._channels = config, context.num_channels
        super().__init__(config, context)

    def given_network(self, context: TreatmentContext) -> nn.Module | None:
        """Return the published network of the file that is named."""
        from augment.networks.edsr import published_edsr  # its classes need the real torch

        config = self._config
        if not config.weights:
            return None
        return published_edsr(named_file(context.data_root, config.weights, config.weights_content), self._channels)

    def make_network(self) -> nn.Module:
        """Return the upsampler."""
        from augment.networks.edsr import Upsampler  # its classes need the real torch

        return Upsampler(self._channels, self._config.hidden, self._config.num_blocks)

    def training_loss(self, network: nn.Module, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the mean absolute error of the redrawn images."""
        return functional.l1_loss(network(images), images)

    def distort(self, network: nn.Module, images: Tensor, keys: StepKeys) -> Tensor:
        """Redraw images by damaged copies of the network."""
        generator = shard_generator(keys, "edsr-damage")
        groups = torch.split(images, IMAGES_PER_DAMAGE)
        return torch.cat([self._redraw(network, group, generator) for group in groups])

    def _redraw(self, network: nn.Module, images: Tensor, generator: torch.Generator) -> Tensor:
        weights = damaged_weights(network, self._config.num_edits, generator)
        kinds = torch.rand(2, generator=generator)
        hidden = len(next(network.parameters()))  # the first convolution's output
        edits = (head_edit(int(kinds[0] * 4), hidden, generator), body_edit(int(kinds[1] * 6)))
        redrawn: Tensor = torch.func.functional_call(network, weights, (images, *edits))
        return redrawn


def damaged_weights(network: nn.Module, num_edits: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Return a network's parameters with so many edits, drawn with replacement, each of one 3 x 3 convolution."""
    weights = {name: value.detach() for name, value in network.named_parameters()}
    kernels = [name for name, value in weights.items() if value.ndim == 4]
    # Only the published network has the name ".body." inside its blocks, and only they are edited there.
    kernels = [name for name in kernels if ".body." in name] or kernels
    edits = list(WEIGHT_EDITS.values())
    for _ in range(num_edits):
        which, kind = torch.rand(2, generator=generator).tolist()
        name = kernels[int(which * len(kernels))]
        edited = edits[int(kind * len(edits))](weights[name].cpu(), generator)
        weights[name] = edited.to(weights[name].device)
    return weights


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator)


def _signs(weights: Tensor, generator: torch.Generator) -> Tensor:
    return torch.where(_uniform(tuple(weights.shape), generator) < 0.5, -1.0, 1.0)


def _masked(weights: Tensor, rows: list[list[float]]) -> Tensor:
    return weights * torch.tensor(rows) if weights.shape[-1] == 3 else weights


def _convolved(weights: Tensor, kernel: Tensor) -> Tensor:
    flat = weights.reshape(-1, 1, *weights.shape[2:])
    return functional.conv2d(flat, kernel[None, None], padding=kernel.shape[-1] // 2).reshape(weights.shape)


def _shift(weights: Tensor, generator: torch.Generator) -> Tensor:
    kernel = torch.zeros(9)
    kernel[int(_uniform((1,), generator) * 9)] = 1.0
    return _convolved(weights, kernel.reshape(3, 3))


def _noise_kernel(weights: Tensor, generator: torch.Generator) -> Tensor:
    kernel = torch.zeros(3, 3)
    kernel[1, 1] = 1.0
    return _convolved(weights, kernel + 0.25 * torch.randn((3, 3), generator=generator))


def _dirichlet_kernel(weights: Tensor, generator: torch.Generator) -> Tensor:
    draws = -torch.log(1.0 - _uniform((9,), generator))  # exponential draws over their sum: Dirichlet(1, ..., 1)
    return _convolved(weights, (draws / draws.sum()).reshape(3, 3))


def _max_tap(weights: Tensor, generator: torch.Generator) -> Tensor:
    flat = weights.flatten(2)
    best = flat.abs().argmax(dim=2, keepdim=True)
    return torch.zeros_like(flat).scatter(2, best, flat.gather(2, best)).reshape(weights.shape)


def _negate_filters(weights: Tensor, generator: torch.Generator) -> Tensor:
    chosen = torch.randperm(len(weights), generator=generator)[: max(1, min(32, len(weights) // 2))]
    out = weights.clone()
    out[chosen] = -out[chosen]
    return out


WEIGHT_EDITS: Final[dict[str, WeightEdit]] = {
    "flip": lambda w, g: w.flip(-1),
    "negate": lambda w, g: -w,
    "zero": lambda w, g: torch.zeros_like(w),
    "negative-gelu": lambda w, g: -functional.gelu(w),
    "laplacian": lambda w, g: _masked(w, [[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]]),
    "centre-surround": lambda w, g: _masked(w, [[-1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, -1.0]]),
    "gain": lambda w, g: w * (0.5 + 1.5 * _uniform((len(w), 1, 1, 1), g)),
    "flip-negate": lambda w, g: -w.flip(-1, -2),
    "shift": _shift,
    "noise-kernel": _noise_kernel,
    "dirichlet-kernel": _dirichlet_kernel,
    "noise": lambda w, g: w + 0.5 * w.std() * torch.randn(w.shape, generator=g),
    "rotate": lambda w, g: torch.rot90(w, 1 + int(_uniform((1,), g) * 3), (-2, -1)),
    "signs": lambda w, g: w * _signs(w, g),
    "dropout": lambda w, g: w * (_uniform(tuple(w.shape), g) < 0.5),
    "negate-filters": _negate_filters,
    "max-tap": _max_tap,
}
"""The 17 edits of a convolution's weights."""


def head_edit(kind: int, hidden: int, generator: torch.Generator) -> FeatureEdit:
    """Return an edit behind the first convolution: 0 swaps five pairs of channels, 1 drops 5 %, 2 flips 2.5 %, 3 none."""
    if kind == 0:
        order = torch.arange(hidden)
        pairs = torch.randperm(hidden, generator=generator)[: 2 * min(5, hidden // 2)]
        order[pairs[0::2]], order[pairs[1::2]] = pairs[1::2].clone(), pairs[0::2].clone()
        return lambda features: features[:, order.to(features.device)]
    draws = _uniform((1, hidden, 1, 1), generator)
    if kind == 1:
        return lambda features: features * (draws >= 0.05).to(features.device)
    if kind == 2:
        return lambda features: features * torch.where(draws < 0.025, -1.0, 1.0).to(features.device)
    return lambda features: features


def body_edit(kind: int) -> FeatureEdit:
    """Return an edit behind the middle block: 0 negates, 1 ReLU, 2 GELU, 3 mirrors, 4 drops the blocks so far, 5 none."""
    edits: tuple[FeatureEdit, ...] = (
        torch.neg, torch.relu, functional.gelu, lambda features: features.flip(-1), torch.zeros_like, lambda features: features,
    )  # fmt: skip
    return edits[kind]


METHOD: Final = Method(
    name="edsr",
    title="EDSR",
    semantics=1,
    config=EdsrConfig,
    stages=frozenset({"batch"}),
    build=Edsr,
    what="Redraw every second image by a super-resolution network with damaged weights.",
    source="Hendrycks et al., The Many Faces of Robustness (ICCV 2021); hendrycks/imagenet-r, DeepAugment",
    note="Third-party weights: `weights` names a file of an EDSR baseline network; without it the network is a substitute "
    "trained on the first batch. Images are distorted on the fly, not stored, unless `stored_copy` names a folder "
    "with a distorted copy.",
    files={"weights": "weights_content", "stored_copy": "stored_copy_content"},
)
