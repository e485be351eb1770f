"""Tables: rows by columns of means with spread, number of seeds and interval; a best per column; marks.

`eval.tables.layouts` makes tables from observations. Values are fractions (or rank distances); percent appears only
in `eval.tables.formats.entries`. Plain Python: no NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from eval.errors import EvalError
from eval.tables.labels import check_labels
from eval.tables.statistics import Summary

if TYPE_CHECKING:
    from eval.tables.column import Column  # knows the benchmarks, which `--help` with its list of formats must not load

RankAlong = Literal["column", "row", "grid"]
"""Among which entries the best is sought: a column; a row's entries of one group; all entries of a group."""

MARKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "limited": "on a part of the test images",
        "small": "from a set of fewer than 100 images",
        "mixed": "seeds ran on different devices, precisions or versions",
        "incomplete": "fewer seeds than the sweep wants",
        "generated": "on generated images, not the published files",
        "imported": "imported from another suite's results",
        "released": "of a released network, not trained here",
        "fewer-sets": "mean without outlier sets that cannot be read",
        "adopted": "of an adopted checkpoint, not trained here",
        "contradicted": "of a checkpoint that was adopted although its own record contradicts the row",
    }
)
"""Mark -> what the footnote says."""

_Label = TypeVar("_Label")

PARTIAL: Final = frozenset({"limited", "fewer-sets"})
"""Marks of values on a part of what the column is about, which a better part may make better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One value for a table.

    Attributes:
        seed: Seed of the cell; one value per seed, row and column.
        value: A fraction, or a rank distance; None where the metric is undefined for what was evaluated.
        marks: Keys of `MARKS`.
        across: Label along the second axis of a grid, else "".
        undefined: Why there is no value, where it is None.
        spread: Deviation that an imported value was given with, over seeds that are not known here.
    """

    row: str
    column: Column
    seed: int
    value: float | None
    marks: frozenset[str] = frozenset()
    across: str = ""
    undefined: str = ""
    spread: float | None = None

    def __post_init__(self) -> None:
        unknown = sorted(self.marks - MARKS.keys())
        if unknown:
            raise ValueError(f"marks must be among {sorted(MARKS)}, but got {unknown}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A published number next to ours: its value in our unit, a verdict, and the reason for it; "" while ours is missing."""

    value: float
    verdict: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTest:
    """An entry against that of the baseline row, paired by seed.

    Attributes:
        difference: Mean of (ours - baseline) over common seeds.
        adjusted_p: p-value, corrected for all tests of the table.
    """

    difference: float
    n: int
    adjusted_p: float
    outcome: Literal["better", "worse", "no difference shown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry: summary over seeds, values by seed, marks, what was published, and the test against the baseline row."""

    summary: Summary
    values: Mapping[int, float]
    marks: frozenset[str] = frozenset()
    reference: Reference | None = None
    against: RowTest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSpec:
    """A column of a table.

    Attributes:
        key: Unique in the table.
        column: The column that its values come from; where the best is not sought by column, among the columns of the same one.
        group: Heading above several columns (the benchmark, or the value of the second axis).
        label: Heading of this column (the metric, or the row of the sweep).
        across: Value of the second axis of a grid, else "".
    """

    key: str
    column: Column
    group: str
    label: str
    across: str = ""

    @property
    def is_percent(self) -> bool:
        """Whether values are printed times 100."""
        return self.column.spec.is_percent

    @property
    def lower_is_better(self) -> bool:
        """Direction of its values."""
        return self.column.spec.lower_is_better


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table ready to be rendered.

    Attributes:
        entries: Entry or None, by row, by column.
        rank_along: Among which entries the best is sought.
        across_name: Name of the second axis of a grid, else "".
        merges_groups: Whether the columns of a group share one cell ("20.3 / 31.1").
        undefined: (row, column) position of an entry that was evaluated but has no value -> why.
        expected: (row, column) position without an entry -> what was published there.
        name: What the table is called where a title cannot be: the name of its sweep, or "".
    """

    title: str
    corner: str
    rows: tuple[str, ...]
    columns: tuple[ColumnSpec, ...]
    entries: tuple[tuple[Entry | None, ...], ...]
    rank_along: RankAlong = "column"
    across_name: str = ""
    merges_groups: bool = False
    notes: tuple[str, ...] = field(default=())
    undefined: Mapping[tuple[int, int], str] = field(default_factory=dict)
    expected: Mapping[tuple[int, int], Reference] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        shape = {len(row) for row in self.entries}
        if len(self.entries) != len(self.rows) or not shape <= {len(self.columns)}:
            raise ValueError(
                f"entries must be {len(self.rows)} rows of {len(self.columns)}, but have widths {sorted(shape)}"
            )
        check_labels("row labels", self.rows)
        check_labels("column keys", [spec.key for spec in self.columns])
        check_labels("titles", [self.title])

    def entry(self, row: str, column: str) -> Entry | None:
        """Return an entry by row label and column key.

        Raises:
            EvalError: If there is no such row or column.
        """
        keys = [spec.key for spec in self.columns]
        if row not in self.rows or column not in keys:
            raise EvalError(f"no entry ({row!r}, {column!r}); rows: {list(self.rows)}; columns: {keys}")
        return self.entries[self.rows.index(row)][keys.index(column)]

    def marks(self) -> tuple[str, ...]:
        """Return the marks that any entry bears, in the order of `MARKS`."""
        borne = {mark for row in self.entries for entry in row if entry for mark in entry.marks}
        return tuple(mark for mark in MARKS if mark in borne)

    def ranks(self, *, decimals: int = 1) -> dict[tuple[int, int], int]:
        """Return 1 for the best and 2 for the second-best entries by (row, column) position.

        Values are compared as printed, so equal numbers share a rank. Where full and partial entries meet, only full ones
        are ranked; imported ones never are, for other suites define their numbers otherwise. A single entry is not ranked.
        """
        groups: dict[object, list[tuple[int, int, Entry]]] = {}
        for i, row in enumerate(self.entries):
            for j, entry in enumerate(row):
                if entry is not None:
                    groups.setdefault(self._rank_key(i, j), []).append((i, j, entry))
        ranks: dict[tuple[int, int], int] = {}
        for members in groups.values():
            ranks |= self._rank(members, decimals)
        return ranks

    def _rank_key(self, i: int, j: int) -> object:
        if self.rank_along == "column":
            return j
        group = self.columns[j].column
        return (i, group) if self.rank_along == "row" else group

    def _rank(self, members: list[tuple[int, int, Entry]], decimals: int) -> dict[tuple[int, int], int]:
        ranked = ranked_labels({(i, j): entry.marks for i, j, entry in members})
        members = [(i, j, entry) for i, j, entry in members if (i, j) in ranked]
        if len(members) < 2:
            return {}
        sign = 1.0 if self.columns[members[0][1]].lower_is_better else -1.0
        shown = {(i, j): sign * shown_value(entry.summary.mean, self.columns[j], decimals) for i, j, entry in members}
        best_two = sorted(set(shown.values()))[:2]
        if len(best_two) == 1:
            return {}
        return {place: best_two.index(value) + 1 for place, value in shown.items() if value in best_two}


def ranked_labels(marks: Mapping[_Label, Set[str]]) -> list[_Label]:
    """Return the labels of entries that may be called the best, by their marks.

    Where full and partial entries meet, only full ones may; imported ones never may, for other suites define their numbers
    otherwise.
    """
    ours = {label: borne for label, borne in marks.items() if "imported" not in borne}
    return [label for label, borne in ours.items() if not borne & PARTIAL] or list(ours)


def is_same_part(entry: Entry, other: Entry) -> bool:
    """Return whether two entries of a column are both on the whole of what it is about, or bear the same marks of a part."""
    return entry.marks & PARTIAL == other.marks & PARTIAL


def shown_value(value: float, spec: ColumnSpec, decimals: int) -> float:
    """Return a value as the number that is printed: in percent where the column is, rounded."""
    return round(value * (100.0 if spec.is_percent else 1.0), decimals)
