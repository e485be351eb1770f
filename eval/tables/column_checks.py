"""Columns that a benchmark leaves empty on a dataset at its parameters, found before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augment.lookup.parameters import nearest
from eval.benchmarks.contract import Benchmark, EvaluationData
from eval.benchmarks.registry import benchmark_for
from eval.metrics.scores import detail_parts
from eval.tables.column import MEAN, Column


def column_problem(column: Column, params: Mapping[str, object], data: EvaluationData) -> str | None:
    """Return why a benchmark leaves a column empty on a test split, or None where it fills it.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    benchmark = benchmark_for(column.benchmark)
    if benchmark.code is not None:  # what a plug-in leaves out is known to it alone
        return None
    config: Any = benchmark.config_of(params)
    if column.detail not in (None, MEAN):
        problem = _detail_problem(benchmark, column, config, data)
        if problem is not None:
            return problem
    elif column.metric == "ce":
        return "'ce' is the error on one corruption; write <benchmark>/ce/<corruption>, or <benchmark>/mce for the mean"
    normalised_by = benchmark.baseline if _is_normalised(column) else None
    if normalised_by is not None and normalised_by(config, data.dataset, data.data_root) is None:
        return _without_baseline(benchmark, column, data)
    least, used = column.spec.min_samples, data.used(config)
    if used < least:
        return f"{column.metric!r} needs at least {least} test images, but there are {used}; use more, or leave it out"
    return None


def missing_baseline(column: Column, params: Mapping[str, object], dataset: str, data_root: Path) -> str | None:
    """Return what is missing for a column that is divided by numbers which are measured on the user's files, or None.

    Args:
        data_root: Folder of datasets and of the user's own baselines.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    benchmark = benchmark_for(column.benchmark)
    if benchmark.missing_baseline is None or not _is_normalised(column):
        return None
    return benchmark.missing_baseline(benchmark.config_of(params), dataset, data_root)


def _is_normalised(column: Column) -> bool:
    """Return whether a column's metric is divided by that of a baseline network."""
    return column.spec.unit == "ratio" and not column.is_computed


def _without_baseline(benchmark: Benchmark, column: Column, data: EvaluationData) -> str | None:
    # what is measured on the user's files is missing data, not a mistake; so is what their folder may still hold
    if benchmark.missing_baseline is not None or (data.data_root is None and benchmark.origin == "published"):
        return None
    return (
        f"{column.metric!r} is divided by the numbers of a baseline network, and none is known of {data.dataset!r} here; "
        f"name one by benchmarks.{benchmark.name}.baseline, or choose another metric"
    )


def _detail_problem(benchmark: Benchmark, column: Column, config: Any, data: EvaluationData) -> str | None:
    detail = column.detail or ""
    if column.metric == "mce":
        return f"'mce' is the mean over all corruptions; write {benchmark.name}/ce/{detail} for one"
    if benchmark.fine_rows is None:
        return None
    name, variant = detail_parts(detail)
    if variant and column.is_computed:
        return f"{column.metric!r} does not depend on a score, so {detail!r} names none; write {name!r}"
    if variant and not benchmark.variants:
        return f"only fine rows of outlier sets are given per score, so {detail!r} names none; write {name!r}"
    known = benchmark.fine_rows(config, data.side)
    if name in known:
        return None
    scores = f", each also with a score ({', '.join(benchmark.variants)})" if benchmark.variants else ""
    return f"there is no fine row {name!r} at these settings{nearest(name, known)}{scores}"
