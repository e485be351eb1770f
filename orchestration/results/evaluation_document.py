"""One evaluation as one document for all axes: what `dreamgrid evaluate --json` prints, and `export` reads. Light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from eval.benchmarks.registry import benchmark_for
from eval.benchmarks.suite.choose import axes_of
from eval.report import BenchmarkOutcome, MetricReport, MetricValue
from eval.tables.column import Column, column_marks
from eval.tables.own_metrics import with_own_metrics

DOCUMENT_KIND: Final = "dreamgrid-evaluation"


def evaluation_document(reports: Sequence[MetricReport], **about: Any) -> dict[str, Any]:
    """Return an evaluation as plain values.

    Args:
        about: checkpoint, sha256, dataset, assumed, architecture, forward_passes_estimated, notes.
    """
    return {
        "kind": DOCUMENT_KIND,
        **about,
        "axes": list(axes_of([report.benchmark for report in reports if report.outcome is not None])),
        "forward_passes": sum(report.outcome.forward_passes for report in reports if report.outcome),
        "missing": {report.benchmark: report.error for report in reports if report.outcome is None},
        "reports": [_report_document(report) for report in reports],
    }


def _report_document(report: MetricReport) -> dict[str, Any]:
    """Return one benchmark's report, metrics of installed packages included, with the marks of its values in a table."""
    outcome = report.outcome
    metrics = with_own_metrics(outcome, benchmark_for(report.benchmark)) if outcome else {}
    shown = [Column(report.benchmark, name) for name in metrics]
    return {
        "benchmark": report.benchmark,
        "shown_as": report.shown_benchmark,
        "semantics": report.semantics,
        "error": report.error,
        "metrics": {name: asdict(value) for name, value in metrics.items()},
        "marks": sorted({mark for column in shown for mark in column_marks(outcome, column)}) if outcome else [],
        "notes": dict(outcome.notes) if outcome else {},
        "rows": [dict(row) for row in outcome.rows] if outcome else [],
        "forward_passes": outcome.forward_passes if outcome else 0,
        "wall_s": report.wall_s,
    }


def outcomes_of(document: Mapping[str, Any]) -> dict[str, BenchmarkOutcome]:
    """Return the outcomes in a document of one evaluation, by benchmark; predictions are not part of it.

    Raises:
        ValueError: If it is no such document.
    """
    if document.get("kind") != DOCUMENT_KIND:
        raise ValueError("the file is no report of `dreamgrid evaluate --json`; write one with it")
    return {
        report["benchmark"]: BenchmarkOutcome(
            metrics={name: MetricValue(**value) for name, value in report["metrics"].items()},
            rows=tuple(report["rows"]),
            notes=report["notes"],
            forward_passes=report.get("forward_passes", 0),
        )
        for report in document["reports"]
        if report["error"] is None
    }
