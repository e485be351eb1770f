"""The benchmarks: every protocol by name, light to import, run on demand; and the table columns that name them.

A column is `<benchmark>/<metric>`, with a third part for one fine row (`c/error/fog`, `ood/auroc/svhn`). Published and generated
data, strict and reference attacks are different benchmarks, so no column ever mixes them. Nor does one mix published files with
files that are not shown to be the published ones: `c-own-files/error` is what tables show instead of `c/error` for those.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from augment.plugins import installed, versioned
from eval.benchmarks.builtin import BENCHMARKS
from eval.benchmarks.contract import Benchmark
from eval.benchmarks.params import build_config, nearest, plain_values
from eval.errors import EvalError
from eval.metrics.registry import METRICS, MetricSpec
from eval.metrics.scores import detail_parts
from eval.report import OWN_FILES, REFUSED_SETS, is_small

if TYPE_CHECKING:
    from eval.report import BenchmarkOutcome

ENTRY_POINTS: Final = "dreamgrid.benchmarks"


class Column(NamedTuple):
    """A table column: a metric of a benchmark, or of one of its fine rows; and whether its values are on own files."""

    benchmark: str
    metric: str
    detail: str | None = None
    is_own: bool = False

    def __str__(self) -> str:
        parts = (self.benchmark + OWN_FILES * self.is_own, self.metric, self.detail)
        return "/".join(part for part in parts if part is not None)


def benchmark_for(name: str) -> Benchmark:
    """Return a benchmark by name, ours or one that an installed package adds under the entry points `dreamgrid.benchmarks`.

    Raises:
        EvalError: If there is none of that name, or a package takes a name of ours.
    """
    if name in BENCHMARKS:
        return BENCHMARKS[name]
    added = added_benchmarks()
    if name in added:
        return added[name]
    raise EvalError(f"unknown benchmark {name!r}{nearest(name, [*BENCHMARKS, *added])}")


def added_benchmarks() -> dict[str, Benchmark]:
    """Return the benchmarks that installed packages add.

    Raises:
        EvalError: If an entry point cannot be loaded, is no `Benchmark`, or its name is taken.
    """
    return installed(ENTRY_POINTS, Benchmark, taken=BENCHMARKS, error=EvalError)


def full_params(name: str, params: Mapping[str, object]) -> dict[str, object]:
    """Return all parameters of a benchmark as plain values, defaults filled in.

    Raises:
        EvalError: If the benchmark or a parameter is unknown, or a value does not fit.
    """
    return plain_values(build_config(benchmark_for(name).config, params, owner=f"benchmark {name!r}"))


def check_images(benchmark: Benchmark, params: Mapping[str, object], *, side: int, channels: int) -> None:
    """Refuse parameters of a benchmark that images of this shorter side and number of channels cannot be evaluated with.

    Raises:
        EvalError: If a parameter is unknown, or does not fit the images; says which and what to change.
    """
    if benchmark.check_images is None:
        return
    config = build_config(benchmark.config, params, owner=f"benchmark {benchmark.name!r}")
    try:
        benchmark.check_images(config, side, channels)
    except ValueError as error:
        raise EvalError(f"benchmark {benchmark.name!r}: {error}") from error


def benchmark_identity(name: str, params: Mapping[str, object], dataset_identity: str) -> Mapping[str, object]:
    """Return what a benchmark's key is a hash of, as plain values.

    Args:
        name: Name of the benchmark.
        params: Parameters that differ from the defaults (or all of them: the result is the same).
        dataset_identity: Declared checksum of the test data, and of any published files.

    Raises:
        EvalError: If the benchmark or a parameter is unknown, or a value does not fit.
    """
    return {
        "benchmark": name,
        "semantics": versioned(benchmark_for(name)),
        "params": full_params(name, params),
        "data": dataset_identity,
    }


def parse_column(text: str) -> Column:
    """Return the column that a text such as "c-generated/error" or "c/error/fog" names.

    Raises:
        EvalError: If it names no benchmark, no metric of that benchmark, or a detail where there is none.
    """
    parts = text.split("/", 2)
    if len(parts) not in (2, 3) or not all(parts):
        raise EvalError(
            f"a column must be written <benchmark>/<metric> or <benchmark>/<metric>/<detail>, but got {text!r}"
        )
    is_own = parts[0].endswith(OWN_FILES)
    benchmark = benchmark_for(parts[0].removesuffix(OWN_FILES))
    metrics = (*benchmark.metrics, "ce") if "mce" in benchmark.metrics else benchmark.metrics
    if parts[1] not in metrics:
        raise EvalError(f"benchmark {benchmark.name!r} has no metric {parts[1]!r}{nearest(parts[1], metrics)}")
    if parts[1] not in METRICS:
        raise EvalError(
            f"metric {parts[1]!r} of benchmark {benchmark.name!r} is not described{nearest(parts[1], METRICS)}"
        )
    if len(parts) == 3 and benchmark.details is None:
        raise EvalError(
            f"benchmark {benchmark.name!r} has no fine rows, so {text!r} names none; write {'/'.join(parts[:2])!r}"
        )
    return Column(benchmark.name, parts[1], parts[2] if len(parts) == 3 else None, is_own)


def metric_of(column: Column) -> MetricSpec:
    """Return what a column's metric means."""
    return METRICS[column.metric]


def heading(column: Column) -> str:
    """Return the heading of a column's benchmark ("C", "C (generated)", "C (own files)")."""
    return benchmark_for(column.benchmark).title + (" (own files)" if column.is_own else "")


def column_label(column: Column) -> str:
    """Return the heading of a column ("C (generated) mCE", "C (generated) error: fog")."""
    label = f"{heading(column)} {metric_of(column).label}"
    return f"{label}: {column.detail.replace('_', ' ')}" if column.detail else label


def lower_is_better(column: Column) -> bool:
    """Return the direction of a column."""
    return metric_of(column).lower_is_better


def column_marks(outcome: BenchmarkOutcome, column: Column) -> frozenset[str]:
    """Return the marks that a value of an outcome bears wherever it is shown: limited, small, fewer-sets, generated.

    They are keys of `eval.tables.grid.MARKS`; what only a sweep knows (mixed, incomplete, released) is added there.
    """
    marks = {
        "limited": bool(outcome.notes.get("limited")),
        "small": is_small(outcome, column.metric, column.detail),
        "fewer-sets": REFUSED_SETS in outcome.notes and column.detail in (None, "mean"),
        "generated": benchmark_for(column.benchmark).origin == "generated",
    }
    return frozenset(mark for mark, is_borne in marks.items() if is_borne)


def column_value(outcome: BenchmarkOutcome, column: Column) -> float | None:
    """Return a column's value in an outcome (the mean over the fine rows that its detail names), or None where it has none."""
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
