"""Tables in any format: Markdown and HTML here, LaTeX in `latex`, CSV and JSON in `machine`. Plain Python."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal

from eval.benchmarks.params import nearest
from eval.errors import EvalError
from eval.tables.formats.entries import Ink, Style, cells, footnotes, headings
from eval.tables.formats.latex import to_latex
from eval.tables.formats.machine import to_csv, to_json
from eval.tables.grid import Table

Format = Literal["markdown", "latex", "csv", "html", "json"]


def render(table: Table, form: Format, style: Style | None = None) -> str:
    """Return a table in a format.

    Raises:
        EvalError: If the format is unknown.
    """
    if form not in _WRITERS:
        raise EvalError(f"unknown table format {form!r}{nearest(form, _WRITERS)}")
    return _WRITERS[form](table, style or Style())


def to_markdown(table: Table, style: Style | None = None) -> str:
    """Return a GitHub-flavoured Markdown table with its title and footnotes."""
    ink = Ink(
        best=lambda text: f"**{text}**",
        second=lambda text: f"<u>{text}</u>",
        symbol=lambda text: text.replace("*", r"\*"),
        text=_markdown_text,
        missing="–",
        plus_minus=" ± ",
    )
    body = cells(table, ink, style or Style())
    heads = [_markdown_text(table.corner), *(_markdown_text(head) for head in headings(table))]
    lines = [f"| {' | '.join(heads)} |", f"|{'|'.join([':---', *['---:'] * (len(heads) - 1)])}|"]
    lines += [f"| {' | '.join([_markdown_text(label), *row])} |" for label, row in zip(table.rows, body, strict=True)]
    notes = [f"{ink.symbol(symbol)}{_markdown_note(note)}" for symbol, note in footnotes(table)]
    return (
        "\n".join([f"### {_markdown_text(table.title)}", "", *lines, *(["", "  \n".join(notes)] if notes else [])])
        + "\n"
    )


def to_html(table: Table, style: Style | None = None) -> str:
    """Return an HTML table element with caption and footnotes; classes `best` and `second` are left to the page's style."""
    ink = Ink(
        best=lambda text: f'<b class="best">{text}</b>',
        second=lambda text: f'<u class="second">{text}</u>',
        symbol=lambda text: f"<sup>{text}</sup>",
        text=html.escape,
        missing="–",
        plus_minus=" ± ",
    )
    body = cells(table, ink, style or Style())
    heads = "".join(f"<th>{html.escape(head)}</th>" for head in [table.corner, *headings(table)])
    rows = "".join(
        f"<tr><th>{html.escape(label)}</th>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n"
        for label, row in zip(table.rows, body, strict=True)
    )
    notes = "<br>".join(
        f"{ink.symbol(symbol) if symbol else ''}{html.escape(note)}" for symbol, note in footnotes(table)
    )
    foot = f'<tfoot><tr><td colspan="{len(headings(table)) + 1}">{notes}</td></tr></tfoot>\n' if notes else ""
    return (
        f"<table>\n<caption>{html.escape(table.title)}</caption>\n<thead><tr>{heads}</tr></thead>\n"
        f"{foot}<tbody>\n{rows}</tbody>\n</table>\n"
    )


def _markdown_text(text: str) -> str:
    """Return a label so that Markdown shows it as it is."""
    return _escaped(text, "_")


def _markdown_note(text: str) -> str:
    """Return a sentence so that nothing in it becomes markup; underscores inside of words, as settings have them, never do."""
    return _escaped(text, r"(?<![^\W_])_|_(?![^\W_])")


def _escaped(text: str, underscores: str) -> str:
    """Escape what Markdown would take for its own: a dollar begins a formula on GitHub, a bracket behind another one a link."""
    plain = re.sub(r"&(?=#?\w+;)", "&amp;", text)
    marks = rf"[\\`*|~$]|(?<=\])[(\[:]|#(?=#*$)|{underscores}"
    return re.sub(marks, r"\\\g<0>", plain).replace("<", "&lt;")


_WRITERS: Final[Mapping[str, Callable[[Table, Style], str]]] = MappingProxyType(
    {"markdown": to_markdown, "latex": to_latex, "csv": to_csv, "html": to_html, "json": to_json}
)
