"""Tables in a terminal, drawn by Rich for what stdout is: bold green best, underlined second best."""

from __future__ import annotations

import sys
from typing import Final

from augment.heavy import rich
from eval.tables.formats.cells import cells, footnotes, headings
from eval.tables.formats.contract import Format, Ink, Style
from eval.tables.grid import Table


def write(table: Table, style: Style) -> str:
    """Return a table as wide as the terminal, in its colours."""
    console = rich.console.Console(file=sys.stdout)
    with console.capture() as drawn:
        console.print(to_rich(table, style))
    return drawn.get()


def to_rich(table: Table, style: Style) -> rich.table.Table:
    """Return a table of Rich."""
    ink = Ink(
        best=lambda text: f"[bold green]{text}[/]",
        second=lambda text: f"[underline]{text}[/]",
        symbol=lambda text: text,
        text=rich.markup.escape,
        missing="[dim]–[/]",
        plus_minus=" [dim]±[/] ",
    )
    notes = "\n".join(rich.markup.escape(f"{symbol} {note}".strip()) for symbol, note in footnotes(table))
    drawn = rich.table.Table(
        title=rich.markup.escape(table.title), caption=notes or None, box=rich.box.SIMPLE_HEAD, caption_justify="left"
    )
    drawn.add_column(rich.markup.escape(table.corner), no_wrap=True)
    for heading in headings(table):
        drawn.add_column(rich.markup.escape(heading), justify="right")
    for label, row in zip(table.rows, cells(table, ink, style), strict=True):
        drawn.add_row(rich.markup.escape(label), *row)
    return drawn


FORMAT: Final = Format(name="terminal", write=write)
