"""Adversarial images: the error under PGD, strict or as the published script attacks, and a check against gradient masking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from augment.heavy import torch
from augment.lookup.parameters import AtMost
from eval.benchmarks.contract import Benchmark, EvaluationData, Passes
from eval.benchmarks.protocols.checks import check_at_least_one, check_limit
from eval.inference.attacks import Attack, Norm, pgd, reference_pgd
from eval.inference.batches import own_batches, to_pixels
from eval.inference.predict import check_logits
from eval.inference.sampling import chosen_indices, limit_notes
from eval.inference.subject import Subject
from eval.metrics.error import error_rate
from eval.report import BenchmarkOutcome, MetricValue

LOSS_SLACK: Final = 0.01
"""Share by which the mean loss may fall below its maximum on the way before masking is suspected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PgdConfig:
    """Projected gradient descent in pixel space; the budget is a distance in pixels in [0, 1].

    Attributes:
        norm: "linf" (per value) or "l2" (per image).
        epsilon: Largest distance from the test image.
        step_size: Length of a step, in the same norm.
        steps: Gradient steps.
        restarts: Attacks per image; one that succeeds is enough.
        random_start: Start at a uniformly random point of the ball instead of the image.
        max_images: Use only so many test images, or None for all.
    """

    norm: Norm = "linf"
    epsilon: float = 2 / 255
    step_size: float = 0.5 / 255
    steps: Annotated[int, AtMost(100_000)] = 20
    restarts: Annotated[int, AtMost(1_000)] = 1
    random_start: bool = True
    max_images: int | None = None

    def __post_init__(self) -> None:
        _check_budget(self.epsilon, self.step_size, self.steps)
        check_at_least_one("restarts", self.restarts)
        if self.restarts > 1 and not self.random_start:
            raise ValueError(f"{self.restarts} restarts without a random start repeat one attack; set random_start")
        check_limit(self.max_images)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePgdConfig:
    """The published script's attack: its l-inf box is around the randomly moved start, so it reaches up to twice epsilon.

    Attributes:
        epsilon: Half-side of the box.
        step_size: Length of a step per value.
        steps: Gradient steps.
        max_images: Use only so many test images, or None for all.
    """

    epsilon: float = 2 / 255
    step_size: float = 0.5 / 255
    steps: Annotated[int, AtMost(100_000)] = 20
    max_images: int | None = None

    def __post_init__(self) -> None:
        _check_budget(self.epsilon, self.step_size, self.steps)
        check_limit(self.max_images)


def _check_budget(epsilon: float, step_size: float, steps: int) -> None:
    """Refuse an attack without direction or length."""
    if epsilon < 0.0 or step_size <= 0.0 or steps < 0:
        raise ValueError(
            "an attack needs epsilon >= 0, step_size > 0 and steps >= 0, but got "
            f"epsilon {epsilon}, step_size {step_size}, steps {steps}"
        )


AttackOnce = Callable[["torch.Tensor", "torch.Tensor", NDArray[np.int64], int], Attack]
"""(images, labels, indices, restart) -> what the attack came to."""


@dataclass(frozen=True, slots=True)
class _Local:
    """What one worker found: who survived every attack, and the summed loss along the attack."""

    survived: NDArray[np.bool_]
    largest_change: float
    loss_by_step: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Attacked:
    """What attacks on some images at once came to; the losses are of each restart."""

    survived: NDArray[np.bool_]
    largest_change: float
    losses: list[NDArray[np.float64]]


def run(config: PgdConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject under strict PGD.

    Raises:
        EvalError: If a loss is not finite.
    """

    def attack(images: torch.Tensor, labels: torch.Tensor, indices: NDArray[np.int64], restart: int) -> Attack:
        return pgd(
            subject.model,
            images,
            labels,
            norm=config.norm,
            epsilon=config.epsilon,
            step_size=config.step_size,
            steps=config.steps,
            random_start=config.random_start,
            indices=indices,
            seed=subject.seed,
            restart=restart,
        )

    return _evaluate(subject, attack, max_images=config.max_images, restarts=config.restarts, steps=config.steps)


def run_reference(config: ReferencePgdConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject under the published script's wider attack."""

    def attack(images: torch.Tensor, labels: torch.Tensor, indices: NDArray[np.int64], restart: int) -> Attack:
        size = {"epsilon": config.epsilon, "step_size": config.step_size}
        return reference_pgd(
            subject.model, images, labels, **size, steps=config.steps, indices=indices, seed=subject.seed
        )

    return _evaluate(subject, attack, max_images=config.max_images, restarts=1, steps=config.steps)


def _evaluate(
    subject: Subject, attack: AttackOnce, *, max_images: int | None, restarts: int, steps: int
) -> BenchmarkOutcome:
    indices = chosen_indices(subject, max_images)
    found = subject.workers.gather(_attack_own(subject, attack, indices, restarts, steps))
    survived = np.concatenate([each.survived for each in found])
    loss_by_step = np.sum([each.loss_by_step for each in found], axis=0) / (len(indices) * restarts)
    forward = len(indices) * restarts * (steps + 1)
    subject.evaluation.forward_passes += forward
    return BenchmarkOutcome(
        metrics={"error": MetricValue(error_rate(survived), len(survived))},
        rows=tuple({"step": step, "loss": float(loss)} for step, loss in enumerate(loss_by_step)),
        arrays={"survived": survived, "indices": indices},
        notes={
            "gradient_masking": masking(loss_by_step),
            "largest_change": max(each.largest_change for each in found),
            "backward_passes": len(indices) * restarts * steps,
            **limit_notes(subject, len(indices)),
        },
        forward_passes=forward,
    )


def masking(loss_by_step: NDArray[np.float64]) -> str:
    """Return "none seen", or why the gradients of a network seem to be masked: its loss must rise with the steps."""
    first, last, highest = float(loss_by_step[0]), float(loss_by_step[-1]), float(loss_by_step.max())
    if last < first:
        return f"suspected: the mean loss fell from {first:.4g} to {last:.4g} over the attack"
    if last < highest * (1.0 - LOSS_SLACK):
        return f"suspected: the mean loss ended at {last:.4g}, below its maximum {highest:.4g} on the way"
    return "none seen"


def _attack_own(subject: Subject, attack: AttackOnce, indices: NDArray[np.int64], restarts: int, steps: int) -> _Local:
    batches = own_batches(subject, [(len(indices), 1)])
    survived, loss_by_step, largest = [np.zeros(0, dtype=bool)], np.zeros(steps + 1), 0.0
    for number, batch in enumerate(batches):
        own = indices[batch.start : batch.stop]

        def attacked(part: slice, own: NDArray[np.int64] = own) -> _Attacked:
            return _attack_images(subject, attack, own[part], restarts)

        # Gradients flow to each image alone: nothing that belongs together is taken apart.
        for found in subject.evaluation.attack_parts.compute(len(own), attacked):
            survived.append(found.survived)
            largest = max(largest, found.largest_change)
            for losses in found.losses:
                loss_by_step += losses
        subject.evaluation.on_images(number + 1, len(batches))
    return _Local(np.concatenate(survived), largest, loss_by_step)


def _attack_images(subject: Subject, attack: AttackOnce, indices: NDArray[np.int64], restarts: int) -> _Attacked:
    """Attack some test images at once, restarts included."""
    images = to_pixels(subject.images[indices], subject)
    labels = torch.from_numpy(subject.labels[indices]).to(subject.device)
    alive = torch.ones(len(indices), dtype=torch.bool, device=subject.device)
    losses, largest = [], 0.0
    for restart in range(restarts):
        result = attack(images, labels, indices, restart)
        check_logits(result.logits, subject)
        alive &= result.logits.argmax(dim=1) == labels
        losses.append(result.loss_by_step)
        largest = max(largest, float((result.images - images).abs().max()))
    return _Attacked(alive.cpu().numpy(), largest, losses)


def _passes(config: PgdConfig | ReferencePgdConfig, data: EvaluationData) -> Passes:
    rounds = data.used(config) * getattr(config, "restarts", 1)
    return Passes(forward=rounds * (config.steps + 1), backward=rounds * config.steps)


PGD: Final = Benchmark(
    name="pgd",
    title="PGD",
    axis="adversaries",
    origin="none",
    semantics=1,
    config=PgdConfig,
    metrics=("error",),
    run=run,
    source="Madry et al., ICLR 2018; budget of andyzoujm/pixmix, cifar.py",
    passes=_passes,
)

PGD_REFERENCE: Final = replace(
    PGD,
    name="pgd-reference",
    title="PGD (reference)",
    config=ReferencePgdConfig,
    run=run_reference,
    source="andyzoujm/pixmix, cifar.py, with its wider reach",
)
