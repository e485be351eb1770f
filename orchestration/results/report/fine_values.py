"""Fine values of benchmarks (kinds of corruption, perturbations, outlier sets) by row, kind and severity, with their spread."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from eval.benchmarks.registry import benchmark_for
from eval.report import OWN_FILES, MetricReport
from eval.tables.column import Column
from eval.tables.shades import shades_of
from eval.tables.statistics import Summary, mean_of, summarise
from orchestration.results.report.members import Members, reports_of

ALL: Final = "all"
"""In place of a severity: the mean over all of them."""

_BySeed = dict[int, float]


def fine_values(members: Members, baseline: str | None) -> list[dict[str, Any]]:
    """Return for each benchmark with fine rows and each of its metrics its values over seeds.

    Each has "rows": row -> kind -> severity or "all" -> [mean, sample standard deviation or None, seeds, shade or None], and
    "curve": row -> [severity, mean over the kinds, sample standard deviation over seeds or None, seeds].

    Args:
        baseline: Row whose values the shades compare with; see `eval.tables.shades`.
    """
    found: dict[tuple[str, str], dict[str, dict[str, dict[str, _BySeed]]]] = {}
    for row, cells in members.items():
        for cell, result in cells:
            for name, report in reports_of(result, cell).items():
                for metric, kind, severity, value in _values(name, report):
                    kinds = found.setdefault((name, metric), {}).setdefault(row, {})
                    kinds.setdefault(kind, {}).setdefault(severity, {})[cell.config.seed] = value
    return [_document(Column.of(f"{name}/{metric}"), rows, baseline) for (name, metric), rows in found.items()]


def _document(column: Column, rows: Mapping[str, Mapping[str, Mapping[str, _BySeed]]], baseline: str | None) -> Any:
    spec = column.spec
    severities = sorted({level for kinds in rows.values() for by in kinds.values() for level in by}, key=_as_number)
    table: dict[str, dict[str, dict[str, list[float | None]]]] = {row: {} for row in rows}
    for kind in dict.fromkeys(kind for kinds in rows.values() for kind in kinds):
        for severity in [ALL, *(severities if len(severities) > 1 else [])]:
            summaries = {
                row: summary for row, kinds in rows.items() if (summary := _summary(kinds.get(kind, {}), severity))
            }
            shades = shades_of(summaries, column, baseline, lower_is_better=spec.lower_is_better)
            for row, each in summaries.items():
                table[row].setdefault(kind, {})[severity] = [each.mean, each.spread, each.n, shades[row]]
    return {
        "benchmark": str(column).split("/", 1)[0],
        "metric": column.metric,
        "title": f"{column.heading}: {spec.label}",
        "lower_is_better": spec.lower_is_better,
        "is_percent": spec.is_percent,
        "severities": severities,
        "rows": table,
        "curve": {row: _curve(kinds, severities) for row, kinds in rows.items()} if len(severities) > 1 else {},
    }


def _summary(by_severity: Mapping[str, _BySeed], severity: str) -> Summary | None:
    """Return the values over seeds of one severity, or of the mean over all of them."""
    if severity != ALL:
        values = list(by_severity.get(severity, {}).values())
    else:
        seeds = dict.fromkeys(seed for by in by_severity.values() for seed in by)
        values = [mean_of([by[seed] for by in by_severity.values() if seed in by]) for seed in seeds]
    return summarise(values) if values else None


def _curve(kinds: Mapping[str, Mapping[str, _BySeed]], severities: list[str]) -> list[list[float | None]]:
    points: list[list[float | None]] = []
    for severity in severities:
        by_kind = [by[severity] for by in kinds.values() if severity in by]
        seeds = dict.fromkeys(seed for by in by_kind for seed in by)
        if seeds:
            each = summarise([mean_of([by[seed] for by in by_kind if seed in by]) for seed in seeds])
            points.append([_as_number(severity), each.mean, each.spread, each.n])
    return points


def _values(name: str, report: MetricReport) -> Iterable[tuple[str, str, str, float]]:
    """Yield (metric, kind, severity or "", value) of a report."""
    benchmark = benchmark_for(name.removesuffix(OWN_FILES))
    if benchmark.details is None or report.outcome is None:
        return
    for row in report.outcome.rows:
        if benchmark.details not in row:
            continue
        variant = f" ({row['variant']})" if "variant" in row else ""
        severity = "" if row.get("severity") is None else str(row["severity"])
        for metric in benchmark.metrics:
            value = row.get(metric)
            if isinstance(value, int | float) and math.isfinite(value):
                yield metric, f"{row[benchmark.details]}{variant}", severity, float(value)


def _as_number(severity: str) -> float:
    return float(severity) if severity else 0.0
