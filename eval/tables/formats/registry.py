"""The table formats by name; adding one is a file here and a line in the mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from augment.lookup.parameters import nearest
from eval.errors import EvalError
from eval.tables.formats import csv, html, json, latex, markdown, terminal
from eval.tables.formats.contract import Format, Style
from eval.tables.grid import Table

FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "terminal": terminal.FORMAT,
        "markdown": markdown.FORMAT,
        "latex": latex.FORMAT,
        "csv": csv.FORMAT,
        "html": html.FORMAT,
        "json": json.FORMAT,
    }
)


def format_for(name: str) -> Format:
    """Return a format by name."""
    if name not in FORMATS:
        raise EvalError(f"unknown table format {name!r}{nearest(name, FORMATS)}")
    return FORMATS[name]


def render(table: Table, form: str, style: Style | None = None) -> str:
    """Return a table in a format.

    Raises:
        EvalError: If the format is unknown.
    """
    return render_all([table], form, style)


def render_all(tables: Sequence[Table], form: str, style: Style | None = None) -> str:
    """Return tables in a format, as one text.

    Raises:
        EvalError: If the format is unknown.
    """
    chosen = format_for(form)
    return chosen.join([chosen.write(table, style or Style()) for table in tables])
