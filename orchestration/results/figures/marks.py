"""What the marks of a table say of the numbers in a figure: lines above it, since a figure has no footnotes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Final

from eval.tables.grid import MARKS
from orchestration.results.figures.contract import Part

_LINE_IN: Final = 0.12
_SIZE: Final = 6.0
_WIDTH: Final = 118
"""Characters that a line of this size has room for."""


def mark_lines(part: Part, places: Sequence[int]) -> list[str]:
    """Return "On a part of the test images: all rows" for each mark that entries of these columns bear."""
    table = part["table"]
    borne: dict[str, dict[str, None]] = {}
    shown: dict[str, None] = {}
    for row, entries in zip(table["rows"], table["entries"], strict=True):
        for j in places:
            if entries[j] is None:
                continue
            label = table["columns"][j]["label_alone"] if table["rank_along"] == "row" else row
            shown[label] = None
            for mark in entries[j]["marks"]:
                borne.setdefault(mark, {})[label] = None
    return [
        f"{MARKS[mark][0].upper()}{MARKS[mark][1:]}: "
        f"{'all rows' if len(borne[mark]) == len(shown) else ', '.join(borne[mark])}"
        for mark in MARKS
        if mark in borne
    ]


def add_lines(figure: Any, lines: Sequence[str]) -> None:
    """Write lines above what a figure shows; it grows by them."""
    wrapped = [part for line in lines for part in textwrap.wrap(line, _WIDTH)]
    if not wrapped:
        return
    width, height = figure.get_size_inches()
    room = _LINE_IN * (len(wrapped) + 0.5)
    figure.set_size_inches(width, height + room)
    figure.get_layout_engine().set(rect=(0.0, 0.0, 1.0, height / (height + room)))
    figure.text(0.01, 1.0 - 0.04 / (height + room), "\n".join(wrapped), fontsize=_SIZE, va="top", linespacing=1.25)
