"""Calibration: how far a network's confidence is from its accuracy.

RMS calibration error with bins of equal count (Hendrycks, Mazeika, Dietterich: "Deep Anomaly Detection with Outlier Exposure",
ICLR 2019, section 4.5; after Nguyen and O'Connor, 2015), expected calibration error with bins of equal width (Guo et al.: "On
Calibration of Modern Neural Networks", ICML 2017), reliability diagrams and temperature scaling (same).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from eval.metrics.contract import MetricSpec

BIN_SIZE: Final = 100
"""Predictions per bin of the RMS calibration error, as published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityDiagram:
    """Bins of equal width over the confidence; empty bins carry NaN.

    Attributes:
        edges: Bin edges in [0, 1], (B + 1,).
        count: Predictions per bin, (B,) int64.
        confidence: Mean confidence per bin, (B,).
        accuracy: Share of right predictions per bin, (B,).
    """

    edges: NDArray[np.float64]
    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def rms_calibration_error(
    confidence: NDArray[np.floating],
    correct: NDArray[np.bool_],
    *,
    bin_size: int = BIN_SIZE,
    drop_last_bin: bool = False,
) -> float:
    """Return the root-mean-square gap between confidence and accuracy.

    Predictions are sorted by confidence (stably) and cut into bins of equal count; a bin weighs as many predictions as it holds.

    Args:
        confidence: Top-1 probability per prediction, (N,) in [0, 1].
        correct: Whether the top-1 class was right, (N,) bool.
        bin_size: Predictions per bin, at least 1; the last bin also takes the remainder.
        drop_last_bin: Leave the last, most confident bin out of the sum while it still counts in N, as the authors' published
            function does (andyzoujm/pixmix, calibration_tools.py). That function returns 0 where there is no other bin; here
            such a value is undefined and refused, for a sum over nothing is no perfect calibration.

    Returns:
        A fraction in [0, 1]; lower is better.

    Raises:
        ValueError: If the lengths differ, a confidence is outside [0, 1], `bin_size` is below 1, or no bin would be counted: N
            smaller than `bin_size`, or than two bins where the last one is left out.
    """
    _check(confidence, correct)
    if not isinstance(bin_size, int | np.integer) or bin_size < 1:
        raise ValueError(f"a bin must contain a whole number of predictions, at least 1, but bin_size is {bin_size}")
    total, needed = confidence.size, smallest_for_rms(bin_size=bin_size, drop_last_bin=drop_last_bin)
    if total < needed:
        bins = "two bins, the last of which is left out" if drop_last_bin else "one bin"
        raise ValueError(f"RMS calibration error needs at least {needed} predictions ({bins}), but got {total}")
    order = np.argsort(confidence, kind="stable")
    starts = np.arange(total // bin_size) * bin_size
    gaps = np.add.reduceat(confidence[order].astype(np.float64) - correct[order], starts)
    counts = np.diff(np.append(starts, total))
    shares = gaps**2 / counts / total  # (n_b / N) * (gap_b / n_b)^2
    return float(np.sqrt(shares[:-1].sum() if drop_last_bin else shares.sum()))


def smallest_for_rms(*, bin_size: int = BIN_SIZE, drop_last_bin: bool = False) -> int:
    """Return how many predictions the RMS calibration error needs for one bin that counts."""
    return 2 * bin_size if drop_last_bin else bin_size


def expected_calibration_error(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], *, num_bins: int = 15
) -> float:
    """Return the mean absolute gap between confidence and accuracy over bins of equal width, weighted by their counts.

    Args:
        confidence: Top-1 probability per prediction, (N,) in [0, 1].
        correct: Whether the top-1 class was right, (N,) bool.
        num_bins: Bins over [0, 1], at least 1; a bin holds its upper edge.

    Returns:
        A fraction in [0, 1]; lower is better.

    Raises:
        ValueError: If the lengths differ, there are no predictions, or a confidence is outside [0, 1].
    """
    diagram = reliability_diagram(confidence, correct, num_bins=num_bins)
    filled = diagram.count > 0
    gaps = np.abs(diagram.confidence[filled] - diagram.accuracy[filled])
    return float((gaps * diagram.count[filled]).sum() / diagram.count.sum())


def reliability_diagram(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], *, num_bins: int = 15
) -> ReliabilityDiagram:
    """Return confidence and accuracy per bin of equal width; a bin holds its upper edge, the first one also 0.

    Raises:
        ValueError: If the lengths differ, there are no predictions, a confidence is outside [0, 1], or there is no bin.
    """
    _check(confidence, correct)
    if not isinstance(num_bins, int | np.integer) or num_bins < 1:
        raise ValueError(f"a reliability diagram needs a whole number of bins, at least 1, but num_bins is {num_bins}")
    edges = np.linspace(0.0, 1.0, num_bins + 1)
    which = np.clip(np.searchsorted(edges, confidence.astype(np.float64), side="left") - 1, 0, num_bins - 1)
    count = np.bincount(which, minlength=num_bins)
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(which, weights=confidence, minlength=num_bins) / count
        accuracy = np.bincount(which, weights=correct, minlength=num_bins) / count
    return ReliabilityDiagram(edges=edges, count=count.astype(np.int64), confidence=mean_confidence, accuracy=accuracy)


def _check(confidence: NDArray[np.floating], correct: NDArray[np.bool_]) -> None:
    if confidence.ndim != 1 or confidence.shape != correct.shape:
        raise ValueError(
            f"confidence and correct must be rows of one length, but got {confidence.shape} and {correct.shape}"
        )
    if confidence.size == 0:
        raise ValueError("calibration needs at least one prediction, but got none")
    low, high = float(confidence.min()), float(confidence.max())
    if not (low >= 0.0 and high <= 1.0 + 1e-6):
        raise ValueError(f"a confidence must be in [0, 1], but got values from {low} to {high}")


RMS: Final = MetricSpec(
    name="rms",
    label="RMS",
    unit="fraction",
    lower_is_better=True,
    description="Root-mean-square gap between confidence and accuracy over bins of equal count.",
    source="Hendrycks, Mazeika, Dietterich, ICLR 2019, section 4.5: bins of 100 predictions, every bin counted",
    formula=r"\sqrt{\sum_{b=1}^{B} \frac{n_b}{N} (a_b - p_b)^2}",
    axis="calibration",
    min_samples=100,
)
RMS_REFERENCE: Final = MetricSpec(
    name="rms-reference",
    label="RMS (reference)",
    unit="fraction",
    lower_is_better=True,
    description="The same as the published function computes it: without the most confident bin.",
    source="andyzoujm/pixmix, calibration_tools.py: the last bin is left out; undefined below two bins",
    formula=r"\sqrt{\sum_{b=1}^{B-1} \frac{n_b}{N} (a_b - p_b)^2}",
    axis="calibration",
    min_samples=200,
)
ECE: Final = MetricSpec(
    name="ece",
    label="ECE",
    unit="fraction",
    lower_is_better=True,
    description="Mean gap between confidence and accuracy over bins of equal width, weighted by their counts.",
    source="Guo et al., ICML 2017: 15 bins of equal width",
    formula=r"\sum_{b=1}^{B} \frac{n_b}{N} |a_b - p_b|",
    axis="calibration",
    min_samples=100,
)
