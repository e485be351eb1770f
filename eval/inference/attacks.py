"""Adversarial images by projected gradient descent (PGD) in pixel space.

Source: Madry, Makelov, Schmidt, Tsipras, Vladu, "Towards Deep Learning Models Resistant to Adversarial Attacks" (ICLR 2018);
the published script is andyzoujm/pixmix, cifar.py. Gradients are taken in evaluation mode, so that neither batch size nor
neighbours play a part; the random start depends on the image's index only, so neither do workers.

Shapes: N images, C channels, H x W pixels, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from augment.heavy import torch
from augment.kernels.counters import SampleKeys, normals, uniforms
from augment.lookup.parameters import first_line
from eval.errors import EvalError

Norm = Literal["linf", "l2"]
_Map = Callable[["torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """What an attack came to.

    Attributes:
        images: Adversarial images of the last step, (N, C, H, W) float32 in [0, 1].
        logits: The network's logits on them, (N, K).
        loss_by_step: Summed cross-entropy before each step and after the last one, (steps + 1,) float64.
    """

    images: torch.Tensor
    logits: torch.Tensor
    loss_by_step: NDArray[np.float64]


def pgd(
    model: torch.nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    norm: Norm,
    epsilon: float,
    step_size: float,
    steps: int,
    random_start: bool,
    indices: NDArray[np.int64],
    seed: int,
    restart: int = 0,
) -> Attack:
    """Attack within a ball around the clean images: strict, no image ever leaves the ball or [0, 1].

    Args:
        model: Maps images in [0, 1] to logits; in evaluation mode.
        images: Clean images, (N, C, H, W) float32 in [0, 1].
        labels: True classes, (N,) int64.
        norm: "linf" (per value) or "l2" (per image).
        epsilon: Largest distance from the clean image, in that norm.
        step_size: Length of a step, in the same norm.
        random_start: Start at a uniformly random point of the ball instead of the image.
        indices: Index of each image in its dataset, (N,): all that its random start depends on.
        restart: Number of this attack on the same images.

    Raises:
        EvalError: If the network is in training mode, no gradient passes through it, or a gradient is not finite.
    """
    start = images
    if random_start:
        draw = _uniform_box if norm == "linf" else _uniform_ball
        start = _project(images + draw(images, epsilon, indices, seed, restart), images, norm, epsilon).clamp_(0.0, 1.0)
    return _ascend(
        model,
        start,
        labels,
        steps=steps,
        step=lambda gradient: _direction(gradient, norm) * step_size,
        project=lambda moved: _project(moved, images, norm, epsilon).clamp_(0.0, 1.0),
    )


def reference_pgd(
    model: torch.nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    epsilon: float,
    step_size: float,
    steps: int,
    indices: NDArray[np.int64],
    seed: int,
) -> Attack:
    """Attack as the published script does: its box is around the random start, so the reach is up to twice epsilon.

    The start itself may be outside [0, 1] for the first gradient.

    Raises:
        EvalError: If the network is in training mode, no gradient passes through it, or a gradient is not finite.
    """
    centre = images + _uniform_box(images, epsilon, indices, seed, restart=0)
    low, high = centre - epsilon, centre + epsilon
    return _ascend(
        model,
        centre,
        labels,
        steps=steps,
        step=lambda gradient: gradient.sign() * step_size,
        project=lambda moved: moved.clamp(min=low, max=high).clamp_(0.0, 1.0),
    )


def _ascend(
    model: torch.nn.Module, start: torch.Tensor, labels: torch.Tensor, *, steps: int, step: _Map, project: _Map
) -> Attack:
    """Climb the cross-entropy; gradients flow to the images only."""
    if model.training:
        raise EvalError("an attack needs the network in evaluation mode, but it is in training mode; call model.eval()")
    images, losses = start.detach(), []
    for _ in range(steps):
        images = images.requires_grad_(True)
        loss = torch.nn.functional.cross_entropy(_differentiable(model, images), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, images, allow_unused=True)
        if gradient is None:
            raise _without_gradients("but its logits do not depend on them")
        losses.append(loss.detach())
        with torch.no_grad():
            images = project(images.detach() + step(gradient))
    with torch.no_grad():
        logits = model(images)
        losses.append(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
    by_step = torch.stack(losses).double().cpu().numpy()
    if not np.isfinite(by_step).all():
        raise EvalError("the loss of an attacked image must be finite, but was not; did the training diverge?")
    return Attack(images=images.detach(), logits=logits, loss_by_step=by_step)


def _differentiable(model: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the logits on images that require gradients.

    Raises:
        EvalError: If no gradient passes through the network.
    """
    try:
        logits: torch.Tensor = model(images)
    except RuntimeError as error:
        if "requires grad" not in str(error):  # as torch says it of `images.numpy()`
            raise
        raise _without_gradients(f"torch says: {first_line(error).rstrip('.')}") from error
    if not logits.requires_grad:
        raise _without_gradients("but its logits do not require grad")
    return logits


def _without_gradients(found: str) -> EvalError:
    return EvalError(
        f"an attack needs a network that gradients pass through from its logits to its images, {found}; compute its "
        "logits with operations of torch alone, without no_grad, detach and NumPy, or leave the attack out"
    )


def _direction(gradient: torch.Tensor, norm: Norm) -> torch.Tensor:
    if norm == "linf":
        return gradient.sign()
    length: torch.Tensor = gradient.flatten(1).norm(dim=1).clamp_min(1e-12)
    return gradient / length[:, None, None, None]


def _project(moved: torch.Tensor, images: torch.Tensor, norm: Norm, epsilon: float) -> torch.Tensor:
    offset = moved - images
    if norm == "linf":
        return images + offset.clamp(-epsilon, epsilon)
    length: torch.Tensor = offset.flatten(1).norm(dim=1).clamp_min(1e-12)
    return images + offset * (epsilon / length).clamp(max=1.0)[:, None, None, None]


def _uniform_box(
    images: torch.Tensor, epsilon: float, indices: NDArray[np.int64], seed: int, restart: int
) -> torch.Tensor:
    """Return offsets, uniform in the l-inf ball."""
    draws = uniforms(SampleKeys(seed, restart, indices), _values(images), stream="eval-pgd-start-linf")
    return _like(images, (2.0 * draws - 1.0) * epsilon)


def _uniform_ball(
    images: torch.Tensor, epsilon: float, indices: NDArray[np.int64], seed: int, restart: int
) -> torch.Tensor:
    """Return offsets, uniform in the l2 ball: a uniform direction, and a radius that grows as the volume does."""
    keys, size = SampleKeys(seed, restart, indices), _values(images)
    direction = normals(keys, size, stream="eval-pgd-start-l2")
    radius = epsilon * uniforms(keys, 1, stream="eval-pgd-radius-l2") ** (1.0 / size)
    return _like(images, direction / np.linalg.norm(direction, axis=1, keepdims=True) * radius)


def _values(images: torch.Tensor) -> int:
    return int(images[0].numel())


def _like(images: torch.Tensor, values: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32)).reshape(images.shape).to(images.device)
