"""Anomaly detection: separating images of unknown things from those of the test set by a score of the logits.

Out-of-distribution (OOD) images are the *positive* class, and a larger score means more anomalous. One OOD image faces five
in-distribution test images, so that a blind score has an AUPR of 1/6; AUPR means nothing without that ratio, so a set too small
for all test images is compared with fewer of them (`subset_sizes`).

Source: Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples" (ICLR 2017);
Hendrycks, Mazeika, Dietterich, "Deep Anomaly Detection with Outlier Exposure" (ICLR 2019), code hendrycks/outlier-exposure,
utils/display_results.py; max logit: Hendrycks et al. (ICML 2022); energy: Liu et al. (NeurIPS 2020).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval.metrics.contract import MetricSpec
from eval.metrics.scores import OOD_SHARE


class Detection(NamedTuple):
    """How well a score separates OOD (positive) from ID: fractions, AUROC and AUPR higher is better, FPR95 lower is better."""

    auroc: float
    aupr: float
    fpr95: float


def msp_score(max_probability: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return minus the maximum softmax probability, (N,)."""
    return -max_probability.astype(np.float64)


def cross_entropy_score(mean_logit: NDArray[np.floating], logsumexp: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return minus the cross-entropy from the uniform distribution to the softmax: mean logit - logsumexp, (N,)."""
    return mean_logit.astype(np.float64) - logsumexp.astype(np.float64)


def max_logit_score(max_logit: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return minus the largest logit, (N,)."""
    return -max_logit.astype(np.float64)


def energy_score(logsumexp: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the energy at temperature 1, minus the logsumexp of the logits, (N,)."""
    return -logsumexp.astype(np.float64)


def outlier_count(num_in_distribution: int) -> int:
    """Return how many OOD images the published ratio wants for so many test images: a fifth, rounded down."""
    return num_in_distribution // OOD_SHARE


def subset_sizes(num_outliers: int, num_in_distribution: int) -> tuple[int, int]:
    """Return how many OOD and how many test images are compared: exactly one to five, as many as there are.

    Raises:
        ValueError: If there is no outlier, or fewer than five test images: no subset has the ratio then.
    """
    outliers = min(num_outliers, outlier_count(num_in_distribution))
    if outliers < 1:
        raise ValueError(
            f"one outlier must face {OOD_SHARE} test images, but there are {num_outliers} outliers and "
            f"{num_in_distribution} test images; AUPR is not defined without that ratio"
        )
    return outliers, outliers * OOD_SHARE


def auroc(ood: NDArray[np.floating], in_distribution: NDArray[np.floating]) -> float:
    """Return the probability that an OOD image scores above an ID image, ties counted half.

    Raises:
        ValueError: If a side is empty or a score is not a number.
    """
    _check(ood, in_distribution)
    ranked = np.sort(in_distribution)
    below = np.searchsorted(ranked, ood, side="left")
    not_above = np.searchsorted(ranked, ood, side="right")
    return float((below + not_above).sum() / (2.0 * ood.size * in_distribution.size))


def aupr(ood: NDArray[np.floating], in_distribution: NDArray[np.floating]) -> float:
    """Return the average precision with OOD as the positive class: the step sum over distinct thresholds, no interpolation.

    Raises:
        ValueError: If a side is empty or a score is not a number.
    """
    hits, alarms = _operating_points(ood, in_distribution)
    recall_steps = np.diff(hits, prepend=0) / ood.size
    return float((recall_steps * hits / (hits + alarms)).sum())


def fpr_at_recall(ood: NDArray[np.floating], in_distribution: NDArray[np.floating], *, recall: float = 0.95) -> float:
    """Return the share of ID images that are flagged when about 95 % of the OOD images are.

    Among the distinct thresholds the one whose recall is *nearest* to the wanted one counts (it may be below); between equally
    near ones the higher recall, and among equal recalls (below 1) the lower threshold, as in the published evaluation.

    Raises:
        ValueError: If a side is empty, a score is not a number, or the recall is not in (0, 1].
    """
    if not 0.0 < recall <= 1.0:
        raise ValueError(f"the recall must be in (0, 1], but got {recall}")
    hits, alarms = _operating_points(ood, in_distribution)
    full = int(np.searchsorted(hits, ood.size))  # nothing is gained beyond the first threshold that catches everything
    distance = np.abs(hits[full::-1] / ood.size - recall)
    return float(alarms[full::-1][np.argmin(distance)] / in_distribution.size)


def detection(ood: NDArray[np.floating], in_distribution: NDArray[np.floating]) -> Detection:
    """Return AUROC, AUPR and FPR95 of the scores of OOD and ID images.

    Raises:
        ValueError: If a side is empty or a score is not a number.
    """
    return Detection(auroc(ood, in_distribution), aupr(ood, in_distribution), fpr_at_recall(ood, in_distribution))


def _operating_points(
    ood: NDArray[np.floating], in_distribution: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return OOD and ID images at or above each distinct threshold, from the highest threshold down."""
    _check(ood, in_distribution)
    scores = np.concatenate([ood, in_distribution]).astype(np.float64)
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    # compared, not subtracted: the difference of equal infinities is no number, and would split their tie
    last_of_value = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), ranked.size - 1)
    hits = np.cumsum(order < ood.size)[last_of_value]
    return hits, last_of_value + 1 - hits


def _check(ood: NDArray[np.floating], in_distribution: NDArray[np.floating]) -> None:
    for name, scores in (("OOD", ood), ("in-distribution", in_distribution)):
        if scores.ndim != 1 or scores.size == 0:
            raise ValueError(f"detection needs a 1-D array of {name} scores, but got the shape {scores.shape}")
        if np.isnan(scores).any():
            raise ValueError(f"scores must be numbers, but {int(np.isnan(scores).sum())} {name} scores are NaN")


_SOURCE: Final = "Hendrycks, Mazeika, Dietterich, ICLR 2019, section 4.1"

AUROC: Final = MetricSpec(
    name="auroc",
    label="AUROC",
    unit="fraction",
    lower_is_better=False,
    description="Probability that an outlier has a higher score than a test image.",
    source=f"{_SOURCE}; OOD is the positive class",
    formula=r"\mathrm{P}(s_+ > s_-) + \tfrac{1}{2} \mathrm{P}(s_+ = s_-)",
    axis="anomaly",
    of="outliers",
)
AUPR: Final = MetricSpec(
    name="aupr",
    label="AUPR",
    unit="fraction",
    lower_is_better=False,
    description="Average precision of finding outliers, one of them to five test images.",
    source=f"{_SOURCE}; average precision, OOD positive, one OOD to five ID images",
    formula=r"\sum_{k} (R_k - R_{k-1}) \frac{\mathrm{TP}_k}{\mathrm{TP}_k + \mathrm{FP}_k}",
    axis="anomaly",
    normalisation="none; chance level is 1/6",
    of="outliers",
)
FPR95: Final = MetricSpec(
    name="fpr95",
    label="FPR95",
    unit="fraction",
    lower_is_better=True,
    description="Share of test images that are flagged when about 95 % of the outliers are.",
    source=f"{_SOURCE}; share of ID flagged at the recall of OOD nearest to 0.95",
    formula=r"\frac{\mathrm{FP}_k}{N_-} , \quad k = \mathrm{argmin}_k | R_k - 0.95 |",
    axis="anomaly",
    of="outliers",
)
