"""Tables in a terminal, drawn by Rich; Rich is imported when one is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eval.tables.formats.entries import Ink, Style, cells, footnotes, headings
from eval.tables.grid import Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable


def to_rich(table: Table, style: Style | None = None) -> RichTable:
    """Return a Rich table: bold green best, underlined second best."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table as RichTable

    ink = Ink(
        best=lambda text: f"[bold green]{text}[/]",
        second=lambda text: f"[underline]{text}[/]",
        symbol=lambda text: text,
        text=escape,
        missing="[dim]–[/]",
        plus_minus=" [dim]±[/] ",
    )
    notes = "\n".join(escape(f"{symbol} {note}".strip()) for symbol, note in footnotes(table))
    drawn = RichTable(title=escape(table.title), caption=notes or None, box=box.SIMPLE_HEAD, caption_justify="left")
    drawn.add_column(escape(table.corner), no_wrap=True)
    for heading in headings(table):
        drawn.add_column(escape(heading), justify="right")
    for label, row in zip(table.rows, cells(table, ink, style or Style()), strict=True):
        drawn.add_row(escape(label), *row)
    return drawn
