"""Adversarial training: each batch is replaced by the result of projected gradient ascent on the network being trained.

Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks" (ICLR 2018), as in MadryLab/robustness: the
attack sees the network in evaluation mode and pixels in [0, 1]; a step is along the sign of the gradient (l-infinity) or along
the gradient normalised per image (l2); then projection to the ball about the clean image, then to [0, 1]. No random start
by default.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from augment.kernels.counters import StepKeys, step_uniforms
from augment.methods.rival_configs import AdversarialConfig
from augment.treatment import Treatment, TreatmentContext

if TYPE_CHECKING:
    from torch import Tensor, nn


class Adversarial(Treatment):
    """Adversarial training as a batch stage."""

    def __init__(self, config: AdversarialConfig, context: TreatmentContext) -> None:
        self._config = config

    def batch(self, model: nn.Module, images: Tensor, targets: Tensor, keys: StepKeys) -> tuple[Tensor, Tensor]:
        """Replace images by adversarial ones: (N, C, H, W) float32 in [0, 1], targets as given."""
        import torch
        from torch.nn import functional

        config = self._config
        attacked = bare(model)
        change = self._start(images, keys)
        with evaluating(attacked), torch.enable_grad():
            for _ in range(config.steps):
                adversarial = project(change, images, config).requires_grad_()
                loss = functional.cross_entropy(attacked(adversarial), targets)
                (gradient,) = torch.autograd.grad(loss, adversarial)
                change = adversarial.detach() - images + config.step_size * direction(gradient, config.norm)
        return project(change, images, config), targets

    def _start(self, images: Tensor, keys: StepKeys) -> Tensor:
        import torch

        if not self._config.random_start:
            return torch.zeros_like(images)
        seed = int(step_uniforms(keys, 1, stream="adversarial")[0] * 2**53)
        generator = torch.Generator(device=images.device).manual_seed(seed)
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


def bare(model: nn.Module) -> nn.Module:
    """Return the network inside a distributed wrapper, whose own forward pass would join in collectives."""
    from torch.nn.parallel import DistributedDataParallel

    return model.module if isinstance(model, DistributedDataParallel) else model


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every module into evaluation mode, and afterwards back into its own."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
