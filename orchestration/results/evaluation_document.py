"""One evaluation as one document for all axes: what `dreamgrid evaluate --json` prints, and `export` reads. Light."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ValidationError

from augment.files.given import MIB, read_given_text
from eval.benchmarks.registry import benchmark_for
from eval.benchmarks.suite.choose import axes_of
from eval.metrics.registry import METRICS
from eval.report import BenchmarkOutcome, MetricReport, MetricValue
from eval.tables.column import Column, column_marks
from eval.tables.own_metrics import with_own_metrics

DOCUMENT_KIND: Final = "dreamgrid-evaluation"
LARGEST_BYTES: Final = 64 * MIB
_LARGEST: Final = 2**63
_SHOWN: Final = 400
"""Letters of a list of mistakes that a message shows."""


class _Metric(BaseModel, strict=True):
    value: float
    n: int


class _Taken(BaseModel, strict=True):
    subsets: int
    outliers: int
    of_outliers: int
    test_images: int
    of_test_images: int


class _Sets(BaseModel, strict=True):
    """What readers of notes take apart; other notes are passed on as they are."""

    files: dict[str, dict[str, Any]] = {}
    small_sets: dict[str, int] = {}
    taken: dict[str, _Taken] = {}


def _with_numbers(row: dict[str, Any]) -> dict[str, Any]:
    """Refuse a fine row whose metrics are no numbers, or larger ones than a float can be."""
    wrong = [name for name in METRICS if isinstance(row.get(name), str) or abs(row.get(name) or 0) > _LARGEST]
    if wrong:
        raise ValueError(f"{wrong[0]} must be a number")
    return row


class _Report(BaseModel, strict=True):
    benchmark: str
    error: str | None
    metrics: dict[str, _Metric]
    rows: list[Annotated[dict[str, str | bool | int | float | None], AfterValidator(_with_numbers)]]
    notes: _Sets
    settings: list[str] = []
    forward_passes: int = 0


class _Document(BaseModel, strict=True):
    """What is read of a document."""

    checkpoint: str
    dataset: str
    architecture: str = ""
    reports: list[_Report]


def evaluation_document(
    reports: Sequence[MetricReport], settings: Mapping[str, Sequence[str]], **about: Any
) -> dict[str, Any]:
    """Return an evaluation as plain values.

    Args:
        settings: Benchmark -> its parameters that are not the usual ones, as far as they are known.
        about: checkpoint, sha256, dataset, assumed, architecture, forward_passes_estimated, notes.
    """
    return {
        "kind": DOCUMENT_KIND,
        **about,
        "axes": list(axes_of([report.benchmark for report in reports if report.outcome is not None])),
        "forward_passes": sum(report.outcome.forward_passes for report in reports if report.outcome),
        "missing": {report.benchmark: report.error for report in reports if report.outcome is None},
        "reports": [
            {**_report_document(report), "settings": list(settings.get(report.benchmark, ()))} for report in reports
        ],
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


def read_document(path: Path) -> dict[str, Any]:
    """Return the document of one evaluation in a file, as `evaluation_document` gives it.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it contains no such document; the text is a sentence.
    """
    text = read_given_text(path, LARGEST_BYTES)
    try:
        found = json.loads(text)
        if not isinstance(found, dict) or found.get("kind") != DOCUMENT_KIND:
            raise ValueError("the file is no report of `dreamgrid evaluate --json`; write one with it")
        _Document.model_validate(found)
    except RecursionError as error:
        raise ValueError("its values are nested too deep to be read") from error
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)]
        raise ValueError(f"it has other values than such a report: {'; '.join(wrong[:3])[:_SHOWN]}") from error
    return found


def outcomes_of(document: Mapping[str, Any]) -> dict[str, BenchmarkOutcome]:
    """Return the outcomes in a document of one evaluation, by benchmark; predictions are not part of it."""
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
