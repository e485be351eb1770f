"""Adversarial training: each batch is replaced by the result of projected gradient ascent on the network being trained.

Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks" (ICLR 2018), as in MadryLab/robustness: the
attack sees the network in evaluation mode and pixels in [0, 1]; a step is along the sign of the gradient (l-infinity) or along
the gradient normalised per image (l2); then projection to the ball about the clean image, then to [0, 1]. No random start
by default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from augment.heavy import Tensor, functional, nn, torch
from augment.kernels.counters import StepKeys
from augment.kernels.step_draws import shard_generator
from augment.lookup.parameters import AtMost
from augment.method import Method, require_above_0, require_at_least
from augment.networks.modes import evaluating
from augment.treatment import Treatment, TreatmentContext


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarialConfig:
    """Hyper-parameters of adversarial training.

    Attributes:
        epsilon: Radius of the ball, in pixel values of [0, 1].
        step_size: Length of one step, in the same unit.
        steps: Number of steps.
        random_start: Whether the attack starts from uniform noise in the ball.
    """

    epsilon: float = 8 / 255
    step_size: float = 2 / 255
    steps: Annotated[int, AtMost(10_000)] = 7
    random_start: bool = False

    @property
    def norm(self) -> str:
        """Norm of the ball."""
        return "linf"

    def __post_init__(self) -> None:
        require_above_0(self, "epsilon", "step_size")
        require_at_least(self, steps=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarialL2Config(AdversarialConfig):
    """Hyper-parameters of adversarial training in the l2 ball; fields as in `AdversarialConfig`."""

    epsilon: float = 0.5
    step_size: float = 0.1

    @property
    def norm(self) -> str:
        """Norm of the ball."""
        return "l2"


class Adversarial(Treatment):
    """Adversarial training as a batch stage."""

    def __init__(self, config: AdversarialConfig, context: TreatmentContext) -> None:
        self._config = config

    def batch(self, model: nn.Module, images: Tensor, targets: Tensor, keys: StepKeys) -> tuple[Tensor, Tensor]:
        """Replace images by adversarial ones: (N, C, H, W) float32 in [0, 1], targets as given."""
        config = self._config
        change = self._start(images, keys)
        with evaluating(model), torch.enable_grad():
            for _ in range(config.steps):
                adversarial = project(change, images, config).requires_grad_()
                loss = functional.cross_entropy(model(adversarial), targets)
                (gradient,) = torch.autograd.grad(loss, adversarial)
                change = adversarial.detach() - images + config.step_size * direction(gradient, config.norm)
        return project(change, images, config), targets

    def _start(self, images: Tensor, keys: StepKeys) -> Tensor:
        if not self._config.random_start:
            return torch.zeros_like(images)
        generator = shard_generator(keys, "adversarial", images.device)
        noise = torch.rand(images.shape, generator=generator, device=images.device, dtype=images.dtype)
        return (2.0 * noise - 1.0) * self._config.epsilon


def direction(gradient: Tensor, norm: str) -> Tensor:
    """Return the steepest ascent of unit size under a norm ("linf" or "l2", per image), (N, C, H, W)."""
    if norm == "linf":
        return gradient.sign()
    size: Tensor = gradient.flatten(1).norm(dim=1)
    return gradient / size.clamp_min(1e-12).view(-1, 1, 1, 1)


def project(change: Tensor, images: Tensor, config: AdversarialConfig) -> Tensor:
    """Return images + change with the change cut back to the ball of radius epsilon, then clipped to [0, 1]."""
    if config.norm == "linf":
        change = change.clamp(-config.epsilon, config.epsilon)
    else:
        change = change.renorm(p=2, dim=0, maxnorm=config.epsilon)
    return (images + change).clamp(0.0, 1.0)


_SOURCE: Final = "Madry et al. (ICLR 2018); MadryLab/robustness, microsoft/robust-models-transfer"

LINF: Final = Method(
    name="adversarial-linf",
    title="l∞ Adversarial",
    semantics=1,
    config=AdversarialConfig,
    stages=frozenset({"batch"}),
    build=Adversarial,
    defaults={"imagenet": {"steps": 3, "step_size": 16 / 765}},
    passes=8.0,
    what="Train on the result of an l-infinity attack on the network, radius 8/255.",
    source=_SOURCE,
)

L2: Final = Method(
    name="adversarial-l2",
    title="l2 Adversarial",
    semantics=1,
    config=AdversarialL2Config,
    stages=frozenset({"batch"}),
    build=Adversarial,
    defaults={"imagenet": {"epsilon": 3.0, "steps": 3, "step_size": 2.0}},
    passes=8.0,
    what="Train on the result of an l2 attack on the network.",
    source=_SOURCE,
    note="The radius on ImageNet, 3, is inferred from the published accuracy.",
)
