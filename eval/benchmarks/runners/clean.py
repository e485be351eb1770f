"""The dataset's own test split: error and calibration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from eval.inference.predict import clean_predictions, remember_logits
from eval.inference.sampling import chosen_indices, limit_notes
from eval.metrics.calibration import (
    expected_calibration_error,
    reliability_diagram,
    rms_calibration_error,
)
from eval.metrics.registry import METRICS
from eval.report import BenchmarkOutcome, MetricValue

if TYPE_CHECKING:
    from eval.benchmarks.configs import CleanConfig
    from eval.inference.subject import Subject
    from eval.predictions import Predictions

CALIBRATION: Final = ("rms", "rms-reference", "ece")


def run_clean(config: CleanConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on its test split.

    Raises:
        EvalError: If a logit is not finite.
    """
    indices = chosen_indices(subject, config.max_images)
    if config.keep_logits:
        logits = remember_logits(subject, indices)
    outcome = clean_outcome(clean_predictions(subject, indices))
    arrays = {**outcome.arrays, "clean/logits": logits} if config.keep_logits else outcome.arrays
    return replace(outcome, arrays=arrays, notes={**outcome.notes, **limit_notes(subject, len(indices))})


def clean_outcome(predictions: Predictions) -> BenchmarkOutcome:
    """Return what predictions on a test split come to; the fine rows are the bins of its reliability diagram."""
    values = {"error": predictions.error, **calibration_values(predictions)}
    return BenchmarkOutcome(
        metrics={name: MetricValue(value, len(predictions)) for name, value in values.items()},
        rows=reliability_rows(predictions),
        arrays=predictions.arrays("clean"),
        notes=missing_calibration(len(predictions), CALIBRATION),
    )


def reliability_rows(predictions: Predictions) -> tuple[dict[str, float], ...]:
    """Return one row per filled bin of the reliability diagram."""
    diagram = reliability_diagram(predictions.confidence, predictions.correct)
    return tuple(
        {
            "from": float(diagram.edges[bin_]),
            "to": float(diagram.edges[bin_ + 1]),
            "count": int(diagram.count[bin_]),
            "confidence": float(diagram.confidence[bin_]),
            "accuracy": float(diagram.accuracy[bin_]),
        }
        for bin_ in range(len(diagram.count))
        if diagram.count[bin_]
    )


def calibration_values(predictions: Predictions) -> dict[str, float]:
    """Return the calibration errors of one set of images; those that are undefined for so few are left out."""
    confidence, correct = predictions.confidence, predictions.correct
    computed: dict[str, Callable[[], float]] = {
        "rms": lambda: rms_calibration_error(confidence, correct),
        "rms-reference": lambda: rms_calibration_error(confidence, correct, drop_last_bin=True),
        "ece": lambda: expected_calibration_error(confidence, correct),
    }
    return {name: compute() for name, compute in computed.items() if len(predictions) >= METRICS[name].min_samples}


def missing_calibration(num_predictions: int, names: Iterable[str]) -> dict[str, Any]:
    """Return the note that says which calibration errors are undefined and why, or nothing where none is.

    Args:
        num_predictions: Predictions of the smallest set.
        names: The calibration errors that the benchmark yields.
    """
    missing = {
        name: f"needs at least {METRICS[name].min_samples} predictions in each set, but there are {num_predictions}"
        for name in names
        if num_predictions < METRICS[name].min_samples
    }
    return {"missing": missing} if missing else {}
