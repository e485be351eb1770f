"""Making a baseline: the errors and rates of one network, stored with where they come from.

`dreamgrid data baselines --model alexnet` uses it: the flip rates and top-5 distances of the published normalisation are not
known, so they are measured once on the user's files with the network that is meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.protocols.baselines import BASELINES
from eval.benchmarks.suite.evaluate import evaluate
from eval.errors import EvalError
from eval.inference.subject import Subject
from eval.report import BenchmarkOutcome

CORRUPTION_BENCHMARKS = ("c", "c-generated")
PERTURBATION_BENCHMARKS = ("p", "p-generated")


def measure_baseline(
    subject: Subject, benchmarks: Mapping[str, Mapping[str, object]], *, what: str, source: str
) -> dict[str, Any]:
    """Return a baseline document of a network.

    Args:
        benchmarks: Benchmark -> parameters; one of corruptions, one of perturbations, or both.
        source: Versions, machine and date of the measurement.

    Raises:
        EvalError: If a benchmark is none of corruptions or perturbations, or fails.
    """
    unfit = sorted(set(benchmarks) - {*CORRUPTION_BENCHMARKS, *PERTURBATION_BENCHMARKS})
    if unfit:
        raise EvalError(f"a baseline is measured on corruptions or perturbations, but got {unfit}")
    requests = [BenchmarkRequest(name=name, params=params, key=name) for name, params in benchmarks.items()]
    document: dict[str, Any] = {"what": what, "source": source, "dataset": subject.dataset}
    document["benchmarks"] = sorted(benchmarks)
    for report in evaluate(subject, requests):
        if report.outcome is None:
            raise EvalError(f"the baseline cannot be measured on {report.benchmark!r}: {report.error}")
        document |= _corruption_part(report.outcome) if report.benchmark in CORRUPTION_BENCHMARKS else {}
        document |= _perturbation_part(report.outcome) if report.benchmark in PERTURBATION_BENCHMARKS else {}
    return document


def store_baseline(document: Mapping[str, Any], name: str, data_root: Path) -> Path:
    """Write a baseline in the data root and return its file.

    Raises:
        EvalError: If one of that name is there already: numbers that it normalised would no longer be explained.
    """
    path = data_root / BASELINES / f"{name}.yaml"
    if path.exists():
        raise EvalError(f"the baseline {name!r} exists already in {path}; choose another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(dict(document), sort_keys=False), encoding="utf-8")
    return path


def _corruption_part(outcome: BenchmarkOutcome) -> dict[str, Any]:
    rows: Sequence[Mapping[str, Any]] = [row for row in outcome.rows if "severity" in row]
    if {row["severity"] for row in rows} != {1, 2, 3, 4, 5}:
        raise EvalError(
            "a baseline needs all five severities, since each normalises its own; leave `severities` at its default"
        )
    errors: dict[str, list[float]] = {}
    for row in sorted(rows, key=lambda row: int(row["severity"])):
        errors.setdefault(row["corruption"], []).append(row["error"])
    return {"errors": errors}


def _perturbation_part(outcome: BenchmarkOutcome) -> dict[str, Any]:
    return {
        "flip_rates": {row["perturbation"]: row["mfr"] for row in outcome.rows},
        "top5_distances": {row["perturbation"]: row["mt5d"] for row in outcome.rows},
    }
