"""Tables as HTML elements. A page gives them its own style; alone, in a notebook, they bring one that fits light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from eval.tables.formats.cells import cells, footnotes, headings
from eval.tables.formats.contract import Format, Ink, Style
from eval.tables.grid import Table

_DIRECTIONS: Final = {"↓": "lower is better", "↑": "higher is better"}

STYLE: Final = """<style>
.dreamgrid { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.dreamgrid caption { text-align: left; font-weight: 600; padding-bottom: 6px; }
.dreamgrid th, .dreamgrid td { padding: 4px 9px; text-align: right; white-space: nowrap; border: 0;
  border-bottom: 1px solid #8886; background: none; color: inherit; }
.dreamgrid thead th { vertical-align: bottom; white-space: normal; max-width: 9.5em; border-bottom: 2px solid #8888; }
.dreamgrid th:first-child { text-align: left; }
.dreamgrid tfoot td { text-align: left; white-space: normal; font-size: .85em; border: 0; padding-top: 8px; }
</style>
"""


def table_element(table: Table, style: Style) -> str:
    """Return an HTML table element with caption and footnotes, of the class `dreamgrid`."""
    ink = Ink(
        best=lambda text: f'<b class="best">{text}</b>',
        second=lambda text: f'<u class="second">{text}</u>',
        symbol=lambda text: f"<sup>{text}</sup>",
        text=escape,
        missing="–",
        plus_minus=" ± ",
    )
    heads = "".join(f'<th scope="col">{_spoken(escape(head))}</th>' for head in [table.corner, *headings(table)])
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th>{"".join(f"<td>{cell}</td>" for cell in row)}</tr>\n'
        for label, row in zip(table.rows, cells(table, ink, style), strict=True)
    )
    notes = "<br>".join(f"{ink.symbol(symbol) if symbol else ''}{escape(note)}" for symbol, note in footnotes(table))
    foot = f'<tfoot><tr><td colspan="{len(headings(table)) + 1}">{notes}</td></tr></tfoot>\n' if notes else ""
    return (
        f'<table class="dreamgrid">\n<caption>{escape(table.title)}</caption>\n<thead><tr>{heads}</tr></thead>\n'
        f"{foot}<tbody>\n{rows}</tbody>\n</table>\n"
    )


def _spoken(heading: str) -> str:
    """Return a heading whose arrow a screen reader speaks as what it means."""
    for sign, meaning in _DIRECTIONS.items():
        if heading.endswith(f" {sign}"):
            return f'{heading[:-2]}&nbsp;<span role="img" aria-label="{meaning}">{sign}</span>'
    return heading


def join(texts: Sequence[str]) -> str:
    """Return tables with a style of their own."""
    return "\n".join([*texts, STYLE])


FORMAT: Final = Format(name="html", write=table_element, join=join)
