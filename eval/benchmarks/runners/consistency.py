"""Consistency: flip rates and top-5 distances along sequences of frames; a sequence stays whole on one worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.errors import EvalError
from eval.inference.predict import ImageSet, predict_sets
from eval.inference.sampling import chosen_indices, limit_notes
from eval.metrics.consistency import (
    flip_probability,
    mean_rate,
    normalised_rate,
    rate_ratios,
    reference_of,
    top5_distance,
)
from eval.report import BenchmarkOutcome, MetricValue, small_sets_note

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eval.benchmarks.configs import PerturbationConfig
    from eval.inference.subject import Subject

RATES = ("mfr", "mt5d")


def run_generated_perturbations(config: PerturbationConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on sequences that are generated from its own test images, streamed.

    Raises:
        EvalError: If a logit is not finite or the baseline is unknown.
    """
    indices = chosen_indices(subject, config.max_images)
    sets = [_generated(subject, kind, indices, config.difficulty) for kind in config.chosen]
    outcome = evaluate_perturbations(subject, sets, config)
    return replace(outcome, notes={**outcome.notes, "generated": True, **limit_notes(subject, len(indices))})


def evaluate_perturbations(subject: Subject, sets: Sequence[ImageSet], config: PerturbationConfig) -> BenchmarkOutcome:
    """Evaluate a subject on sets of sequences that are told apart by the field "perturbation".

    A set holds the frames of one sequence after those of another; its group is the number of frames.

    Raises:
        EvalError: If a logit is not finite or the baseline is unknown.
    """
    predictions = predict_sets(subject, sets)
    ranked = {
        str(images.fields["perturbation"]): each.top_classes.reshape(-1, images.group, each.top_classes.shape[1])
        for images, each in zip(sets, predictions, strict=True)
    }
    return perturbation_outcome(ranked, config, data_root=subject.data_root)


def perturbation_outcome(
    ranked: Mapping[str, NDArray[np.unsignedinteger]], config: PerturbationConfig, *, data_root: Path | None = None
) -> BenchmarkOutcome:
    """Return what the best classes by perturbation, (sequences, frames, ranks), come to.

    Raises:
        EvalError: If the baseline is unknown or lacks a perturbation.
    """
    rows: list[dict[str, Any]] = [
        {"perturbation": kind, **_rates(each, kind, config.difficulty), "n": len(each)} for kind, each in ranked.items()
    ]
    total = sum(row["n"] for row in rows)
    metrics = {rate: mean_rate({row["perturbation"]: row[rate] for row in rows}) for rate in RATES}
    notes: dict[str, Any] = {"weather": config.weather, "difficulty": config.difficulty}
    notes |= small_sets_note({row["perturbation"]: row["n"] for row in rows})
    if config.baseline is not None:
        metrics |= _normalise(rows, config.baseline, data_root)
        notes["baseline"] = config.baseline
    return BenchmarkOutcome(
        metrics={name: MetricValue(value, total) for name, value in metrics.items()},
        rows=tuple(rows),
        arrays={f"{kind}/top_classes": each for kind, each in ranked.items()},
        notes=notes,
    )


def _rates(ranked: NDArray[np.unsignedinteger], kind: str, difficulty: int) -> dict[str, float]:
    """Return flip probability and top-5 distance; the difficulty of noise is in its frames, not in which are compared."""
    reference = reference_of(kind)
    step = 1 if reference == "first" else difficulty
    return {
        "mfr": flip_probability(ranked[:, :, 0], reference=reference, difficulty=step),
        "mt5d": top5_distance(ranked, reference=reference, difficulty=step),
    }


def _normalise(rows: list[dict[str, Any]], name: str, data_root: Path | None) -> dict[str, float]:
    """Add normalised rates to the rows and return their means.

    Raises:
        EvalError: If the baseline is unknown or lacks a perturbation.
    """
    from eval.benchmarks.baselines import baseline_for

    baseline = baseline_for(name, data_root)
    means: dict[str, float] = {}
    for rate, known in (("mfr", baseline.flip_rates), ("mt5d", baseline.top5_distances)):
        rates = {row["perturbation"]: row[rate] for row in rows}
        try:
            means[f"{rate}-normalised"], ratios = normalised_rate(rates, known), rate_ratios(rates, known)
        except ValueError as error:
            raise EvalError(f"baseline {name!r} cannot normalise {rate}: {error}") from error
        for row in rows:
            row[f"{rate}-normalised"] = ratios[row["perturbation"]]
    return means


def _generated(subject: Subject, kind: str, indices: NDArray[np.int64], difficulty: int) -> ImageSet:
    from eval.perturbations.p.registry import num_frames

    frames = num_frames(kind, min(subject.images.shape[1:3]))

    def load(start: int, stop: int) -> NDArray[np.uint8]:
        from eval.perturbations.frames import perturb

        own = indices[start // frames : stop // frames]
        made = perturb(
            subject.images[own],
            kind,
            fingerprint=subject.fingerprint,
            indices=own,
            seed=subject.seed,
            difficulty=difficulty,
        )
        return made.reshape(-1, *subject.images.shape[1:])

    labels = np.repeat(subject.labels[indices], frames)
    return ImageSet(fields={"perturbation": kind}, labels=labels, load=load, group=frames)
