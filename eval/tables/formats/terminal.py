"""Tables in a terminal, drawn by Rich for what stdout is: bold green best, underlined second best."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from augment.heavy import rich
from eval.tables.formats.cells import cells, footnotes, headings
from eval.tables.formats.contract import Format, Ink, Style
from eval.tables.grid import Table

_PADDING: Final = 3
"""Blanks around the entries of a column, and between two."""

_EDGES: Final = 1
"""Blanks around a table, besides."""


def write(table: Table, style: Style) -> str:
    """Return a table as wide as the terminal, in its colours; where its columns do not fit, in parts one below the other."""
    console = rich.console.Console(file=sys.stdout)
    with console.capture() as drawn:
        for part in drawn_in(console.width, table, style):
            console.print(part)
    return drawn.get()


def drawn_in(width: int, table: Table, style: Style) -> list[rich.table.Table | str]:
    """Return a table as Rich draws it in so many columns of a terminal: in parts with footnotes where it does not fit whole."""
    parts = _parts(table, style, width)
    notes = _notes(table) if len(parts) > 1 else ""
    return [*parts, *([notes] if notes else [])]


def _parts(table: Table, style: Style, width: int) -> list[rich.table.Table]:
    """Return a table in parts that fit, each with as many columns as have room, so that no number is ever broken."""
    columns = _columns(table, style)
    parts: list[list[int]] = [[]]
    for at in range(1, len(columns)):
        grown = [*parts[-1], at]
        if parts[-1] and sum(columns[each].least + _PADDING for each in (0, *grown)) > width - _EDGES:
            parts.append([at])
        else:
            parts[-1] = grown
    return [_drawn(table, [columns[each] for each in (0, *part)], width, len(parts) == 1) for part in parts]


class _Column(NamedTuple):
    """A column as markup.

    Attributes:
        least: Width in which no number, and no word of a heading, is broken.
        natural: Width in which no line is.
    """

    heading: str
    entries: tuple[str, ...]
    least: int
    natural: int


def _columns(table: Table, style: Style) -> list[_Column]:
    ink = Ink(
        best=lambda text: f"[bold green]{text}[/]",
        second=lambda text: f"[underline]{text}[/]",
        symbol=lambda text: text,
        text=rich.markup.escape,
        missing="[dim]–[/]",
        plus_minus=" [dim]±[/] ",
    )
    heads, rows = headings(table), cells(table, ink, style)
    labels = tuple(rich.markup.escape(row) for row in table.rows)
    texts = [table.corner, *table.rows]
    found = [_Column(table.corner, labels, _longest_word(texts), max(map(rich.cells.cell_len, texts)))]
    for at, head in enumerate(heads):
        entries = tuple(row[at] for row in rows)
        numbers = max((rich.text.Text.from_markup(each).cell_len for each in entries), default=1)
        least, natural = max(_longest_word([head]), numbers), max(rich.cells.cell_len(head), numbers)
        found.append(_Column(head, entries, least, natural))
    return found


def _drawn(table: Table, columns: Sequence[_Column], width: int, is_whole: bool) -> rich.table.Table:
    drawn = rich.table.Table(
        title=rich.markup.escape(table.title) if columns[1].heading == headings(table)[0] else None,
        caption=(_notes(table) or None) if is_whole else None,
        box=rich.box.SIMPLE_HEAD,
        caption_justify="left",
    )
    for at, (column, room) in enumerate(zip(columns, _widths(columns, width - _EDGES), strict=True)):
        # A width of its own for each: Rich narrows columns without regard to the numbers in them.
        drawn.add_column(rich.markup.escape(column.heading), justify="right" if at else "left", width=room)
    for row in zip(*(column.entries for column in columns), strict=True):
        drawn.add_row(*row)
    return drawn


def _widths(columns: Sequence[_Column], room: int) -> list[int]:
    """Return the widths of columns: what is left after the least of each goes to those that lack least."""
    spare = room - sum(column.least + _PADDING for column in columns)
    found = [column.least for column in columns]
    for at in sorted(range(len(columns)), key=lambda at: columns[at].natural - columns[at].least):
        more = max(0, min(columns[at].natural - columns[at].least, spare))
        found[at] += more
        spare -= more
    return found


def _notes(table: Table) -> str:
    return "\n".join(rich.markup.escape(f"{symbol} {note}".strip()) for symbol, note in footnotes(table))


def _longest_word(texts: Sequence[str]) -> int:
    return max((rich.cells.cell_len(word) for text in texts for word in text.split()), default=1)


FORMAT: Final = Format(name="terminal", write=write)
