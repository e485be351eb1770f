"""Corrupted images: error and calibration per corruption and severity, raw means, and mCE against a named baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eval.benchmarks.runners.clean import calibration_values, missing_calibration
from eval.errors import EvalError
from eval.inference.predict import ImageSet, predict_sets
from eval.inference.sampling import chosen_indices, limit_notes
from eval.metrics.corruption import Errors, corruption_errors, mean_corruption_error, mean_error
from eval.report import BenchmarkOutcome, MetricValue, small_sets_note

if TYPE_CHECKING:
    from eval.benchmarks.configs import BarConfig, CorruptionConfig, MnistCorruptionConfig
    from eval.corruptions.contract import FrostImages
    from eval.inference.subject import Subject
    from eval.predictions import Predictions

CALIBRATION: Final = ("rms", "rms-reference")


def run_generated_corruptions(config: CorruptionConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on the corruptions of C, generated from its own test images.

    Raises:
        EvalError: If a logit is not finite, or the baseline or the images of frost are missing.
    """
    from eval.benchmarks.runners.generated import given_frost

    return _run_family(
        subject,
        "c",
        config.kinds,
        config.severities,
        config.max_images,
        baseline=config.baseline,
        frost=given_frost(subject, config),
    )


def run_generated_bar(config: BarConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on the corruptions of C-bar, generated from its own test images.

    Raises:
        EvalError: If a logit is not finite.
    """
    from eval.benchmarks.runners.generated import bar_kinds

    kinds = config.kinds or bar_kinds(subject)
    return _run_family(subject, "cbar", kinds, config.severities, config.max_images)


def run_generated_mnist_corruptions(config: MnistCorruptionConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on the corruptions of MNIST-C, generated from its own test images.

    Raises:
        EvalError: If a logit is not finite.
    """
    outcome = _run_family(subject, "mnist-c", config.kinds, (1,), config.max_images)
    return errors_only(outcome)


def errors_only(outcome: BenchmarkOutcome) -> BenchmarkOutcome:
    """Return an outcome without the metrics beside the error, and without notes that say why those are undefined."""
    notes = {name: value for name, value in outcome.notes.items() if name != "missing"}
    return replace(outcome, metrics={"error": outcome.metrics["error"]}, notes=notes)


def _run_family(
    subject: Subject,
    family: str,
    kinds: Sequence[str],
    severities: Sequence[int],
    max_images: int | None,
    *,
    baseline: str | None = None,
    frost: FrostImages | None = None,
) -> BenchmarkOutcome:
    from eval.benchmarks.runners.generated import corruption_sets, generation_notes

    indices = chosen_indices(subject, max_images)
    sets = corruption_sets(subject, kinds, severities, indices, family=family, frost=frost)
    outcome = evaluate_corruptions(subject, sets, baseline=baseline)
    made = generation_notes(subject, kinds, severities, family=family, frost=frost)
    return replace(outcome, notes={**outcome.notes, **limit_notes(subject, len(indices)), **made})


def evaluate_corruptions(subject: Subject, sets: Sequence[ImageSet], *, baseline: str | None) -> BenchmarkOutcome:
    """Evaluate a subject on sets that are told apart by the fields "corruption" and "severity".

    Raises:
        EvalError: If a logit is not finite, or the baseline is unknown or lacks a corruption or severity.
    """
    predictions = predict_sets(subject, sets)
    named = {
        (images.fields["corruption"], images.fields["severity"]): each
        for images, each in zip(sets, predictions, strict=True)
    }
    return corruption_outcome(named, baseline=baseline, data_root=subject.data_root)


def corruption_outcome(
    predictions: Mapping[tuple[str, int], Predictions], *, baseline: str | None, data_root: Path | None = None
) -> BenchmarkOutcome:
    """Return what predictions by (corruption, severity) come to.

    Calibration is computed per set and averaged over all sets, as published for ImageNet; for CIFAR the published averaging
    (per set, or per file of five severities) is not known.

    Raises:
        EvalError: If the baseline is unknown or lacks a corruption or severity.
    """
    rows: list[dict[str, Any]] = [
        {"corruption": kind, "severity": severity, "error": each.error, "n": len(each), **calibration_values(each)}
        for (kind, severity), each in predictions.items()
    ]
    errors = _errors(rows)
    total, smallest = sum(row["n"] for row in rows), min(row["n"] for row in rows)
    notes = missing_calibration(smallest, CALIBRATION)
    metrics = {"error": mean_error(errors)}
    metrics |= {
        name: float(np.mean([row[name] for row in rows]))
        for name in CALIBRATION
        if name not in notes.get("missing", {})
    }
    notes |= small_sets_note(_smallest_by_kind(rows))
    if baseline is not None:
        metrics["mce"], ratios = _normalised(errors, baseline, data_root)
        rows += [{"corruption": kind, "ce": value, "baseline": baseline} for kind, value in ratios.items()]
        notes["baseline"] = baseline
    arrays = {
        name: values
        for (kind, severity), each in predictions.items()
        for name, values in each.arrays(f"{kind}/{severity}").items()
    }
    return BenchmarkOutcome(
        metrics={name: MetricValue(value, total) for name, value in metrics.items()},
        rows=tuple(rows),
        arrays=arrays,
        notes=notes,
    )


def _smallest_by_kind(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for row in rows:
        sizes[row["corruption"]] = min(row["n"], sizes.get(row["corruption"], row["n"]))
    return sizes


def _normalised(errors: Errors, baseline: str, data_root: Path | None) -> tuple[float, dict[str, float]]:
    """Return mCE, and the corruption error of each corruption."""
    from eval.benchmarks.baselines import baseline_for

    known = baseline_for(baseline, data_root).errors
    try:
        return mean_corruption_error(errors, known), corruption_errors(errors, known)
    except ValueError as error:
        raise EvalError(f"baseline {baseline!r} cannot normalise these corruptions: {error}") from error


def _errors(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[int, float]]:
    errors: dict[str, dict[int, float]] = {}
    for row in rows:
        errors.setdefault(row["corruption"], {})[row["severity"]] = row["error"]
    return errors
