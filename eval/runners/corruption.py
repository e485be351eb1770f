"""Corrupted pictures: error and calibration per corruption and severity, raw means, and mCE against a named baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.infer import PictureSet, predict_sets
from eval.metrics.corruption import corruption_errors, mean_error
from eval.report import BenchmarkOutcome, MetricValue
from eval.runners.clean import calibration_values, missing_calibration
from eval.sampling import chosen_indices, limit_notes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eval.configs import BarConfig, CorruptionConfig, MnistCorruptionConfig
    from eval.corruptions.ice import FrostPictures
    from eval.predictions import Predictions
    from eval.subject import Subject

CALIBRATION = ("rms", "rms-reference")


def run_generated_corruptions(config: CorruptionConfig, subject: Subject) -> BenchmarkOutcome:
    """Judge a subject on the corruptions of C, generated from its own test pictures.

    Raises:
        EvalError: If a logit is not finite, or the baseline or the pictures of frost are missing.
    """
    from eval.runners.generated import given_frost

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
    """Judge a subject on the corruptions of C-bar, generated from its own test pictures.

    Raises:
        EvalError: If a logit is not finite.
    """
    from eval.runners.generated import family_kinds

    kinds = config.kinds or family_kinds("cbar", subject)
    return _run_family(subject, "cbar", kinds, config.severities, config.max_images)


def run_generated_mnist_corruptions(config: MnistCorruptionConfig, subject: Subject) -> BenchmarkOutcome:
    """Judge a subject on the corruptions of MNIST-C, generated from its own test pictures.

    Raises:
        EvalError: If a logit is not finite.
    """
    from eval.runners.generated import family_kinds

    kinds = config.kinds or family_kinds("mnist-c", subject)
    outcome = _run_family(subject, "mnist-c", kinds, (1,), config.max_images)
    return replace(outcome, metrics={"error": outcome.metrics["error"]})


def _run_family(
    subject: Subject,
    family: str,
    kinds: Sequence[str],
    severities: Sequence[int],
    max_images: int | None,
    *,
    baseline: str | None = None,
    frost: FrostPictures | None = None,
) -> BenchmarkOutcome:
    from eval.runners.generated import corruption_sets, generation_notes

    indices = chosen_indices(subject, max_images)
    sets = corruption_sets(subject, kinds, severities, indices, family=family, frost=frost)
    outcome = judge_corruptions(subject, sets, baseline=baseline)
    made = generation_notes(subject, kinds, severities, family=family, frost=frost)
    return replace(outcome, notes={**outcome.notes, **limit_notes(subject, len(indices)), **made})


def judge_corruptions(subject: Subject, sets: Sequence[PictureSet], *, baseline: str | None) -> BenchmarkOutcome:
    """Judge a subject on sets that are told apart by the fields "corruption" and "severity".

    Calibration is computed per set and averaged over all sets, as published for ImageNet; for CIFAR the published averaging
    (per set, or per file of five severities) is not known.

    Raises:
        EvalError: If a logit is not finite or the baseline is unknown.
        ValueError: If the baseline lacks a corruption or severity.
    """
    predictions = predict_sets(subject, sets)
    rows = [_row(pictures, each) for pictures, each in zip(sets, predictions, strict=True)]
    total = sum(len(each) for each in predictions)
    metrics = {"error": MetricValue(mean_error(_errors(rows)), total)}
    if all(len(each) >= 100 for each in predictions):
        metrics |= {name: MetricValue(float(np.mean([row[name] for row in rows])), total) for name in CALIBRATION}
    notes: dict[str, Any] = missing_calibration(min(len(each) for each in predictions))
    if baseline is not None:
        errors = normalised(_errors(rows), baseline, subject)
        metrics["mce"] = MetricValue(sum(errors.values()) / len(errors), total)
        rows += [{"corruption": kind, "ce": value, "baseline": baseline} for kind, value in errors.items()]
        notes["baseline"] = baseline
    return BenchmarkOutcome(metrics=metrics, rows=tuple(rows), arrays=_arrays(sets, predictions), notes=notes)


def normalised(errors: Mapping[str, Mapping[int, float]], baseline: str, subject: Subject) -> dict[str, float]:
    """Return the corruption errors relative to a named baseline.

    Raises:
        EvalError: If the baseline is unknown.
        ValueError: If it lacks a corruption or severity.
    """
    from eval.published.baselines import baseline_for

    return corruption_errors(errors, baseline_for(baseline, subject.data_root).errors)


def _row(pictures: PictureSet, predictions: Predictions) -> dict[str, Any]:
    values = calibration_values(predictions)
    return {**pictures.fields, "error": predictions.error, "n": len(predictions), **values}


def _errors(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[int, float]]:
    errors: dict[str, dict[int, float]] = {}
    for row in rows:
        errors.setdefault(row["corruption"], {})[row["severity"]] = row["error"]
    return errors


def _arrays(sets: Sequence[PictureSet], predictions: Sequence[Predictions]) -> dict[str, NDArray[np.generic]]:
    arrays: dict[str, NDArray[np.generic]] = {}
    for pictures, each in zip(sets, predictions, strict=True):
        arrays |= each.arrays("/".join(str(part) for part in pictures.fields.values()))
    return arrays
