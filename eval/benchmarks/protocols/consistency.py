"""Consistency: flip rates and top-5 distances along sequences of frames."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eval.benchmarks.protocols.baselines import baseline_for
from eval.errors import EvalError
from eval.metrics.consistency import (
    flip_probability,
    mean_rate,
    normalised_rate,
    rate_ratios,
    reference_of,
    top5_distance,
)
from eval.report import BenchmarkOutcome, MetricValue, small_sets_note

RATES: Final = ("mfr", "mt5d")


def consistency_outcome(
    ranked: Mapping[str, NDArray[np.unsignedinteger]],
    *,
    difficulty: int,
    baseline: str | None,
    notes: Mapping[str, Any],
    data_root: Path | None = None,
) -> BenchmarkOutcome:
    """Return what the best classes along sequences come to.

    Args:
        ranked: Perturbation -> best classes, (sequences, frames, ranks).
        difficulty: Frames between those compared; for noises it is in the frames.
        baseline: Name of the baseline network whose rates normalise, or None for raw rates only.
    """
    rows: list[dict[str, Any]] = [
        {"perturbation": kind, **_rates(each, kind, difficulty), "n": len(each)} for kind, each in ranked.items()
    ]
    total = sum(row["n"] for row in rows)
    metrics = {rate: mean_rate({row["perturbation"]: row[rate] for row in rows}) for rate in RATES}
    noted = {**notes, "difficulty": difficulty, **small_sets_note({row["perturbation"]: row["n"] for row in rows})}
    if baseline is not None:
        metrics |= _normalise(rows, baseline, data_root)
        noted["baseline"] = baseline
    return BenchmarkOutcome(
        metrics={name: MetricValue(value, total) for name, value in metrics.items()},
        rows=tuple(rows),
        arrays={f"{kind}/top_classes": each for kind, each in ranked.items()},
        notes=noted,
    )


def _rates(ranked: NDArray[np.unsignedinteger], kind: str, difficulty: int) -> dict[str, float]:
    """Return flip probability and top-5 distance; the difficulty of noise is in its frames, not in which are compared."""
    reference = reference_of(kind)
    step = 1 if reference == "first" else difficulty
    return {
        "mfr": flip_probability(ranked[:, :, 0], reference=reference, difficulty=step),
        "mt5d": top5_distance(ranked, reference=reference, difficulty=step),
    }


def _normalise(rows: list[dict[str, Any]], name: str, data_root: Path | None) -> dict[str, float]:
    """Add normalised rates to the rows and return their means."""
    baseline = baseline_for(name, data_root)
    means: dict[str, float] = {}
    for rate, known in (("mfr", baseline.flip_rates), ("mt5d", baseline.top5_distances)):
        rates = {row["perturbation"]: row[rate] for row in rows}
        try:
            means[f"{rate}-normalised"], ratios = normalised_rate(rates, known), rate_ratios(rates, known)
        except ValueError as error:
            raise EvalError(f"baseline {name!r} cannot normalise {rate}: {error}") from error
        for row in rows:
            row[f"{rate}-normalised"] = ratios[row["perturbation"]]
    return means
