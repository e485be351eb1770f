"""Tables in a terminal, drawn by Rich for what stdout is: bold green best, underlined second best."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from augment.heavy import rich
from eval.tables.formats.cells import cells, footnotes, headings
from eval.tables.formats.contract import Format, Ink, Style
from eval.tables.grid import Table


def write(table: Table, style: Style) -> str:
    """Return a table as wide as the terminal, in its colours; where its columns do not fit, in parts one below the other."""
    console = rich.console.Console(file=sys.stdout)
    with console.capture() as drawn:
        parts = _parts(table, style, console)
        for part in parts:
            console.print(part)
        if len(parts) > 1 and (notes := _notes(table)):
            console.print(notes)
    return drawn.get()


def _parts(table: Table, style: Style, console: rich.console.Console) -> list[rich.table.Table]:
    """Return a table in parts that fit, each with as many columns as have room, so that no number is ever broken."""
    parts: list[list[int]] = [[]]
    for column in range(len(headings(table))):
        grown = [*parts[-1], column]
        if parts[-1] and _width(_of_columns(table, style, grown, with_notes=False), console) > console.width:
            parts.append([column])
        else:
            parts[-1] = grown
    return [_of_columns(table, style, part, with_notes=len(parts) == 1) for part in parts]


def _width(drawn: rich.table.Table, console: rich.console.Console) -> int:
    """Return the least width without a line break in a number."""
    return int(drawn.__rich_measure__(console, console.options.update(max_width=10_000)).minimum)


def _of_columns(table: Table, style: Style, chosen: Sequence[int], *, with_notes: bool) -> rich.table.Table:
    ink = Ink(
        best=lambda text: f"[bold green]{text}[/]",
        second=lambda text: f"[underline]{text}[/]",
        symbol=lambda text: text,
        text=rich.markup.escape,
        missing="[dim]–[/]",
        plus_minus=" [dim]±[/] ",
    )
    drawn = rich.table.Table(
        title=rich.markup.escape(table.title) if 0 in chosen else None,
        caption=(_notes(table) or None) if with_notes else None,
        box=rich.box.SIMPLE_HEAD,
        caption_justify="left",
    )
    drawn.add_column(rich.markup.escape(table.corner), min_width=_longest_word([table.corner, *table.rows]))
    heads, rows = headings(table), cells(table, ink, style)
    for at in chosen:
        widths = [rich.text.Text.from_markup(row[at]).cell_len for row in rows]
        least = max([_longest_word([heads[at]]), *widths])
        drawn.add_column(rich.markup.escape(heads[at]), justify="right", min_width=least)
    for label, row in zip(table.rows, rows, strict=True):
        drawn.add_row(rich.markup.escape(label), *(row[at] for at in chosen))
    return drawn


def _notes(table: Table) -> str:
    return "\n".join(rich.markup.escape(f"{symbol} {note}".strip()) for symbol, note in footnotes(table))


def _longest_word(texts: Sequence[str]) -> int:
    return max((rich.cells.cell_len(word) for text in texts for word in text.split()), default=1)


FORMAT: Final = Format(name="terminal", write=write)
