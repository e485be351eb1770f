"""What a kind of figure is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augment.lookup.parameters import nearest

Part = Mapping[str, Any]
"""What `orchestration.results.report.content.part_content` gives of a table."""


class NotDrawn(Exception):
    """What is recorded, or what was asked for, cannot be drawn; each reason says why and what can.

    Args:
        reasons: One or more sentences.
    """

    def __init__(self, *reasons: str) -> None:
        self.reasons = reasons
        super().__init__("; ".join(reasons))


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureKind:
    """A kind of figure.

    Attributes:
        draw: (part, columns) -> a figure of Matplotlib; raises `NotDrawn`.
        shows: (part, columns) -> the places of the table's columns that it shows, for the marks of their entries.
        says: What it shows, in a few words.
        columns: How many columns it can be asked to show.
    """

    draw: Callable[[Part, Sequence[str]], Any]
    shows: Callable[[Part, Sequence[str]], Sequence[int]]
    says: str
    columns: int = 0


def drawn_rows(part: Part) -> list[str]:
    """Return the rows in the order of their colours: those of the table, or each pair of settings of a matrix."""
    if part["layout"] != "matrix":
        return list(part["table"]["rows"])
    found = (part["curves"], part["reliability"], *(each["rows"] for each in part["details"]))
    return list(dict.fromkeys(row for rows in found for row in rows))


def column_places(part: Part, wanted: Sequence[str], *, also: Sequence[str] = ()) -> list[int]:
    """Return the places of columns in the table.

    Args:
        also: What else is wrong with them.

    Raises:
        NotDrawn: With each column that is not in the table, and what else is wrong.
    """
    known = [column["column"] for column in part["table"]["columns"]]
    reasons = [f"the table has no column '{each}'{nearest(each, set(known))}" for each in wanted if each not in known]
    if reasons or also:
        raise NotDrawn(*reasons, *also)
    return [known.index(column) for column in wanted]


def benchmark_places(part: Part, benchmark: str) -> list[int]:
    """Return the places of the columns of a benchmark, as tables call it."""
    columns = part["table"]["columns"]
    return [j for j, column in enumerate(columns) if column["column"].partition("/")[0] == benchmark]


def unit_of(column: Mapping[str, Any], name: str = "label") -> str:
    """Return the label of an axis."""
    return f"{column[name]}, %" if column["is_percent"] else str(column[name])


def scaled(value: float, column: Mapping[str, Any]) -> float:
    """Return a value in the unit that is shown."""
    return 100.0 * value if column["is_percent"] else value
