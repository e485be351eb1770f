"""Adversarial images: the error under PGD, strict or as the published script attacks, and a check against gradient masking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eval.inference.predict import check_logits, own_slice, to_pixels
from eval.inference.sampling import chosen_indices, limit_notes
from eval.metrics.error import error_rate
from eval.report import BenchmarkOutcome, MetricValue

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from eval.benchmarks.configs import PgdConfig, ReferencePgdConfig
    from eval.inference.attacks import Attack
    from eval.inference.subject import Subject

LOSS_SLACK = 0.01
"""Share by which the mean loss may fall below its maximum on the way before masking is suspected."""

AttackOnce = Callable[["Tensor", "Tensor", "NDArray[np.int64]", int], "Attack"]
"""(images, labels, indices, restart) -> what the attack came to."""


@dataclass(frozen=True, slots=True)
class _Local:
    """One worker's share: who survived every attack, and the summed loss along the attack."""

    survived: NDArray[np.bool_]
    largest_change: float
    loss_by_step: NDArray[np.float64]


def run_pgd(config: PgdConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject under strict PGD.

    Raises:
        EvalError: If a loss is not finite.
    """
    from eval.inference.attacks import pgd

    def attack(images: Tensor, labels: Tensor, indices: NDArray[np.int64], restart: int) -> Attack:
        return pgd(subject.model, images, labels, config, indices=indices, seed=subject.seed, restart=restart)

    return _evaluate(subject, attack, max_images=config.max_images, restarts=config.restarts, steps=config.steps)


def run_reference_pgd(config: ReferencePgdConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject under the published script's wider attack.

    Raises:
        EvalError: If a loss is not finite.
    """
    from eval.inference.attacks import reference_pgd

    def attack(images: Tensor, labels: Tensor, indices: NDArray[np.int64], restart: int) -> Attack:
        return reference_pgd(subject.model, images, labels, config, indices=indices, seed=subject.seed)

    return _evaluate(subject, attack, max_images=config.max_images, restarts=1, steps=config.steps)


def _evaluate(
    subject: Subject, attack: AttackOnce, *, max_images: int | None, restarts: int, steps: int
) -> BenchmarkOutcome:
    indices = chosen_indices(subject, max_images)
    parts = subject.workers.gather(_attack_own(subject, attack, indices, restarts, steps))
    survived = np.concatenate([part.survived for part in parts])
    loss_by_step = np.sum([part.loss_by_step for part in parts], axis=0) / (len(indices) * restarts)
    forward = len(indices) * restarts * (steps + 1)
    subject.evaluation.forward_passes += forward
    return BenchmarkOutcome(
        metrics={"error": MetricValue(error_rate(survived), len(survived))},
        rows=tuple({"step": step, "loss": float(loss)} for step, loss in enumerate(loss_by_step)),
        arrays={"survived": survived, "indices": indices},
        notes={
            "gradient_masking": masking(loss_by_step),
            "largest_change": max(part.largest_change for part in parts),
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
    import torch

    batches = own_slice(subject, len(indices))
    survived, loss_by_step, largest = [], np.zeros(steps + 1), 0.0
    for number, (start, stop) in enumerate(batches):
        own = indices[start:stop]
        images = to_pixels(subject.images[own], subject)
        labels = torch.from_numpy(subject.labels[own]).to(subject.device)
        alive = torch.ones(len(own), dtype=torch.bool, device=subject.device)
        for restart in range(restarts):
            result = attack(images, labels, own, restart)
            check_logits(result.logits, subject)
            alive &= result.logits.argmax(dim=1) == labels
            loss_by_step += result.loss_by_step
            largest = max(largest, float((result.images - images).abs().max()))
        survived.append(alive.cpu().numpy())
        subject.evaluation.on_images(number + 1, len(batches))
    none = np.zeros(0, dtype=bool)
    return _Local(np.concatenate([none, *survived]), largest, loss_by_step)
