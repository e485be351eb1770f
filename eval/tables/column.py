"""Columns of tables: a metric of a benchmark, or of one of its fine rows. Light: no NumPy.

A column is written `<benchmark>/<metric>`, with a third part for one fine row (`c/error/fog`, `ood/auroc/svhn`). Published and
generated data, strict and reference attacks are different benchmarks, so no column ever mixes them. Nor does one mix published
files with files that are not shown to be the published ones: `c-own-files/error` is shown instead of `c/error` for those.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from augment.lookup.parameters import nearest
from eval.benchmarks.contract import Benchmark
from eval.benchmarks.registry import benchmark_for
from eval.errors import EvalError
from eval.metrics.contract import MetricSpec, SafetyAxis
from eval.metrics.registry import METRICS, metric_for, own_metrics
from eval.metrics.scores import detail_parts
from eval.report import OWN_FILES, REFUSED_SETS, BenchmarkOutcome, is_small
from eval.tables.own_metrics import Undefined, kept_of, metrics_for, own_value

MEAN: Final = "mean"
"""The detail that names the mean over all fine rows."""


@dataclass(frozen=True, slots=True)
class Column:
    """A table column; whether its benchmark and metric exist is checked by `check_column`.

    Attributes:
        detail: The fine row, or None for the whole benchmark.
        is_own: Whether its values are on files that are not shown to be the published ones.
    """

    benchmark: str
    metric: str
    detail: str | None = None
    is_own: bool = False

    @classmethod
    def of(cls, text: str) -> Column:
        """Return the column that a text is written as, whether or not it exists.

        Raises:
            EvalError: If the text is not written as a column is.
        """
        parts = text.split("/", 2)
        if len(parts) not in (2, 3) or not all(parts):
            raise EvalError(
                f"a column must be written <benchmark>/<metric> or <benchmark>/<metric>/<detail>, but got {text!r}"
            )
        detail = parts[2] if len(parts) == 3 else None
        return cls(parts[0].removesuffix(OWN_FILES), parts[1], detail, parts[0].endswith(OWN_FILES))

    def __str__(self) -> str:
        parts = (self.benchmark + OWN_FILES * self.is_own, self.metric, self.detail)
        return "/".join(part for part in parts if part is not None)

    @property
    def spec(self) -> MetricSpec:
        """What its metric means.

        Raises:
            EvalError: If there is no such metric.
        """
        return metric_for(self.metric)

    @property
    def heading(self) -> str:
        """Heading of its benchmark: "C", "C (generated)", "C (own files)"."""
        return benchmark_for(self.benchmark).title + (" (own files)" if self.is_own else "")

    @property
    def label(self) -> str:
        """Its heading: "C (generated) mCE", "C (generated) CE: fog"."""
        label = f"{self.heading} {self.spec.label}"
        return f"{label}: {self.detail.replace('_', ' ')}" if self.detail else label

    @property
    def axis(self) -> SafetyAxis:
        """Its safety axis: that of its metric (calibration errors count as calibration on any images), else of its benchmark."""
        return self.spec.axis or benchmark_for(self.benchmark).axis

    @property
    def is_computed(self) -> bool:
        """Whether its metric is computed from kept predictions, and is not one that its benchmark yields."""
        known = METRICS.get(self.metric)
        gives_compute = known is None or known.compute is not None
        return gives_compute and self.metric not in benchmark_for(self.benchmark).metrics

    def of_row(self, detail: str | None) -> Column:
        """Return the column of a fine row, or of the whole benchmark."""
        return replace(self, detail=detail)

    def without_mean(self) -> Column:
        """Return the column of the whole benchmark where it names the mean over all fine rows, else itself."""
        return self.of_row(None) if self.detail == MEAN else self


def check_column(column: Column) -> None:
    """Refuse a column that does not exist.

    Raises:
        EvalError: If it names no benchmark, no metric of that benchmark, or a detail where there is none.
    """
    benchmark = benchmark_for(column.benchmark)
    metrics = (*benchmark.metrics, "ce") if "mce" in benchmark.metrics else benchmark.metrics
    if column.metric not in metrics:
        _check_computed(column, benchmark, metrics)
    elif column.metric not in METRICS and column.metric not in own_metrics():
        raise EvalError(
            f"metric {column.metric!r} of benchmark {benchmark.name!r} is not described"
            f"{nearest(column.metric, [*METRICS, *own_metrics()])}"
        )
    if column.detail is not None and benchmark.details is None:
        raise EvalError(
            f"benchmark {benchmark.name!r} has no fine rows, so {str(column)!r} names none; "
            f"write {str(column.of_row(None))!r}"
        )


def _check_computed(column: Column, benchmark: Benchmark, metrics: tuple[str, ...]) -> None:
    """Refuse a metric that a benchmark does not yield, unless an installed package computes it from what the benchmark keeps."""
    usable, own = metrics_for(benchmark), own_metrics().get(column.metric)
    if column.metric in usable:
        return
    if own is None:
        known = nearest(column.metric, (*metrics, *usable))
        raise EvalError(f"benchmark {benchmark.name!r} has no metric {column.metric!r}{known}")
    kept = f"predictions on {' and '.join(sorted(kept_of(benchmark)))}" if kept_of(benchmark) else "no predictions"
    raise EvalError(
        f"metric {own.name!r} is computed from kept predictions on {own.of}, but benchmark {benchmark.name!r} keeps {kept}"
    )


def value_text(column: Column, value: float) -> str:
    """Return a single value with its unit: "7.04 %"; ranks, and metrics of packages that are not installed, are plain numbers."""
    try:
        is_percent = column.spec.is_percent
    except EvalError:
        is_percent = False
    return f"{100 * value:.2f} %" if is_percent else f"{value:.4f}"


def column_marks(outcome: BenchmarkOutcome, column: Column) -> frozenset[str]:
    """Return the marks that a value of an outcome bears wherever it is shown: limited, small, fewer-sets, generated.

    They are keys of `eval.tables.grid.MARKS`; what only a sweep knows (mixed, incomplete, released) is added there.
    """
    marks = {
        "limited": bool(outcome.notes.get("limited")),
        "small": is_small(outcome, column.metric, column.detail),
        "fewer-sets": REFUSED_SETS in outcome.notes and column.detail in (None, MEAN),
        "generated": benchmark_for(column.benchmark).origin == "generated",
    }
    return frozenset(mark for mark, is_borne in marks.items() if is_borne)


def column_value(outcome: BenchmarkOutcome, column: Column) -> float | None:
    """Return a column's value in an outcome (the mean over the fine rows that its detail names), or None where it has none."""
    if column.is_computed:
        try:
            return own_value(outcome, column.spec, column.detail).value
        except Undefined:
            return None
    if column.detail is None:
        found = outcome.metrics.get(column.metric)
        return None if found is None else found.value
    field = benchmark_for(column.benchmark).details
    name, variant = detail_parts(column.detail)
    variant = variant or str(outcome.notes.get("variant", ""))
    values = [
        float(row[column.metric])
        for row in outcome.rows
        if field is not None
        and row.get(field) == name
        and row.get("variant", variant) == variant
        and row.get(column.metric) is not None
    ]
    return sum(values) / len(values) if values else None
