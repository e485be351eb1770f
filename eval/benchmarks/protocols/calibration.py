"""Calibration errors of a set of predictions, where there are enough of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from eval.metrics.calibration import expected_calibration_error, rms_calibration_error
from eval.metrics.registry import METRICS
from eval.predictions import Predictions


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
    """Return the note which calibration errors are undefined and why, or nothing where none is.

    Args:
        names: The calibration errors that the benchmark yields.
    """
    missing = {
        name: f"needs at least {METRICS[name].min_samples} predictions in each set, but there are {num_predictions}"
        for name in names
        if num_predictions < METRICS[name].min_samples
    }
    return {"missing": missing} if missing else {}
