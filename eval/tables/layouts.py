"""Layouts: from observations (row, column, seed, value) to a table.

metric_table    rows by metrics: methods, settings, or fine rows such as corruptions
pair_grid       one axis down, one across, several metrics in each cell (k by beta)
set_table       fine rows down (outlier sets), rows of the sweep across, per metric
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from eval.errors import EvalError
from eval.tables.column import Column
from eval.tables.grid import ColumnSpec, Entry, Observation, Table
from eval.tables.statistics import summarise


def metric_table(
    title: str,
    rows: Sequence[str],
    columns: Sequence[Column],
    observations: Iterable[Observation],
) -> Table:
    """Return a table of rows by metrics; the best is sought in each column.

    Raises:
        EvalError: If two values claim one seed.
    """
    specs = tuple(column_spec(column) for column in columns)
    found = _Found.of(observations)
    entries, undefined = found.at([[(row, "", spec.column) for spec in specs] for row in rows])
    return Table(title=title, corner="Method", rows=tuple(rows), columns=specs, entries=entries, undefined=undefined)


def pair_grid(
    title: str,
    rows: Sequence[str],
    across: Sequence[str],
    columns: Sequence[Column],
    observations: Iterable[Observation],
    *,
    corner: str,
    across_name: str,
) -> Table:
    """Return a grid of two axes with several metrics in each cell; the best of a metric is sought in the whole grid.

    Raises:
        EvalError: If two values claim one seed.
    """
    specs = tuple(
        ColumnSpec(
            key=f"{across_name}={value}/{column}",
            column=column,
            group=f"{across_name} = {value}",
            label=_plain_label(column),
            across=value,
        )
        for value in across
        for column in columns
    )
    found = _Found.of(observations)
    entries, undefined = found.at([[(row, spec.across, spec.column) for spec in specs] for row in rows])
    return Table(
        title=title,
        corner=corner,
        rows=tuple(rows),
        columns=specs,
        entries=entries,
        undefined=undefined,
        rank_along="grid",
        across_name=across_name,
        merges_groups=len(columns) > 1,
        notes=(f"Each cell: {' / '.join(_plain_label(column) for column in columns)}.",) if len(columns) > 1 else (),
    )


def set_table(
    title: str,
    details: Sequence[str],
    across: Sequence[str],
    columns: Sequence[Column],
    observations: Iterable[Observation],
) -> Table:
    """Return fine rows down and the sweep's rows across, once per metric; the best is sought in each row and metric.

    Args:
        details: Fine rows (outlier sets), and "mean" for their mean.
        across: Row labels of the sweep, as columns here.
        columns: Columns without a detail, such as ood/auroc.
        observations: Values of columns with a detail, such as ood/auroc/svhn.

    Raises:
        EvalError: If two values claim one seed.
    """
    specs = tuple(
        ColumnSpec(key=f"{column}/{label}", column=column, group=_plain_label(column), label=label)
        for column in columns
        for label in across
    )
    found = _Found.of(observations)
    entries, undefined = found.at(
        [[(spec.label, "", spec.column.of_row(detail)) for spec in specs] for detail in details]
    )
    return Table(
        title=title,
        corner="Outlier set",
        rows=tuple(details),
        columns=specs,
        entries=entries,
        undefined=undefined,
        rank_along="row",
    )


def column_spec(column: Column) -> ColumnSpec:
    """Return a table's column of a metric, headed by its benchmark."""
    title, label = column.heading, column.spec.label
    return ColumnSpec(
        key=str(column),
        column=column,
        group=title if column.detail is None else f"{title} {label}",
        label=label if column.detail is None else column.detail.replace("_", " "),
    )


def _plain_label(column: Column) -> str:
    spec = column_spec(column)
    return f"{spec.group} {spec.label}"


_Place = tuple[str, str, Column]
"""Row of the sweep, label across, column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What the observations of each place come to: an entry, or why it is undefined for all its seeds."""

    entries: Mapping[_Place, Entry]
    undefined: Mapping[_Place, str]

    @classmethod
    def of(cls, observations: Iterable[Observation]) -> _Found:
        """Summarise observations by place; an undefined one never counts in a mean.

        Raises:
            EvalError: If two values claim one seed.
        """
        by_place: dict[_Place, dict[int, Observation]] = {}
        for each in observations:
            by_seed = by_place.setdefault((each.row, each.across, each.column), {})
            if each.seed in by_seed:
                raise EvalError(f"two values claim seed {each.seed} of row {each.row!r}, column {str(each.column)!r}")
            by_seed[each.seed] = each
        entries = {place: _entry(by_seed) for place, by_seed in by_place.items()}
        return cls(
            entries={place: entry for place, entry in entries.items() if entry is not None},
            undefined={
                place: next(iter(by_place[place].values())).undefined
                for place, entry in entries.items()
                if entry is None
            },
        )

    def at(
        self, places: Sequence[Sequence[_Place]]
    ) -> tuple[tuple[tuple[Entry | None, ...], ...], dict[tuple[int, int], str]]:
        """Return the entries of a table's places, row by row, and the positions of the undefined ones."""
        undefined = {
            (i, j): self.undefined[place]
            for i, row in enumerate(places)
            for j, place in enumerate(row)
            if place in self.undefined
        }
        return tuple(tuple(self.entries.get(place) for place in row) for row in places), undefined


def _entry(by_seed: Mapping[int, Observation]) -> Entry | None:
    values = {seed: each.value for seed, each in by_seed.items() if each.value is not None}
    if not values:
        return None
    marks = frozenset(mark for seed in values for mark in by_seed[seed].marks)
    summary = summarise(list(values.values()))
    if "imported" in marks:
        summary = replace(summary, n=0, spread=next(iter(by_seed.values())).spread)
    return Entry(summary=summary, values=values, marks=marks)
