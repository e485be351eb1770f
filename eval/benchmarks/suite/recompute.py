"""New numbers from recorded predictions: a metric or a baseline that comes later needs no forward pass.

What was recorded decides the images; the parameters given here decide what is made of them (score, baseline, difficulty).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from eval.benchmarks.registry import benchmark_for
from eval.errors import EvalError
from eval.report import BenchmarkOutcome


def recompute(
    name: str, params: Mapping[str, object], recorded: BenchmarkOutcome, *, data_root: Path | None = None, seed: int = 0
) -> BenchmarkOutcome:
    """Return the outcome of a benchmark, computed again from the predictions in a recorded one.

    Args:
        name: Name of the benchmark that was recorded.
        seed: Seed of the evaluation (of the random subsets of outliers).

    Raises:
        EvalError: If the benchmark keeps no predictions to compute from, or they are incomplete.
    """
    benchmark = benchmark_for(name)
    if benchmark.recompute is None:
        raise EvalError(
            f"benchmark {name!r} keeps no predictions that other metrics could be computed from; evaluate it again"
        )
    outcome = benchmark.recompute(benchmark.config_of(params), recorded.arrays, data_root, seed)
    return replace(outcome, notes={**recorded.notes, **outcome.notes, "recomputed": True})
