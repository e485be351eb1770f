"""The document of one evaluation as lines for people: values with their sense, and what a reader of them must know. Light."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from eval.benchmarks.registry import benchmark_for
from eval.report import LEFT_OUT, REFUSED_SETS, computing_remarks, size_remarks
from eval.tables.column import Column, value_text
from eval.tables.formats.cells import UNDEFINED
from eval.tables.grid import MARKS

EVALUATION_HEAD: Final = ("axis", "metric", "value", "better", "n")


def evaluation_rows(document: Mapping[str, Any]) -> list[list[str]]:
    """Return a row of `EVALUATION_HEAD` for each metric, in percent where it is a rate; undefined ones say so."""
    rows = []
    for report in document["reports"]:
        for name, value in report["metrics"].items():
            column = Column.of(f"{report['shown_as']}/{name}")
            better = "lower" if column.spec.lower_is_better else "higher"
            axis = column.axis if column.is_computed else benchmark_for(column.benchmark).axis
            rows.append([axis, column.label, value_text(column, value["value"]), better, str(value["n"])])
        for name in report["notes"].get("missing", {}):
            column = Column.of(f"{report['shown_as']}/{name}")
            rows.append([benchmark_for(column.benchmark).axis, column.label, UNDEFINED, "", ""])
    return rows


def main_numbers(document: Mapping[str, Any]) -> list[str]:
    """Return one number of each benchmark, its error where it has one: "Clean Error 7.04 %"."""
    numbers = []
    for report in document["reports"]:
        metrics = report["metrics"]
        name = "error" if "error" in metrics else next(iter(metrics), None)
        if name is not None:
            column = Column.of(f"{report['shown_as']}/{name}")
            numbers.append(f"{column.label} {value_text(column, metrics[name]['value'])}")
    return numbers


def evaluation_notes(document: Mapping[str, Any]) -> list[str]:
    """Return what must be known of the numbers, those that mark values first; then benchmarks that failed, with why."""
    return [*marking_notes(document), *further_notes(document), *missing_lines(document)]


def marking_notes(document: Mapping[str, Any]) -> list[str]:
    """Return "note: ..." for what marks values, and for what is not as published; equal notes of several benchmarks are one."""
    marking = ((report["benchmark"], _marks(report)) for report in document["reports"])
    return [*(f"note: {note}" for note in document["notes"]), *_together(marking)]


def further_notes(document: Mapping[str, Any]) -> list[str]:
    """Return "note: ..." for how values came about; equal notes of several benchmarks are one."""
    return _together((report["benchmark"], _further(report["notes"])) for report in document["reports"])


def missing_lines(document: Mapping[str, Any]) -> list[str]:
    """Return "missing: ..." for benchmarks that failed, with why."""
    return [f"missing: {name}: {reason}" for name, reason in document["missing"].items()]


def _together(remarks: Iterable[tuple[str, list[str]]]) -> list[str]:
    found: dict[str, list[str]] = {}
    for benchmark, texts in remarks:
        for text in texts:
            found.setdefault(text, []).append(benchmark)
    return [f"note: {', '.join(benchmarks)}: {text}" for text, benchmarks in found.items()]


def _marks(report: Mapping[str, Any]) -> list[str]:
    """Return what makes a benchmark's values other than they seem: on which images they are, and which are undefined."""
    notes = report["notes"]
    remarks = ["generated images, not published files"] if notes.get("generated") else []
    remarks += [", ".join(report["settings"])] if report.get("settings") else []
    if "limited" in notes:
        remarks.append(f"limited to {notes['limited']['used']} of {notes['limited']['of']} images")
    if "small" in report["marks"] or "small_sets" in notes:
        remarks.append(MARKS["small"])
    remarks += computing_remarks(notes)
    remarks += [f"{name}: {what} (left out)" for name, what in notes.get(LEFT_OUT, {}).items()]
    remarks += [f"refused and not in the means: {why}" for why in notes.get(REFUSED_SETS, {}).values()]
    for name, each in notes.get("files", {}).items():
        if each["are"] == "own":
            remarks.append(f"own files: {name}: {each['reason']}")
    return remarks + [f"{name} is undefined: it {reason}" for name, reason in notes.get("missing", {}).items()]


def _further(notes: Mapping[str, Any]) -> list[str]:
    remarks = size_remarks(notes)
    if "frost" in notes:
        remarks.append(f"frost from {notes['frost']}")
    if "baseline" in notes:
        remarks.append(f"normalised by the baseline {notes['baseline']!r}")
    if "gradient_masking" in notes:
        remarks.append(f"gradient masking: {notes['gradient_masking']}")
    return remarks
