"""Tables in a terminal, drawn by Rich for what stdout is: bold green best, underlined second best."""

from __future__ import annotations

import sys
from typing import Any, Final

from eval.tables.formats.cells import cells, footnotes, headings
from eval.tables.formats.contract import Format, Ink, Style
from eval.tables.grid import Table


def write(table: Table, style: Style) -> str:
    """Return a table as wide as the terminal, in its colours."""
    from rich.console import Console  # slow to import, and only a drawn table needs it

    console = Console(file=sys.stdout)
    with console.capture() as drawn:
        console.print(to_rich(table, style))
    return drawn.get()


def to_rich(table: Table, style: Style) -> Any:
    """Return a `rich.table.Table`."""
    from rich import box, markup
    from rich import table as rich_table

    ink = Ink(
        best=lambda text: f"[bold green]{text}[/]",
        second=lambda text: f"[underline]{text}[/]",
        symbol=lambda text: text,
        text=markup.escape,
        missing="[dim]–[/]",
        plus_minus=" [dim]±[/] ",
    )
    notes = "\n".join(markup.escape(f"{symbol} {note}".strip()) for symbol, note in footnotes(table))
    drawn = rich_table.Table(
        title=markup.escape(table.title), caption=notes or None, box=box.SIMPLE_HEAD, caption_justify="left"
    )
    drawn.add_column(markup.escape(table.corner), no_wrap=True)
    for heading in headings(table):
        drawn.add_column(markup.escape(heading), justify="right")
    for label, row in zip(table.rows, cells(table, ink, style), strict=True):
        drawn.add_row(markup.escape(label), *row)
    return drawn


FORMAT: Final = Format(name="terminal", write=write)
