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
    """Return "On a part of the test images: all rows of Clean, PGD" for each mark that entries of these columns bear."""
    table = part["table"]
    rows_of: dict[str, dict[str, None]] = {}
    groups_of: dict[str, dict[str, None]] = {}
    shown: dict[str, None] = {}
    for row, entries in zip(table["rows"], table["entries"], strict=True):
        for j in places:
            if entries[j] is None:
                continue
            column = table["columns"][j]
            label = column["label_alone"] if table["rank_along"] == "row" else row
            shown[label] = None
            for mark in entries[j]["marks"]:
                rows_of.setdefault(mark, {})[label] = None
                groups_of.setdefault(mark, {})[column["group"]] = None
    num_groups = len({table["columns"][j]["group"] for j in places})
    return [
        f"{MARKS[mark][0].upper()}{MARKS[mark][1:]}: "
        + ("all rows" if len(rows_of[mark]) == len(shown) else ", ".join(rows_of[mark]))
        + (f" of {', '.join(groups_of[mark])}" if len(groups_of[mark]) < num_groups else "")
        for mark in MARKS
        if mark in rows_of
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
