"""Metrics that give `compute`: their values from the predictions that are kept of an evaluation, without evaluating again.

As with the built-in metrics, the value of a fine row is the mean over its sets (the severities of a corruption), and the value of
a benchmark the mean over its fine rows; outlier sets face the test images in the same subsets, one outlier to five test images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from eval.benchmarks.contract import Arrays, Benchmark
from eval.errors import EvalError
from eval.inference.sampling import outlier_subsets
from eval.metrics.consistency import reference_of
from eval.metrics.contract import Kept, MetricSpec
from eval.metrics.registry import METRICS, own_metrics
from eval.predictions import kept_sets, predictions_from
from eval.report import BenchmarkOutcome, MetricValue

_INSIDE = "in-distribution"
_OUTSIDE = "outliers/"
_RANKED = "/top_classes"


class Undefined(EvalError):
    """A metric has no value on what was evaluated; the message is a predicate of the metric ("needs at least ...")."""


def kept_of(benchmark: Benchmark) -> frozenset[Kept]:
    """Return which predictions a benchmark keeps: those that its own metrics are functions of, if it keeps any."""
    if benchmark.recompute is None:
        return frozenset()
    return frozenset(METRICS[name].of for name in benchmark.metrics if name in METRICS)


def metrics_for(benchmark: Benchmark) -> dict[str, MetricSpec]:
    """Return the metrics that give `compute` and can be computed from what a benchmark keeps."""
    kept = kept_of(benchmark)
    return {name: spec for name, spec in own_metrics().items() if spec.of in kept}


def own_value(outcome: BenchmarkOutcome, spec: MetricSpec, detail: str | None = None) -> MetricValue:
    """Return the value of a metric of an installed package, with the predictions that it was computed from.

    Args:
        outcome: An evaluation with the predictions that were kept of it.
        detail: The fine row, or None for the mean over all of them.

    Raises:
        Undefined: If no predictions are kept, they are too few, or the metric fails on them or gives no finite number.
        EvalError: If the kept predictions are incomplete.
    """
    rows: dict[str, list[float]] = {}
    count = 0
    for row, arguments, n in _sets(spec.of, outcome, detail):
        if n < spec.min_samples:
            raise Undefined(f"needs at least {spec.min_samples} predictions in each set, but there are {n}")
        rows.setdefault(row, []).append(_computed(spec, arguments))
        count += n
    if not rows:
        raise Undefined("is not known: no predictions were kept of this evaluation; evaluate it again")
    means = [math.fsum(values) / len(values) for values in rows.values()]
    return MetricValue(math.fsum(means) / len(means), count)


def with_own_metrics(outcome: BenchmarkOutcome, benchmark: Benchmark) -> dict[str, MetricValue]:
    """Return the metrics of an outcome, and those of installed packages that have a value on it."""
    found = dict(outcome.metrics)
    for name, spec in metrics_for(benchmark).items():
        try:
            found[name] = own_value(outcome, spec)
        except Undefined:
            continue
    return found


def _computed(spec: MetricSpec, sets: list[tuple[object, ...]]) -> float:
    """Return the mean over pairs of subsets (one for anything but outliers)."""
    assert spec.compute is not None
    try:
        values = [float(spec.compute(*arguments)) for arguments in sets]
    except Exception as error:  # code of others may fail in any way; the table says whose it is
        raise Undefined(f"failed: {type(error).__name__}: {error}") from error
    value = math.fsum(values) / len(values) if all(map(math.isfinite, values)) else math.nan
    if not math.isfinite(value):
        raise Undefined(f"gave {values[0]}, which is not a finite number")
    return value


def _sets(
    of: Kept, outcome: BenchmarkOutcome, detail: str | None
) -> Iterator[tuple[str, list[tuple[object, ...]], int]]:
    """Yield fine row, arguments of `compute` by subset, and number of predictions, of each kept set of a detail."""
    if of == "images":
        yield from _images(outcome.arrays, detail)
    elif of == "outliers":
        yield from _outliers(outcome, detail)
    else:
        for name in outcome.arrays:
            kind = name.removesuffix(_RANKED)
            if name.endswith(_RANKED) and f"{kind}/labels" not in outcome.arrays and detail in (None, kind):
                frames = outcome.arrays[name]
                yield kind, [(frames, reference_of(kind))], len(frames)


def _images(arrays: Arrays, detail: str | None) -> Iterator[tuple[str, list[tuple[object, ...]], int]]:
    for prefix in kept_sets(arrays):
        row = prefix.partition("/")[0]
        if detail in (None, row):
            predictions = predictions_from(arrays, prefix)
            yield row, [(predictions,)], len(predictions)


def _outliers(outcome: BenchmarkOutcome, detail: str | None) -> Iterator[tuple[str, list[tuple[object, ...]], int]]:
    for prefix in kept_sets(outcome.arrays):
        name = prefix.removeprefix(_OUTSIDE)
        if prefix.startswith(_OUTSIDE) and detail in (None, name):
            outside, inside = (predictions_from(outcome.arrays, each) for each in (prefix, _INSIDE))
            repeats = outcome.notes["taken"][name]["subsets"]
            subsets = outlier_subsets(len(outside), len(inside), repeats=repeats, seed=0)
            yield name, [(outside.take(chosen), inside.take(faced)) for chosen, faced in subsets], len(outside)
