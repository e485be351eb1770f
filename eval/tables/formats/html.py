"""Tables as HTML elements; how `best` and `second` look is left to the page."""

from __future__ import annotations

from html import escape
from typing import Final

from eval.tables.formats.cells import cells, footnotes, headings
from eval.tables.formats.contract import Format, Ink, Style
from eval.tables.grid import Table


def write(table: Table, style: Style) -> str:
    """Return an HTML table element with caption and footnotes."""
    ink = Ink(
        best=lambda text: f'<b class="best">{text}</b>',
        second=lambda text: f'<u class="second">{text}</u>',
        symbol=lambda text: f"<sup>{text}</sup>",
        text=escape,
        missing="–",
        plus_minus=" ± ",
    )
    heads = "".join(f"<th>{escape(head)}</th>" for head in [table.corner, *headings(table)])
    rows = "".join(
        f"<tr><th>{escape(label)}</th>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n"
        for label, row in zip(table.rows, cells(table, ink, style), strict=True)
    )
    notes = "<br>".join(f"{ink.symbol(symbol) if symbol else ''}{escape(note)}" for symbol, note in footnotes(table))
    foot = f'<tfoot><tr><td colspan="{len(headings(table)) + 1}">{notes}</td></tr></tfoot>\n' if notes else ""
    return (
        f"<table>\n<caption>{escape(table.title)}</caption>\n<thead><tr>{heads}</tr></thead>\n"
        f"{foot}<tbody>\n{rows}</tbody>\n</table>\n"
    )


FORMAT: Final = Format(name="html", write=write)
