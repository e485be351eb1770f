"""Tables as LaTeX with booktabs: bold best, underlined second best, arrows in the head, never wider than the text."""

from __future__ import annotations

from itertools import groupby
from types import MappingProxyType
from typing import Final

from eval.tables.formats.cells import cells, footnotes, headings
from eval.tables.formats.contract import Format, Ink, Style
from eval.tables.grid import Table

_AS_WIDE_AS_THE_TEXT: Final = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}"
_ARROWS: Final = MappingProxyType({True: r"$\downarrow$", False: r"$\uparrow$"})
_LATEX_SYMBOLS: Final = MappingProxyType(
    {
        "†": r"\dagger",
        "°": r"\circ",
        "‡": r"\ddagger",
        "§": r"\mathsection",
        "*": "*",
        "¶": r"\mathparagraph",
        "◇": r"\diamond",
        "△": r"\triangle",
        "▽": r"\bigtriangledown",
        "●": r"\bullet",
    }
)
_LATEX_SPECIAL: Final = MappingProxyType(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "`": r"\textasciigrave{}",
        "<": r"\textless{}",  # the default font encoding has other signs in the places of these three
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "[": "{[}",  # behind the end of a row, a bracket or an asterisk would belong to that
        "]": "{]}",
        "*": "{*}",
        "⁺": "$^{+}$",
        "⁻": "$^{-}$",
        "±": r"$\pm$",
        "β": r"$\beta$",
        "ℓ": r"$\ell$",
        "∞": r"$\infty$",
    }
)


def write(table: Table, style: Style) -> str:
    """Return a LaTeX table; it needs the packages booktabs and graphicx."""
    ink = Ink(
        best=lambda text: rf"\textbf{{{text}}}",
        second=lambda text: rf"\underline{{{text}}}",
        symbol=lambda text: f"$^{{{_LATEX_SYMBOLS[text]}}}$",
        text=_latex_text,
        missing="--",
        plus_minus=r"\,$\pm$\,",
        raised=("$^{+}$", "$^{-}$"),
    )
    body = cells(table, ink, style)
    rows = [" & ".join([_latex_text(label), *row]) + r" \\" for label, row in zip(table.rows, body, strict=True)]
    notes = [rf"{ink.symbol(symbol) if symbol else ''}{_latex_text(note)}" for symbol, note in footnotes(table)]
    lines = [
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{_latex_text(table.title)}}}",
        rf"{_AS_WIDE_AS_THE_TEXT}{{\begin{{tabular}}{{l{'r' * len(body[0]) if body else ''}}}",
        r"\toprule",
        *_latex_head(table),
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}}",
        *([r"\\[2pt] \footnotesize " + r" \\ ".join(notes)] if notes else []),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_head(table: Table) -> list[str]:
    corner = _latex_text(table.corner)
    if table.merges_groups:
        return [" & ".join([corner, *map(_latex_text, headings(table))]) + r" \\"]
    groups = [(group, len(list(members))) for group, members in groupby(spec.group for spec in table.columns)]
    spans, rules, start = [], [], 2
    for group, width in groups:
        spans.append(rf"\multicolumn{{{width}}}{{c}}{{{_latex_text(group)}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    labels = [f"{_latex_text(spec.label)} {_ARROWS[spec.lower_is_better]}" for spec in table.columns]
    return [" & ".join(["", *spans]) + r" \\", "".join(rules), " & ".join([corner, *labels]) + r" \\"]


def _latex_text(text: str) -> str:
    return "".join(_LATEX_SPECIAL.get(character, character) for character in text)


FORMAT: Final = Format(name="latex", write=write)
