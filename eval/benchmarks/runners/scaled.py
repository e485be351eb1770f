"""Calibration after temperature scaling: an extra, kept apart from the columns that the papers print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eval.errors import EvalError
from eval.inference.predict import remember_logits
from eval.inference.sampling import chosen_indices, limit_notes
from eval.metrics.calibration import BIN_SIZE, expected_calibration_error, rms_calibration_error
from eval.metrics.temperature import fit_temperature, softmax
from eval.report import BenchmarkOutcome, MetricValue

if TYPE_CHECKING:
    from eval.benchmarks.configs import ScaledConfig
    from eval.inference.subject import Subject


def run_scaled(config: ScaledConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate the calibration of a subject on one part of its test images after fitting a temperature on the other.

    Raises:
        EvalError: If a logit is not finite or either part is smaller than a bin.
    """
    from augment.kernels.counters import permutation

    indices = chosen_indices(subject, config.max_images)
    num_fitted = round(len(indices) * config.fitted_share)
    if min(num_fitted, len(indices) - num_fitted) < BIN_SIZE:
        raise EvalError(
            f"temperature scaling needs at least {BIN_SIZE} images to fit and as many to evaluate, but has {num_fitted} "
            f"and {len(indices) - num_fitted}"
        )
    logits, labels = remember_logits(subject, indices), subject.labels[indices]
    order = permutation(subject.seed, 0, len(indices), stream="eval-temperature-split")
    fitted, evaluated = order[:num_fitted], order[num_fitted:]
    temperature = fit_temperature(logits[fitted], labels[fitted])
    probabilities = softmax(logits[evaluated], temperature)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels[evaluated]
    values = {
        "rms": rms_calibration_error(confidence, correct),
        "ece": expected_calibration_error(confidence, correct),
    }
    return BenchmarkOutcome(
        metrics={name: MetricValue(value, len(evaluated)) for name, value in values.items()},
        arrays={
            "evaluated/confidence": confidence,  # in float64, as the errors are computed from it
            "evaluated/correct": correct,
            "evaluated/positions": evaluated,
        },
        notes={"temperature": temperature, "fitted_on": num_fitted, **limit_notes(subject, len(indices))},
    )
