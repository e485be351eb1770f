"""Tables on stdout: drawn on a terminal, Markdown elsewhere, or as plain values."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from eval.tables.formats.contract import Style
from eval.tables.formats.json import document
from eval.tables.formats.registry import render_all
from eval.tables.grid import Table
from orchestration.cli.output import show


def print_tables(tables: Sequence[Table]) -> None:
    """Print tables for people: drawn on a terminal, Markdown elsewhere."""
    show(render_all(tables, "terminal" if sys.stdout.isatty() else "markdown"))


def tables_document(tables: Sequence[Table]) -> dict[str, Any]:
    """Return `{"table": ...}`, or `{"tables": [...]}` for a union of sweeps, as plain values."""
    documents = [document(table, Style()) for table in tables]
    return {"table": documents[0]} if len(documents) == 1 else {"tables": documents}
