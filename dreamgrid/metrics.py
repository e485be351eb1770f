"""The metrics of the tables as functions of plain arrays: those that the product itself uses. Rates are fractions in [0, 1].

    gap = dreamgrid.metrics.rms_calibration_error(confidence, correct)
    area = dreamgrid.metrics.auroc(scores_of_outliers, scores_of_test_images)

A larger score means more anomalous; out-of-distribution (OOD) images are the positive class.
"""

from __future__ import annotations

from eval.metrics.anomaly import (
    aupr,
    auroc,
    cross_entropy_score,
    energy_score,
    fpr_at_recall,
    max_logit_score,
    msp_score,
)
from eval.metrics.calibration import expected_calibration_error, reliability_diagram, rms_calibration_error
from eval.metrics.consistency import flip_probability, top5_distance
from eval.metrics.corruption import corruption_error, mean_corruption_error, mean_error
from eval.metrics.error import error_rate
from eval.metrics.temperature import fit_temperature, softmax

__all__ = [
    "aupr",
    "auroc",
    "corruption_error",
    "cross_entropy_score",
    "energy_score",
    "error_rate",
    "expected_calibration_error",
    "fit_temperature",
    "flip_probability",
    "fpr_at_recall",
    "max_logit_score",
    "mean_corruption_error",
    "mean_error",
    "msp_score",
    "reliability_diagram",
    "rms_calibration_error",
    "softmax",
    "top5_distance",
]
