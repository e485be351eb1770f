"""Columns that a benchmark leaves empty on a dataset at its parameters, found before anything runs. Light: no NumPy, no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from augment.lookup.parameters import nearest
from eval.benchmarks.baselines import baseline_name
from eval.benchmarks.builtin import BENCHMARKS
from eval.benchmarks.checks import EvaluationData
from eval.benchmarks.registry import benchmark_for
from eval.corruptions.cbar.registry import cbar_kinds
from eval.metrics.registry import METRICS
from eval.metrics.scores import SCORES, detail_parts
from eval.tables.column import MEAN, Column

NORMALISED: Final = frozenset({"mce", "ce", "mfr-normalised", "mt5d-normalised"})
"""Metrics that are divided by those of a baseline network."""


def column_problem(column: Column, params: Mapping[str, object], split: EvaluationData) -> str | None:
    """Return why a benchmark leaves a column empty on a test split, or None where it fills it.

    Args:
        column: The column.
        params: Parameters of its benchmark.
        split: What is evaluated on.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    if column.benchmark not in BENCHMARKS:
        return None
    config: Any = benchmark_for(column.benchmark).config_of(params)
    detail = None if column.detail == MEAN else column.detail
    if detail is not None:
        problem = _detail_problem(column, detail, config, split)
        if problem is not None:
            return problem
    elif column.metric == "ce":
        return "'ce' is of one corruption; write <benchmark>/ce/<corruption>, or <benchmark>/mce for the mean"
    if column.metric in NORMALISED and baseline_name(column.benchmark, config, split.dataset, split.data_root) is None:
        # of P no baseline was published: it is measured on the user's files, like other data that may be missing
        if column.benchmark == "p" or (split.data_root is None and column.benchmark == "c"):
            return None
        return (
            f"{column.metric!r} is divided by the numbers of a baseline network, and none is known of {split.dataset!r} here; "
            f"name one by benchmarks.{column.benchmark}.baseline, or choose another metric"
        )
    least, used = METRICS[column.metric].min_samples, split.used(config)
    if used < least:
        return f"{column.metric!r} needs at least {least} test images, but there are {used}; use more, or leave it out"
    return None


def missing_baseline(column: Column, params: Mapping[str, object], dataset: str, data_root: Path) -> str | None:
    """Return what is missing for a column of P that is divided by the numbers of a baseline network, or None.

    Args:
        column: The column.
        params: Parameters of its benchmark.
        dataset: The dataset whose networks are evaluated.
        data_root: Folder of datasets and of the user's own baselines.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    if column.benchmark != "p" or column.metric not in NORMALISED:
        return None
    config: Any = benchmark_for("p").config_of(params)
    if baseline_name("p", config, dataset, data_root) is not None:
        return None
    return (
        f"'mfr-normalised' and 'mt5d-normalised' of {dataset!r} are divided by the numbers of a baseline network, which were "
        f"never published and are not in {data_root}; measure AlexNet's on your files: dreamgrid data baselines --model alexnet"
    )


def _detail_problem(column: Column, detail: str, config: Any, split: EvaluationData) -> str | None:
    if column.metric == "mce":
        return f"'mce' is the mean over all corruptions; write {column.benchmark}/ce/{detail} for one"
    name, score = detail_parts(detail)
    if score and not column.benchmark.startswith("ood"):
        return f"only fine rows of outlier sets are given per score, so {detail!r} names none; write {name!r}"
    known = _fine_rows(column.benchmark, config, split)
    if name in known:
        return None
    scores = f", each also with a score ({', '.join(SCORES)})" if column.benchmark.startswith("ood") else ""
    return f"there is no fine row {name!r} at these settings{nearest(name, known)}{scores}"


def _fine_rows(name: str, config: Any, split: EvaluationData) -> Sequence[str]:
    """Return the names of the fine rows that a benchmark gives."""
    if name.startswith("ood"):
        return (*config.sets, MEAN)
    if name in ("p", "p-generated"):
        return tuple(config.chosen)
    return tuple(config.kinds or cbar_kinds(split.side))
