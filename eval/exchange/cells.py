"""Reading and writing the CSV files of suites: heads, lines, and numbers with or without a deviation."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Final

from eval.benchmarks import column_value, parse_column
from eval.errors import EvalError
from eval.exchange.contract import Outcomes

_EMPTY: Final = frozenset({"", "-", "--", "–", "—", "n/a", "na", "none"})
_NUMBER: Final = re.compile(
    r"^\s*(?P<value>[^\s±%(]+)\s*%?\s*(?:(?:±|\+/-|\+-|\\pm)\s*(?P<spread>[^\s%]+)\s*%?|\((?P<inside>[^\s%]+)\s*%?\))?\s*$"
)


def read_lines(text: str) -> tuple[list[str], list[dict[str, str]]]:
    """Return the head of a CSV file and its lines by column; an index column without a name has the name "".

    Raises:
        EvalError: If a column is named twice, or a line has more cells than the head.
    """
    rows = [row for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"))) if any(cell.strip() for cell in row)]
    if not rows:
        return [], []
    head = [name.strip() for name in rows[0]]
    doubled = sorted({name for name in head if head.count(name) > 1})
    if doubled:
        raise EvalError(f"each column must be named once, but {doubled} are named twice; leave one of each")
    long = [number for number, row in enumerate(rows[1:], 1) if len(row) > len(head)]
    if long:
        raise EvalError(f"line {long[0]} below the head has more cells than the head ({len(head)}); is a comma quoted?")
    filled = [[*(cell.strip() for cell in row), *[""] * (len(head) - len(row))] for row in rows[1:]]
    return head, [dict(zip(head, row, strict=True)) for row in filled]


def is_empty(text: str) -> bool:
    """Return whether a cell says that there is no number."""
    return text.strip().lower() in _EMPTY


def parse_number(text: str, name: str) -> tuple[float, float | None]:
    """Return a number and the deviation beside it ("87.19 ± 0.33", "87.19 +/- 0.33", "87.19 (0.33)"), or None without one.

    Raises:
        EvalError: If the text is no number.
    """
    found = _NUMBER.match(text)
    try:
        if found is None:
            raise ValueError(text)
        spread = found["spread"] or found["inside"]
        return float(found["value"]), None if spread is None else float(spread)
    except ValueError as error:
        raise EvalError(f"{name!r} must be a number, but is {text!r}") from error


def write_lines(fields: Sequence[str], lines: Sequence[Mapping[str, str]]) -> str:
    """Return lines as CSV below a head."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def first_value(outcomes: Outcomes, columns: Sequence[str]) -> float | None:
    """Return the value of the first column whose benchmark was run, or None."""
    for text in columns:
        column = parse_column(text)
        if column.benchmark in outcomes:
            return column_value(outcomes[column.benchmark], column)
    return None
