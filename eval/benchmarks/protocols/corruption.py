"""Corrupted images: error and calibration per corruption and severity, raw means, and mCE against a named baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from eval.benchmarks.contract import Arrays
from eval.benchmarks.protocols.baselines import baseline_for
from eval.benchmarks.protocols.calibration import calibration_values, missing_calibration
from eval.errors import EvalError
from eval.inference.image_sets import ImageSet
from eval.inference.predict import predict_sets
from eval.inference.subject import Subject
from eval.metrics.corruption import Errors, corruption_errors, mean_corruption_error, mean_error
from eval.predictions import Predictions, kept_sets, predictions_from
from eval.report import BenchmarkOutcome, MetricValue, small_sets_note

CALIBRATION: Final = ("rms", "rms-reference")


def evaluate_corruptions(subject: Subject, sets: Sequence[ImageSet], *, baseline: str | None) -> BenchmarkOutcome:
    """Evaluate a subject on sets with the fields "corruption" and "severity"."""
    predictions = predict_sets(subject, sets)
    named = {
        (images.fields["corruption"], images.fields["severity"]): each
        for images, each in zip(sets, predictions, strict=True)
    }
    return corruption_outcome(named, baseline=baseline, data_root=subject.data_root)


def recompute_corruptions(
    arrays: Arrays, *, baseline: str | None = None, data_root: Path | None = None
) -> BenchmarkOutcome:
    """Return the outcome of kept predictions."""
    found = (prefix.split("/") for prefix in kept_sets(arrays))
    named = {(kind, int(severity)): predictions_from(arrays, f"{kind}/{severity}") for kind, severity in found}
    return corruption_outcome(named, baseline=baseline, data_root=data_root)


def corruption_outcome(
    predictions: Mapping[tuple[str, int], Predictions], *, baseline: str | None, data_root: Path | None = None
) -> BenchmarkOutcome:
    """Return what predictions by (corruption, severity) come to.

    Calibration is computed per set and averaged over all sets, as published for ImageNet; for CIFAR the published averaging
    (per set, or per file of five severities) is not known.
    """
    rows: list[dict[str, Any]] = [
        {"corruption": kind, "severity": severity, "error": each.error, "n": len(each), **calibration_values(each)}
        for (kind, severity), each in predictions.items()
    ]
    errors: dict[str, dict[int, float]] = {}
    sizes: dict[str, int] = {}
    for row in rows:
        errors.setdefault(row["corruption"], {})[row["severity"]] = row["error"]
        sizes[row["corruption"]] = min(row["n"], sizes.get(row["corruption"], row["n"]))
    total = sum(row["n"] for row in rows)
    notes = missing_calibration(min(sizes.values()), CALIBRATION)
    metrics = {"error": mean_error(errors)}
    metrics |= {
        name: float(np.mean([row[name] for row in rows]))
        for name in CALIBRATION
        if name not in notes.get("missing", {})
    }
    notes |= small_sets_note(sizes)
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


def _normalised(errors: Errors, baseline: str, data_root: Path | None) -> tuple[float, dict[str, float]]:
    """Return mCE, and the corruption error of each corruption."""
    known = baseline_for(baseline, data_root).errors
    try:
        return mean_corruption_error(errors, known), corruption_errors(errors, known)
    except ValueError as error:
        raise EvalError(f"baseline {baseline!r} cannot normalise these corruptions: {error}") from error
