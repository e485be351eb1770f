"""The published tables: what the papers print, as data with sources and the entries that contradict themselves.

Values leave here in this project's unit: fractions, or rank distances. Plain Python and YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from augment.lookup.parameters import nearest
from eval.errors import EvalError
from eval.tables.column import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedValue:
    """One printed number.

    Attributes:
        value: In our unit: a fraction, a ratio, or a rank distance.
        half_step: Half of the last printed digit, in the same unit: what rounding hides.
        doubt: Why the number is not to be trusted, or None.
    """

    value: float
    half_step: float
    doubt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTable:
    """A published table.

    Attributes:
        name: Key ("table-3").
        dataset: In-distribution dataset, key of the project's datasets.
        model: Network, or None where the source names none.
        values: (row label, column) -> number.
    """

    name: str
    title: str
    source: str
    dataset: str
    model: str | None
    rows: tuple[str, ...]
    columns: tuple[Column, ...]
    values: Mapping[tuple[str, Column], PublishedValue]
    notes: tuple[str, ...]

    def row_named(self, label: str) -> str | None:
        """Return the printed label of a row, whatever its case, spaces and signs, or None."""
        return next((row for row in self.rows if _folded(row) == _folded(label)), None)

    def lookup(self, row: str, column: Column) -> PublishedValue | None:
        """Return a number by row label and column, or None where the table prints none."""
        printed = self.row_named(row)
        return None if printed is None else self.values.get((printed, column))


def published_table(name: str) -> PublishedTable:
    """Return a published table by name ("table-3") or by its long name ("s3_cifar100_full").

    Raises:
        EvalError: If there is none of that name.
    """
    named = {raw["alias"]: short for short, raw in _raw().items()}.get(name, name)
    if named not in _raw():
        raise EvalError(f"unknown published table {name!r}{nearest(name, _raw())}")
    return _parsed(named)


def published_tables() -> tuple[str, ...]:
    """Return the names of the published tables."""
    return tuple(_raw())


@cache
def _raw() -> Mapping[str, Mapping[str, Any]]:
    text = Path(__file__).with_name("tables.yaml").read_text(encoding="utf-8")
    safe_loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the compiled one is ten times as fast
    loaded: Mapping[str, Mapping[str, Any]] = yaml.load(text, Loader=safe_loader)  # noqa: S506
    return loaded


@cache
def _parsed(name: str) -> PublishedTable:
    raw = _raw()[name]
    columns = {printed: Column.of(text) for printed, text in raw["columns"].items()}
    doubts = {(str(doubt["row"]), Column.of(doubt["column"])): doubt["why"] for doubt in raw.get("doubtful", [])}
    accuracies = set(raw.get("accuracy", []))
    values = {
        (str(row), columns[printed]): _value(
            number,
            columns[printed],
            decimals=raw["decimals"],
            is_accuracy=printed in accuracies,
            doubt=doubts.get((str(row), columns[printed])),
        )
        for row, numbers in raw["rows"].items()
        for printed, number in numbers.items()
    }
    return PublishedTable(
        name=name,
        title=raw["title"],
        source=raw["source"],
        dataset=raw["dataset"],
        model=raw["model"],
        rows=tuple(str(row) for row in raw["rows"]),
        columns=tuple(columns.values()),
        values=values,
        notes=tuple(raw.get("notes", [])),
    )


def _value(number: float, column: Column, *, decimals: int, is_accuracy: bool, doubt: str | None) -> PublishedValue:
    if decimals == 0 and isinstance(number, float):
        decimals = 1
    scale = 100.0 if column.spec.is_percent else 1.0
    value = (100.0 - number if is_accuracy else number) / scale
    return PublishedValue(value=value, half_step=0.5 * 10.0**-decimals / scale, doubt=doubt)


def _folded(label: str) -> str:
    return "".join(character for character in label.casefold() if character.isalnum() or character == "&")
