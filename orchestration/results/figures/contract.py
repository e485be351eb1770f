"""What a kind of figure is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Part = Mapping[str, Any]
"""What `orchestration.results.report.content.part_content` gives of a table."""


class NotDrawn(Exception):
    """What is recorded, or what was asked for, cannot be drawn; the message says why and what can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureKind:
    """A kind of figure.

    Attributes:
        draw: (part, columns) -> a figure of Matplotlib; raises `NotDrawn`.
        says: What it shows, in a few words.
        columns: How many columns it can be asked to show.
    """

    draw: Callable[[Part, Sequence[str]], Any]
    says: str
    columns: int = 0


def drawn_rows(part: Part) -> list[str]:
    """Return the rows in the order of their colours: those of the table, or each pair of settings of a matrix."""
    if part["layout"] != "matrix":
        return list(part["table"]["rows"])
    found = (part["curves"], part["reliability"], *(each["rows"] for each in part["details"]))
    return list(dict.fromkeys(row for rows in found for row in rows))


def column_places(part: Part, wanted: Sequence[str]) -> list[int]:
    """Return the places of columns in the table.

    Raises:
        NotDrawn: If a column is not in the table.
    """
    known = [column["column"] for column in part["table"]["columns"]]
    for column in wanted:
        if column not in known:
            raise NotDrawn(f"the table has no column '{column}'; its columns: {', '.join(dict.fromkeys(known))}")
    return [known.index(column) for column in wanted]


def unit_of(column: Mapping[str, Any], name: str = "label") -> str:
    """Return the label of an axis."""
    return f"{column[name]}, %" if column["is_percent"] else str(column[name])


def scaled(value: float, column: Mapping[str, Any]) -> float:
    """Return a value in the unit that is shown."""
    return 100.0 * value if column["is_percent"] else value
