"""Tables as GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from typing import Final

from eval.tables.formats.cells import cells, footnotes, headings
from eval.tables.formats.contract import Format, Ink, Style
from eval.tables.grid import Table


def write(table: Table, style: Style) -> str:
    """Return a Markdown table with its title and footnotes."""
    ink = Ink(
        best=lambda text: f"**{text}**",
        second=lambda text: f"<ins>{text}</ins>",  # GitHub strips <u>, and underlines this
        symbol=lambda text: text.replace("*", r"\*"),
        text=markdown_text,
        missing="–",
        plus_minus=" ± ",
    )
    heads = [markdown_text(table.corner), *map(markdown_text, headings(table))]
    lines = [f"| {' | '.join(heads)} |", f"|{'|'.join([':---', *['---:'] * (len(heads) - 1)])}|"]
    body = cells(table, ink, style)
    lines += [f"| {' | '.join([markdown_text(label), *row])} |" for label, row in zip(table.rows, body, strict=True)]
    notes = [f"{ink.symbol(symbol)}{_note(note)}" for symbol, note in footnotes(table)]
    return (
        "\n".join([f"### {markdown_text(table.title)}", "", *lines, *(["", "  \n".join(notes)] if notes else [])])
        + "\n"
    )


def markdown_text(text: str) -> str:
    """Return a name or a label so that Markdown shows it as it is: nothing in it becomes a link, a tag or other markup."""
    return _escaped(text, "_")


def _note(text: str) -> str:
    """Return a sentence so that nothing in it becomes markup; underscores inside of words, as settings have them, never do."""
    return _escaped(text, r"(?<![^\W_])_|_(?![^\W_])")


def _escaped(text: str, underscores: str) -> str:
    """Escape what Markdown would take for its own: a dollar begins a formula on GitHub, a bracket behind another one a link."""
    plain = re.sub(r"&(?=#?\w+;)", "&amp;", text)
    marks = rf"[\\`*|~$]|(?<=\])[(\[:]|#(?=#*$)|{underscores}"
    return re.sub(marks, r"\\\g<0>", plain).replace("<", "&lt;")


FORMAT: Final = Format(name="markdown", write=write)
