"""New numbers from recorded predictions: a metric or a baseline that comes later needs no forward pass.

What was recorded decides the images; the parameters given here decide what is made of them (score, baseline, difficulty).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.benchmarks.registry import benchmark_for
from eval.errors import EvalError
from eval.predictions import Predictions, predictions_from

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eval.report import BenchmarkOutcome

CORRUPTIONS = ("c", "c-generated", "cbar", "cbar-generated")


def recompute(
    name: str,
    params: Mapping[str, object],
    recorded: BenchmarkOutcome,
    *,
    data_root: Path | None = None,
    seed: int = 0,
) -> BenchmarkOutcome:
    """Return the outcome of a benchmark, computed anew from the predictions in a recorded one.

    Args:
        name: Name of the benchmark that was recorded.
        params: Parameters of what is wanted.
        recorded: The recorded outcome with its arrays.
        data_root: Folder of the user's own baselines.
        seed: Seed of the evaluation (of the random subsets of outliers).

    Raises:
        EvalError: If the benchmark keeps no predictions to compute from, or they are incomplete.
    """
    config: Any = benchmark_for(name).config_of(params)
    outcome = _outcome(name, config, recorded.arrays, data_root, seed)
    return replace(outcome, notes={**recorded.notes, **outcome.notes, "recomputed": True})


def _outcome(
    name: str, config: Any, arrays: Mapping[str, NDArray[np.generic]], data_root: Path | None, seed: int
) -> BenchmarkOutcome:
    if name == "clean":
        from eval.benchmarks.runners.clean import clean_outcome

        return clean_outcome(predictions_from(arrays, "clean"))
    if name in CORRUPTIONS:
        from eval.benchmarks.runners.corruption import corruption_outcome

        baseline = getattr(config, "baseline", None)
        return corruption_outcome(_by_severity(arrays), baseline=baseline, data_root=data_root)
    if name in ("p", "p-generated"):
        from eval.benchmarks.runners.consistency import perturbation_outcome

        return perturbation_outcome(_ranked(arrays), config, data_root=data_root)
    if name in ("ood", "ood-generated"):
        from eval.benchmarks.runners.outliers import outlier_outcome

        inside, outside = predictions_from(arrays, "in-distribution"), _outside(arrays)
        return outlier_outcome(inside, outside, score=config.score, repeats=config.repeats, seed=seed)
    raise EvalError(
        f"benchmark {name!r} keeps no predictions that other metrics could be computed from; evaluate it again"
    )


def _by_severity(arrays: Mapping[str, NDArray[np.generic]]) -> dict[tuple[str, int], Predictions]:
    found = dict.fromkeys(tuple(name.split("/")[:2]) for name in arrays)
    return {(kind, int(severity)): predictions_from(arrays, f"{kind}/{severity}") for kind, severity in found}


def _ranked(arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.unsignedinteger[Any]]]:
    suffix = "/top_classes"
    return {
        name.removesuffix(suffix): np.asarray(values, dtype=values.dtype)
        for name, values in arrays.items()
        if name.endswith(suffix)
    }


def _outside(arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, Predictions]:
    names = dict.fromkeys(name.split("/")[1] for name in arrays if name.startswith("outliers/"))
    return {name: predictions_from(arrays, f"outliers/{name}") for name in names}
