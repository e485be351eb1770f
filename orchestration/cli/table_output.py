"""Tables on stdout: drawn on a terminal, Markdown elsewhere, or as plain values."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orchestration.cli.output import show

if TYPE_CHECKING:
    from eval.tables.grid import Table


def print_tables(tables: Sequence[Table]) -> None:
    """Print tables for people: drawn on a terminal, Markdown elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console

        from eval.tables.formats.terminal import to_rich

        for table in tables:
            Console(file=sys.stdout).print(to_rich(table))
        return
    from eval.tables.formats.render import render

    for table in tables:
        show(render(table, "markdown"))


def tables_document(tables: Sequence[Table]) -> dict[str, Any]:
    """Return `{"table": ...}`, or `{"tables": [...]}` for a union of sweeps, as plain values."""
    import json

    from eval.tables.formats.render import render

    documents = [json.loads(render(table, "json")) for table in tables]
    return {"table": documents[0]} if len(documents) == 1 else {"tables": documents}
