"""Tables as LaTeX with booktabs: bold best, underlined second best, arrows in the head.

A table that would have to be scaled below 80 % to fit is cut between columns: its parts stand below each other, and what does not
fit on a page goes on in the next table.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Final

from eval.tables.formats.cells import cells, footnotes, headings
from eval.tables.formats.contract import Format, Ink, Style
from eval.tables.formats.latex_text import cjk_font, latex_symbol, latex_text
from eval.tables.grid import Table

_AS_WIDE_AS_THE_TEXT: Final = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}"
_ARROWS: Final = MappingProxyType({True: r"$\downarrow$", False: r"$\uparrow$"})

_TEXT_WIDTH: Final = 345.0
"""Points that a line of LaTeX's article has in one column at 10 pt; styles of conferences have more over both columns."""
_COLUMN_WIDTH: Final = 229.0
"""Points that one of its two columns has."""
_SMALLEST_SCALE: Final = 0.8
_CHARACTER: Final = 5.6
"""Points of a character; a digit at 10 pt has 5, a capital letter up to 7.5."""
_COLUMN_GAP: Final = 8.0
_ROWS_A_PAGE: Final = 40

Block = range
"""Columns that stand next to each other."""


def write(table: Table, style: Style) -> str:
    """Return a LaTeX table, or several where it does not fit on a page; the first line says which packages it needs."""
    body = cells(table, _INK, style)
    plain = cells(table, _PLAIN, style)
    blocks = list(_blocks(table, plain))
    pages = list(_pages(blocks, len(table.rows) + 5))
    font = cjk_font("".join([table.title, table.corner, *table.rows, *headings(table), *table.notes]))
    width = max(_width(table, plain, block) for block in blocks)
    # in a document of two columns a starred table spans both; in one column it is a table like any other
    kind = "table*" if width > _COLUMN_WIDTH else "table"
    name = _label(table)
    lines = [_packages(font)]
    for number, page in enumerate(pages):
        lines += [
            rf"\begin{{{kind}}}[t]",
            *([rf"\ifdefined\Umathcode\else\begin{{CJK*}}{{UTF8}}{{{font}}}\fi"] if font else []),
            r"\centering",
            r"\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{latex_text(table.title)}{f' (continued, {number + 1} of {len(pages)})' if number else ''}}}",
            rf"\label{{{name}{f'-{number + 1}' if number else ''}}}",
            *(line for at, block in enumerate(page) for line in _tabular(table, body, block, is_first=at == 0)),
            *(_notes(table) if number == len(pages) - 1 else []),
            *([r"\ifdefined\Umathcode\else\end{CJK*}\fi"] if font else []),
            rf"\end{{{kind}}}",
        ]
    return "\n".join(lines) + "\n"


_INK: Final = Ink(
    best=lambda text: rf"\textbf{{{text}}}",
    second=lambda text: rf"\underline{{{text}}}",
    symbol=latex_symbol,
    text=latex_text,
    missing="--",
    plus_minus=r"\,$\pm$\,",
    raised=("$^{+}$", "$^{-}$"),
)
_PLAIN: Final = Ink(
    best=str, second=str, symbol=lambda _: "*", text=str, missing="-", plus_minus=" ± ", raised=("+", "-")
)


def _packages(font: str | None) -> str:
    lines = [r"% In the preamble: \usepackage{booktabs,graphicx}"]
    if font:
        lines[0] = r"% In the preamble, for pdfLaTeX: \usepackage{booktabs,graphicx,CJKutf8};"
        lines.append(
            r"% for XeLaTeX booktabs, graphicx, xeCJK, and for LuaLaTeX booktabs, graphicx, luatexja, with fonts."
        )
    return "\n".join(lines)


def _label(table: Table) -> str:
    """Return the name that `\\ref` takes, of the letters and digits that are safe in one.

    They are those of the title; of the table's name where the title has letters that are not safe, since what is left of it says
    little and may be the same for another table.
    """
    is_safe = not any(letter.isalpha() and not letter.isascii() for letter in table.title)
    slug = _slug(table.title if is_safe or not table.name else table.name)
    return f"tab:{slug or f'{zlib.crc32(table.title.encode()):08x}'}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _width(table: Table, plain: Sequence[Sequence[str]], columns: Sequence[int]) -> float:
    """Return about how many points wide a table of these columns is, the labels of its rows included."""
    first = _points(max([table.corner, *table.rows], key=len))
    if table.merges_groups:
        return first + sum(_points(max([headings(table)[j], *(row[j] for row in plain)], key=len)) for j in columns)
    total = first
    for group, members in groupby(columns, key=lambda j: table.columns[j].group):
        texts = [max([f"{table.columns[j].label} -", *(row[j] for row in plain)], key=len) for j in members]
        total += max(sum(map(_points, texts)), _points(group))
    return total


def _points(text: str) -> float:
    return len(text) * _CHARACTER + _COLUMN_GAP


def _blocks(table: Table, plain: Sequence[Sequence[str]]) -> Iterator[Block]:
    """Cut the columns into runs that fit into a line at the smallest scale; a single column always is one."""
    count = len(plain[0]) if plain else 0
    start = 0
    for end in range(1, count + 1):
        if end == count or _width(table, plain, range(start, end + 1)) > _TEXT_WIDTH / _SMALLEST_SCALE:
            yield range(start, end)
            start = end
    if not count:
        yield range(0)


def _pages(blocks: Sequence[Block], rows_a_block: int) -> Iterator[Sequence[Block]]:
    each = max(1, _ROWS_A_PAGE // rows_a_block)
    for start in range(0, len(blocks), each):
        yield blocks[start : start + each]


def _tabular(table: Table, body: Sequence[Sequence[str]], block: Block, *, is_first: bool) -> list[str]:
    rows = [
        " & ".join([latex_text(label), *(row[j] for j in block)]) + r" \\"
        for label, row in zip(table.rows, body, strict=True)
    ]
    return [
        *([] if is_first else [r"\par\medskip"]),
        rf"{_AS_WIDE_AS_THE_TEXT}{{\begin{{tabular}}{{l{'r' * len(block)}}}",
        r"\toprule",
        *_head(table, block),
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}}",
    ]


def _head(table: Table, block: Block) -> list[str]:
    corner = latex_text(table.corner)
    if table.merges_groups:
        return [" & ".join([corner, *(latex_text(headings(table)[j]) for j in block)]) + r" \\"]
    chosen = [table.columns[j] for j in block]
    spans, rules, start = [], [], 2
    for group, members in groupby(spec.group for spec in chosen):
        width = len(list(members))
        spans.append(rf"\multicolumn{{{width}}}{{c}}{{{latex_text(group)}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    labels = [f"{latex_text(spec.label)} {_ARROWS[spec.lower_is_better]}" for spec in chosen]
    return [" & ".join(["", *spans]) + r" \\", "".join(rules), " & ".join([corner, *labels]) + r" \\"]


def _notes(table: Table) -> list[str]:
    """Return the lines below the table, in the size of footnotes and as wide as the text."""
    notes = [f"{latex_symbol(symbol) if symbol else ''}{latex_text(note)}" for symbol, note in footnotes(table)]
    if not notes:
        return []
    return [
        r"\par\vspace{3pt}",
        r"\begin{minipage}{\linewidth}\footnotesize\raggedright",
        "\\par\n".join(notes),
        r"\end{minipage}",
    ]


FORMAT: Final = Format(name="latex", write=write)
