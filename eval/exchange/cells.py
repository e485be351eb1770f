"""Reading and writing the CSV files of suites: heads, lines, and numbers with or without a deviation."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from eval.errors import EvalError
from eval.exchange.contract import Number, Outcomes
from eval.tables.column import Column, column_value
from eval.tables.formats.csv import csv_text, text_in_csv

_EMPTY: Final = frozenset({"", "-", "--", "–", "—", "n/a", "na", "none", "null"})
_DELIMITERS: Final = ",;\t"
_DIGITS: Final = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|nan|inf"
_NUMBER: Final = re.compile(
    rf"\s*(?P<value>[+-]?(?:{_DIGITS}))\s*(?P<percent>%)?"
    rf"(?:\s*(?:±|\+/-|\+-|\\pm)\s*(?P<spread>[+-]?(?:{_DIGITS}))\s*(?P<too>%)?|\s*\((?P<inside>{_DIGITS})\s*(?P<also>%)?\))?\s*",
    re.IGNORECASE,
)
"""A number, with or without a percent sign, and the deviation beside it."""
_DECIMAL_COMMA: Final = re.compile(r"[0-9],[0-9]")


def read_lines(text: str) -> tuple[list[str], list[dict[str, str]]]:
    """Return the head of a CSV file and its lines by column; an index column without a name has the name "".

    Cells are separated by what the head has most of: commas, semicolons or tabs. Columns at the end that have neither a name nor
    a value, as spreadsheets add them, are left out.
    """
    lines = io.StringIO(text.removeprefix("\ufeff"), newline=None)  # any of the three ends of lines
    first = next((line for line in lines if line.strip()), "")
    lines.seek(0)
    try:
        found = list(csv.reader(lines, delimiter=max(_DELIMITERS, key=first.count)))
    except csv.Error as error:
        raise EvalError(f"the file must be a CSV file, but cannot be read as one: {error}") from error
    rows = _without_unnamed(
        [[text_in_csv(cell.strip()) for cell in row] for row in found if any(cell.strip() for cell in row)]
    )
    if not rows:
        return [], []
    head = rows[0]
    doubled = sorted({name for name in head if head.count(name) > 1})
    if doubled:
        raise EvalError(f"each column must be named once, but {doubled} are named twice; leave one of each")
    long = [number for number, row in enumerate(rows[1:], 1) if len(row) > len(head)]
    if long:
        raise EvalError(f"line {long[0]} below the head has more cells than the head ({len(head)}); is a comma quoted?")
    filled = [[*row, *[""] * (len(head) - len(row))] for row in rows[1:]]
    return head, [dict(zip(head, row, strict=True)) for row in filled]


def _without_unnamed(rows: list[list[str]]) -> list[list[str]]:
    """Return rows without empty columns at the end that have no name; the first column is an index and stays."""
    width = max((number for row in rows for number, cell in enumerate(row, 1) if cell), default=0)
    return [row[: max(1, width)] for row in rows]


def is_empty(text: str) -> bool:
    """Return whether a cell says that there is no number."""
    return text.strip().lower() in _EMPTY


def parse_number(text: str, name: str, **about: Any) -> Number:
    """Return a number with the deviation that is given with it.

    Args:
        name: Name of its column in the file.

    Deviations are written "87.19 ± 0.33", "87.19+/-0.33", "$87.19 \\pm 0.33$" or "87.19 (0.33)"; "87.19(33)" is refused, since
    33 may be of the last digits.
    """
    found = _NUMBER.fullmatch(text.strip().removeprefix("$").removesuffix("$"))
    if found is None:
        hint = "; write it with a decimal point" if _DECIMAL_COMMA.search(text) else ""
        raise EvalError(f"{name!r} must be a number, but is {text!r}{hint}")
    inside = found["inside"]
    if inside is not None and "." in found["value"] and "." not in inside:
        raise EvalError(
            f"the deviation of {name!r} must be a separate number, but {text!r} may mean its last digits; write it as "
            f"'{found['value']} ± ...'"
        )
    spread = found["spread"] or inside
    return Number(
        metric=name,
        value=float(found["value"]),
        spread=None if spread is None else float(spread),
        is_percent=bool(found["percent"] or found["too"] or found["also"]),
        **about,
    )


def plain_name(name: str) -> str:
    """Return a name without case and separators, which suites write as they like: "cifar10" of "CIFAR-10"."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def write_lines(fields: Sequence[str], lines: Sequence[Mapping[str, str]]) -> str:
    """Return lines as CSV below a head."""
    return csv_text([fields, *([line.get(name, "") for name in fields] for line in lines)])


def exported_value(outcomes: Outcomes, column: Column) -> float | None:
    """Return the value of a column, or None if its benchmark was not run."""
    outcome = outcomes.get(column.benchmark)
    return None if outcome is None else column_value(outcome, column)
