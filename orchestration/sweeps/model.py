"""Sweeps: what a sweep file in one of its sizes, with overrides, comes to (`orchestration.sweeps.expand` makes them).

A point is a flat mapping of dotted paths to values, each with the place that it comes from, so that a later mistake
(an unknown method, a wrong type) is reported with its line. `orchestration.cells.resolve` turns points into cells and their
identities.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from eval.inference.precision import DEFAULT_PRECISION, EvaluationPrecision
from eval.tables.column import Column
from orchestration.sweeps.sweep_file import TableSpec
from orchestration.sweeps.yaml_reader import Document, Path

Size = Literal["full", "smoke", "small"]
Workers = int | Literal["auto"]
"""Workers of a cell: a number, or as many as the schedule chooses."""

SIZES: tuple[Size, ...] = ("full", "smoke", "small")
PRECISION_PATH: Final = "evaluation.precision"
"""How `--set` names the precision of evaluation."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A value of a point and where it comes from: a path in the file, or the option that set it."""

    value: Any
    origin: Path
    is_soft: bool = False
    """Set on every cell by a size or an option: a hyper-parameter is left out where the method has none of that name."""


Settings = Mapping[str, Setting]


def spoken_value(value: Any) -> str:
    """Return a value as a label has it: words as they are, the rest as a sweep file writes it."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict | bool | None) else str(value)


def quoted_value(value: Any) -> str:
    """Return a value as a message has it: words in quotes, the rest as a sweep file writes it."""
    return repr(value) if isinstance(value, str) else spoken_value(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A cell to be.

    Attributes:
        shared: What a cell that this one starts from has in common with it: dataset, model and recipe, but not what the
            row sets of the method or of training.
        parent: Settings of the cell that it starts from, as the file says, or None.
        visualised: Settings of the cell whose network its mixing set shows, as the file says, or None.
    """

    settings: Settings
    seed: int
    row: str
    origin: Path
    shared: Settings
    parent: Settings | None = None
    visualised: Settings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A sweep in one size: what is wanted, and how it is shown.

    Attributes:
        columns: Columns of the table that are not left out, stand-ins put in.
        stand_ins: Column of this size -> the column of the full size that it stands in for.
        table: Layout; None for a union.
        left_out: Row or column -> why it is left out.
        workers: Workers of a cell on CPUs.
        asked_workers: Workers of a cell that were asked for by an option, on CPUs and GPUs, or None.
        precision: In which arithmetic the networks of all rows are evaluated; in a union, its parts say.
        overruled: What this size changes of rows themselves, a line each for below the table.
        parts: The sweeps that this one is the union of; it has no points, rows or layout of its own then.
        broken: Dotted paths of the file that were left out as mistaken; such a sweep is only looked at for further mistakes.
        document: The file's values and lines, for messages.
    """

    name: str
    title: str
    description: str
    size: Size
    points: tuple[Point, ...]
    rows: tuple[str, ...]
    columns: tuple[Column, ...]
    stand_ins: Mapping[Column, Column]
    benchmarks: Mapping[str, Mapping[str, Any]]
    table: TableSpec | None
    left_out: Mapping[str, str]
    workers: int
    asked_workers: Workers | None = None
    precision: EvaluationPrecision = DEFAULT_PRECISION
    overruled: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    parts: tuple[Sweep, ...] = ()
    broken: frozenset[str] = frozenset()
    document: Document = field(default=Document(None, {}), repr=False, compare=False)

    @property
    def value_columns(self) -> tuple[Column, ...]:
        """The columns that values are read for: with a detail each in layout `sets`."""
        if self.table is None or self.table.layout != "sets":
            return self.columns
        return tuple(column.of_row(detail) for column in self.columns for detail in self.details)

    @property
    def leaves(self) -> tuple[Sweep, ...]:
        """The sweeps with a table of their own: the parts of a union, else the sweep itself."""
        return self.parts or (self,)

    @property
    def label(self) -> str:
        """Name under which results are shown: with the size unless it is the full one."""
        return label_of(self.name, self.size)


def label_of(name: str, size: Size) -> str:
    """Return the label of a sweep in a size."""
    return name if size == "full" else f"{name}-{size}"


def union_of(name: str, title: str, description: str, parts: Sequence[Sweep], *, document: Document) -> Sweep:
    """Return the sweep that wants what several sweeps want; cells that they share are run once."""
    return Sweep(
        name=name,
        title=title,
        description=description,
        size=parts[0].size,
        points=(),
        rows=(),
        columns=tuple(dict.fromkeys(column for part in parts for column in part.columns)),
        stand_ins={},
        benchmarks={},
        table=None,
        left_out={},
        workers=max(part.workers for part in parts),
        asked_workers=parts[0].asked_workers,
        overrides=parts[0].overrides,
        parts=tuple(parts),
        document=document,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What options change: `--set path=value`, `--seeds`, `--workers`.

    Attributes:
        precision: Of `--set evaluation.precision`, or None.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    benchmarks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    precision: EvaluationPrecision | None = None
    seeds: tuple[int, ...] | None = None
    workers: Workers | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The overrides as text, in a stable order."""
        texts = [f"{path}={_typed(value)}" for path, value in sorted(self.settings.items())]
        texts += [
            f"benchmarks.{name}.{key}={_typed(value)}"
            for name, params in sorted(self.benchmarks.items())
            for key, value in sorted(params.items())
        ]
        texts += [f"{PRECISION_PATH}={self.precision}"] if self.precision is not None else []
        return (*texts, *([f"seeds={','.join(map(str, self.seeds))}"] if self.seeds is not None else []))


def _typed(value: Any) -> str:
    """Return a value as `--set` reads it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
