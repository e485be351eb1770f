"""The document of one evaluation as lines for people: values with their sense, and what a reader of them must know. Light."""

from __future__ import annotations

from collections.abc import Mapping
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
    """Return "note: ..." for what must be known of the numbers, and "missing: ..." for benchmarks that failed, with why."""
    remarks = []
    for report in document["reports"]:
        if "small" in report["marks"] and "small_sets" not in report["notes"]:
            remarks.append(f"{report['benchmark']}: {MARKS['small']}")
        remarks += [f"{report['benchmark']}: {remark}" for remark in _remarks(report["notes"])]
    notes = [f"note: {note}" for note in (*document["notes"], *remarks)]
    return notes + [f"missing: {name}: {reason}" for name, reason in document["missing"].items()]


def _remarks(notes: Mapping[str, Any]) -> list[str]:
    """Return what of a benchmark's notes a reader of its numbers must know."""
    remarks = ["generated images, not published files"] if notes.get("generated") else []
    if "limited" in notes:
        remarks.append(f"limited to {notes['limited']['used']} of {notes['limited']['of']} images")
    remarks += [*size_remarks(notes), *computing_remarks(notes)]
    remarks += [f"{name}: {what} (left out)" for name, what in notes.get(LEFT_OUT, {}).items()]
    remarks += [f"refused and not in the means: {why}" for why in notes.get(REFUSED_SETS, {}).values()]
    for name, each in notes.get("files", {}).items():
        if each["are"] == "own":
            remarks.append(f"own files: {name}: {each['reason']}")
    if "frost" in notes:
        remarks.append(f"frost from {notes['frost']}")
    if "baseline" in notes:
        remarks.append(f"normalised by the baseline {notes['baseline']!r}")
    if "gradient_masking" in notes:
        remarks.append(f"gradient masking: {notes['gradient_masking']}")
    return remarks + [f"{name} is undefined: it {reason}" for name, reason in notes.get("missing", {}).items()]
