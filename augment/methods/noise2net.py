"""Noise2Net: half of every batch goes through random residual networks, one for each image, new in every step.

Hendrycks et al., "The Many Faces of Robustness" (ICCV 2021), as in hendrycks/imagenet-r, DeepAugment/train_noise2net.py. All
networks of a shard run as one grouped convolution; batch norm over a batch of one is then a norm over each image's own values.
Kernel sizes and dilations are drawn once per epoch. The published output is not clipped; here images stay in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple

from augment.heavy import Tensor, functional, nn, torch
from augment.kernels.counters import StepKeys, step_uniforms
from augment.kernels.step_draws import shard_generator
from augment.lookup.parameters import AtMost
from augment.method import Method, require_above_0, require_at_least
from augment.treatment import Treatment, TreatmentContext

SPLITS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise2NetConfig:
    """Hyper-parameters of Noise2Net.

    Attributes:
        max_strength: Largest weight of a random block; each step draws one from the upper half.
        num_blocks: Residual blocks, one after the other.
        hidden: Channels of each of a block's four branches.
        std: Pixel value in [0, 1] that the published normalisation divides by.
    """

    max_strength: float = 0.75
    num_blocks: Annotated[int, AtMost(64)] = 4
    hidden: Annotated[int, AtMost(1_024)] = 16
    std: float = 0.5

    def __post_init__(self) -> None:
        require_at_least(self, max_strength=0, num_blocks=1, hidden=1)
        require_above_0(self, "std")


class Branch(NamedTuple):
    """Side and dilation of one branch's convolution."""

    kernel: int
    dilation: int


def draw_branches(seed: int, epoch: int, num_blocks: int) -> tuple[tuple[Branch, ...], ...]:
    """Return the three branches of each block for an epoch: kernel 1 or 3, dilation 1, 2 or 3."""
    u = step_uniforms(StepKeys(seed, epoch, 0), num_blocks * 6, stream="noise2net-branches").reshape(num_blocks, 3, 2)
    return tuple(tuple(Branch(1 + 2 * int(a * 2), 1 + int(b * 3)) for a, b in block) for block in u)


def random_block(images: Tensor, branches: tuple[Branch, ...], hidden: int, generator: torch.Generator) -> Tensor:
    """Return each image's output of its own random Res2Net bottleneck, (N, C, H, W) float32.

    1 x 1 convolution to four groups of `hidden` channels; the first three are convolved, each after adding the one before, the
    fourth passes; 1 x 1 convolution back. Batch norm follows every convolution, ReLU every one but the last.
    """
    num, channels, height, width = images.shape
    inner = _conv(
        images.reshape(1, num * channels, height, width), num, channels, SPLITS * hidden, Branch(1, 1), generator
    )
    parts = torch.relu(_norm(inner)).reshape(num, SPLITS, hidden, height, width).unbind(1)
    outputs: list[Tensor] = []
    for part, branch in zip(parts, branches, strict=False):
        given = part + outputs[-1] if outputs else part
        flat = given.reshape(1, num * hidden, height, width)
        outputs.append(torch.relu(_norm(_conv(flat, num, hidden, hidden, branch, generator))).reshape(part.shape))
    together = torch.stack([*outputs, parts[-1]], dim=1).reshape(1, num * SPLITS * hidden, height, width)
    return _norm(_conv(together, num, SPLITS * hidden, channels, Branch(1, 1), generator)).reshape(images.shape)


def _conv(x: Tensor, groups: int, num_in: int, num_out: int, branch: Branch, generator: torch.Generator) -> Tensor:
    """Convolve each group with weights U(-b, b), b = 1 / sqrt(fan-in): the framework's default for convolutions."""
    bound = (num_in * branch.kernel**2) ** -0.5
    weight = torch.empty((groups * num_out, num_in, branch.kernel, branch.kernel), device=x.device)
    weight.uniform_(-bound, bound, generator=generator)
    padding = branch.dilation * (branch.kernel // 2)
    return functional.conv2d(x, weight, padding=padding, dilation=branch.dilation, groups=groups)


def _norm(x: Tensor) -> Tensor:
    return functional.batch_norm(x, None, None, training=True)


class Noise2Net(Treatment):
    """Noise2Net as a batch stage."""

    def __init__(self, config: Noise2NetConfig, context: TreatmentContext) -> None:
        self._config = config
        self._mean = torch.tensor(context.mean).reshape(1, -1, 1, 1)
        self._epoch = 0

    def start_epoch(self, model: nn.Module, epoch: int) -> None:
        """Take the architecture of an epoch."""
        self._epoch = epoch

    def batch(self, model: nn.Module, images: Tensor, targets: Tensor, keys: StepKeys) -> tuple[Tensor, Tensor]:
        """Distort the first half: (N, C, H, W) float32 in [0, 1] -> the same; targets as given."""
        half = len(images) // 2
        if half == 0:
            return images, targets
        with torch.no_grad():
            return torch.cat([self._distort(images[:half], keys), images[half:]]), targets

    def _distort(self, images: Tensor, keys: StepKeys) -> Tensor:
        config = self._config
        mean = self._mean.to(images.device)
        generator = shard_generator(keys, "noise2net-weights", images.device)
        strengths = config.max_strength * (
            0.5 + 0.5 * step_uniforms(keys, config.num_blocks, stream="noise2net-strength")
        )
        x = (images - mean) / config.std
        for strength, branches in zip(
            strengths.tolist(), draw_branches(keys.seed, self._epoch, config.num_blocks), strict=True
        ):
            x = x + strength * random_block(x, branches, config.hidden, generator)
        return (x * config.std + mean).clamp_(0.0, 1.0)

    def state_dict(self) -> Mapping[str, Any]:
        """Return the epoch that the architecture belongs to."""
        return {"epoch": self._epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the epoch."""
        self._epoch = int(state["epoch"])


METHOD: Final = Method(
    name="noise2net",
    title="Noise2Net",
    semantics=1,
    config=Noise2NetConfig,
    stages=frozenset({"batch"}),
    build=Noise2Net,
    defaults={"imagenet": {"std": 0.225}},
    what="Send half of every batch through random residual networks, one for each image.",
    source="Hendrycks et al., The Many Faces of Robustness (ICCV 2021); hendrycks/imagenet-r, DeepAugment",
    note="The result is clipped to [0, 1], which the published one is not; one divisor replaces the three channels'. Needs "
    "no third-party weights: its networks are random by design.",
)
