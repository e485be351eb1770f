"""Tables as CSV with one line per entry; nothing is rounded."""

from __future__ import annotations

import csv
import io
from typing import Final

from eval.tables.formats.cells import UNDEFINED
from eval.tables.formats.contract import Format, Style
from eval.tables.grid import MARKS, ColumnSpec, Entry, Table

_HEAD: Final = ("row", "group", "column", "label", "unit", "better", "mean", "spread", "n", "low", "high", "marks")


def write(table: Table, style: Style) -> str:
    """Return one line per entry in the printed unit (percent where `unit` says so); the style changes nothing.

    An entry that is undefined has no number and the mark "undefined".
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_HEAD, "published", "verdict"])
    for i, (label, row) in enumerate(zip(table.rows, table.entries, strict=True)):
        for j, (spec, entry) in enumerate(zip(table.columns, row, strict=True)):
            if entry is not None or (i, j) in table.undefined:
                unit = "percent" if spec.is_percent else "ranks"
                better = "lower" if spec.lower_is_better else "higher"
                writer.writerow([label, spec.group, spec.key, spec.label, unit, better, *_values(entry, spec)])
    return out.getvalue()


def _values(entry: Entry | None, spec: ColumnSpec) -> list[object]:
    if entry is None:
        return [None, None, None, None, None, UNDEFINED, None, None]
    scale = 100.0 if spec.is_percent else 1.0
    summary, reference = entry.summary, entry.reference
    spread, low, high = (None if v is None else v * scale for v in (summary.spread, summary.low, summary.high))
    marks = " ".join(mark for mark in MARKS if mark in entry.marks)
    published = (None, None) if reference is None else (reference.value * scale, reference.verdict)
    return [summary.mean * scale, spread, summary.n or None, low, high, marks, *published]


FORMAT: Final = Format(name="csv", write=write)
