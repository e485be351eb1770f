"""The dataset's own test split: error and calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eval.infer import clean_predictions
from eval.metrics.calibration import BIN_SIZE, expected_calibration_error, rms_calibration_error
from eval.report import BenchmarkOutcome, MetricValue
from eval.sampling import chosen_indices, limit_notes

if TYPE_CHECKING:
    from eval.configs import CleanConfig
    from eval.predictions import Predictions
    from eval.subject import Subject


def run_clean(config: CleanConfig, subject: Subject) -> BenchmarkOutcome:
    """Judge a subject on its test split.

    Raises:
        EvalError: If a logit is not finite.
    """
    indices = chosen_indices(subject, config.max_images)
    predictions = clean_predictions(subject, indices)
    values = {"error": predictions.error, **calibration_values(predictions)}
    return BenchmarkOutcome(
        metrics={name: MetricValue(value, len(predictions)) for name, value in values.items()},
        arrays=predictions.arrays("clean"),
        notes={**limit_notes(subject, len(indices)), **missing_calibration(len(predictions))},
    )


def calibration_values(predictions: Predictions) -> dict[str, float]:
    """Return the calibration errors of one set of pictures; none where it is smaller than a bin."""
    if len(predictions) < BIN_SIZE:
        return {}
    confidence, correct = predictions.confidence, predictions.correct
    return {
        "rms": rms_calibration_error(confidence, correct),
        "rms-reference": rms_calibration_error(confidence, correct, drop_last_bin=True),
        "ece": expected_calibration_error(confidence, correct),
    }


def missing_calibration(num_predictions: int) -> dict[str, object]:
    """Return the note that says why calibration is missing, or nothing where it is not."""
    if num_predictions >= BIN_SIZE:
        return {}
    reason = f"calibration needs at least {BIN_SIZE} predictions per set, but there are {num_predictions}"
    return {"missing": dict.fromkeys(("rms", "rms-reference", "ece"), reason)}
