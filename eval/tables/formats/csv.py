"""Tables as CSV with one line per entry; nothing is rounded."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Final

from eval.tables.formats.cells import UNDEFINED
from eval.tables.formats.contract import Format, Style
from eval.tables.grid import MARKS, ColumnSpec, Entry, Reference, Table

_FORMULA: Final = re.compile(r"'?[=+\-@\t\r]")
"""How a text begins that a spreadsheet would run as a formula, or that begins with the quote that prevents it."""
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?%?")

_HEAD: Final = ("row", "group", "column", "label", "unit", "better", "mean", "spread", "n", "low", "high", "marks")


def write(table: Table, style: Style) -> str:
    """Return one line per entry in the printed unit (percent where `unit` says so); the style changes nothing.

    An entry that is undefined has no number and the mark "undefined"; where a published number is expected, none of ours.
    """
    lines: list[Sequence[object]] = [(*_HEAD, "published", "verdict")]
    for i, (label, row) in enumerate(zip(table.rows, table.entries, strict=True)):
        for j, (spec, entry) in enumerate(zip(table.columns, row, strict=True)):
            reference = table.expected.get((i, j)) if entry is None else entry.reference
            mark = UNDEFINED if (i, j) in table.undefined else ""
            if entry is not None or mark or reference is not None:
                unit = "percent" if spec.is_percent else "ranks"
                better = "lower" if spec.lower_is_better else "higher"
                numbers = [None, None, None, None, None, mark] if entry is None else _values(entry, spec)
                published = _published(reference, spec)
                lines.append([label, spec.group, spec.key, spec.label, unit, better, *numbers, *published])
    return csv_text(lines)


def csv_text(lines: Iterable[Sequence[object]]) -> str:
    """Return lines of cells as CSV in which no text is a formula: one that would be gets a single quote in front.

    Spreadsheets run cells that begin with =, +, -, @, a tab or a carriage return; numbers stay numbers.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([_safe(cell) if isinstance(cell, str) else cell for cell in line] for line in lines)
    return out.getvalue()


def text_in_csv(cell: str) -> str:
    """Return the text that `csv_text` wrote as a cell: without the quote that it put in front."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell


def _safe(text: str) -> str:
    safe = f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
    return safe.replace("\r", " ")  # which Python's writer does not quote, and readers take for the end of a line


def _values(entry: Entry, spec: ColumnSpec) -> list[object]:
    scale, summary = _scale(spec), entry.summary
    spread, low, high = (None if v is None else v * scale for v in (summary.spread, summary.low, summary.high))
    marks = " ".join(mark for mark in MARKS if mark in entry.marks)
    return [summary.mean * scale, spread, summary.n or None, low, high, marks]


def _published(reference: Reference | None, spec: ColumnSpec) -> list[object]:
    return [None, None] if reference is None else [reference.value * _scale(spec), reference.verdict]


def _scale(spec: ColumnSpec) -> float:
    return 100.0 if spec.is_percent else 1.0


FORMAT: Final = Format(name="csv", write=write)
