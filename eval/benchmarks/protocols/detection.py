"""Anomaly detection: scores of test images against those of outliers, one outlier to five test images, per set and on average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.errors import EvalError
from eval.inference.sampling import outlier_subsets
from eval.metrics.anomaly import Detection, detection, subset_sizes
from eval.metrics.scores import OOD_SHARE, SCORES, ScoreName
from eval.predictions import Predictions
from eval.report import BenchmarkOutcome, MetricValue, small_sets_note


def check_ratio(num_inside: int) -> None:
    """Refuse fewer test images than one outlier is compared with."""
    if num_inside < OOD_SHARE:
        raise EvalError(
            f"outliers are compared one to {OOD_SHARE} test images, but there are {num_inside} test images; use more"
        )


def outlier_outcome(
    inside: Predictions, outside: Mapping[str, Predictions], *, score: ScoreName, repeats: int, seed: int
) -> BenchmarkOutcome:
    """Return what predictions on the test images and on outlier sets come to.

    Each set's value is the mean over random subsets of the published ratio (`eval.inference.sampling.outlier_subsets`); the
    metrics are the plain mean over sets. The notes say how many images of each set were taken, and which sets are small.
    """
    check_ratio(len(inside))
    rows: list[dict[str, Any]] = []
    taken: dict[str, dict[str, int]] = {}
    for label, predictions in outside.items():
        subsets = list(outlier_subsets(len(predictions), len(inside), repeats=repeats, seed=seed))
        num_outliers, num_inside = subset_sizes(len(predictions), len(inside))
        taken[label] = {
            "outliers": num_outliers,
            "of_outliers": len(predictions),
            "test_images": num_inside,
            "of_test_images": len(inside),
            "subsets": len(subsets),
        }
        for name in SCORES:
            found = _mean_detection(inside.score(name), predictions.score(name), subsets)
            rows.append({"set": label, "variant": name, **found._asdict(), "n": num_outliers + num_inside})
    means = {name: _means(rows, name) for name in SCORES}
    rows += [{"set": "mean", "variant": name, **values} for name, values in means.items()]
    total = len(inside) + sum(len(each) for each in outside.values())
    arrays = inside.arrays("in-distribution")
    for label, predictions in outside.items():
        arrays |= predictions.arrays(f"outliers/{label}")
    return BenchmarkOutcome(
        metrics={metric: MetricValue(value, total) for metric, value in means[score].items()},
        rows=tuple(rows),
        arrays=arrays,
        notes={
            "variant": score,
            "taken": taken,
            **small_sets_note({label: len(each) for label, each in outside.items()}),
        },
    )


def _mean_detection(
    inside: NDArray[np.float64],
    outside: NDArray[np.float64],
    subsets: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> Detection:
    found = [detection(outside[chosen], inside[faced]) for chosen, faced in subsets]
    return Detection(*(float(value) for value in np.mean(found, axis=0)))


def _means(rows: Sequence[dict[str, Any]], score: str) -> dict[str, float]:
    chosen = [row for row in rows if row["variant"] == score]
    return {metric: float(np.mean([row[metric] for row in chosen])) for metric in Detection._fields}
