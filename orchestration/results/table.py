"""From recorded results to a table: which value is in which row and column of a sweep, and its marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from eval.tables.column import Column
from eval.tables.grid import Observation, Table
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.resolved import ResolvedPoint, ResolvedSweep
from orchestration.planning.column_values import ColumnValue, shown_column, shown_columns, value_in
from orchestration.planning.lookup import recorded
from orchestration.results.compare import tested
from orchestration.results.notes import table_notes
from orchestration.store.contract import CellResult, Results
from orchestration.store.provenance import origin_marks, precision_of
from orchestration.sweeps.layout import laid_out, place_of
from orchestration.sweeps.model import Sweep

COMPARED_ENVIRONMENT = ("device", "device_type", "torch")
"""What seeds of one row must agree in, and in the precision of their training; else the row is marked as mixed."""


def recorded_tables(resolved: ResolvedSweep, store: Results) -> tuple[Table, ...]:
    """Return the tables of a sweep (one; several for a union) from what is recorded now, with their notes."""
    return sweep_tables(resolved, recorded(resolved.cells, store))


def sweep_tables(resolved: ResolvedSweep, results: Mapping[str, CellResult]) -> tuple[Table, ...]:
    """Return the table of a sweep with its notes, or one table for each part of a union."""
    return tuple(_noted_table(leaf, results) for leaf in resolved.leaves)


def _noted_table(resolved: ResolvedSweep, results: Mapping[str, CellResult]) -> Table:
    table = tested(sweep_table(resolved, results), resolved)
    return replace(table, notes=(*table.notes, *table_notes(resolved, _columns(resolved), results)))


def sweep_table(resolved: ResolvedSweep, results: Mapping[str, CellResult]) -> Table:
    """Return the table of a sweep from what is recorded; entries without a result stay empty."""
    return laid_out(resolved.sweep, _observations(resolved, results), columns=_columns(resolved))


def _columns(resolved: ResolvedSweep) -> tuple[Column, ...]:
    requests = [request for cell in resolved.cells for request in cell.benchmarks]
    return shown_columns(resolved.sweep.columns, requests)


def _observations(resolved: ResolvedSweep, results: Mapping[str, CellResult]) -> Iterator[Observation]:
    wanted: dict[str, int] = {}
    found: dict[str, list[tuple[ResolvedPoint, CellResult]]] = {}
    seen: set[tuple[str, int]] = set()
    for each in resolved.points:
        if (each.row, each.cell.config.seed) in seen:
            continue  # a released network is one cell for all seeds, and one value
        seen.add((each.row, each.cell.config.seed))
        wanted[each.row] = wanted.get(each.row, 0) + 1
        result = results.get(each.cell.train_key)
        if result is not None:
            found.setdefault(each.row, []).append((each, result))
    for row, members in found.items():
        is_mixed = len({_environment(result) for _, result in members}) > 1
        for column in resolved.sweep.value_columns:
            yield from _column_observations(resolved.sweep, column, members, wanted[row], is_mixed)


def _column_observations(
    sweep: Sweep, column: Column, members: Sequence[tuple[ResolvedPoint, CellResult]], num_wanted: int, is_mixed: bool
) -> Iterator[Observation]:
    found = [(each, _value(column, each.cell, result)) for each, result in members]
    num_defined = sum(value is not None and value.value is not None for _, value in found)
    for each, value in found:
        if value is None:
            continue
        request = next(one for one in each.cell.benchmarks if one.key == _key(column, each.cell))
        extra = {"mixed"} if is_mixed else set()
        extra |= {"incomplete"} if num_defined < num_wanted else set()
        row, across = place_of(sweep, each.point)
        yield Observation(
            row=row,
            across=across,
            column=shown_column(column, request),
            seed=each.seed,
            value=value.value,
            marks=value.marks | extra,
            undefined=value.undefined,
            spread=value.spread,
        )


def _key(column: Column, cell: ResolvedCell) -> str | None:
    return next((key for wanted, key in cell.wanted_values if wanted == column), None)


def _value(column: Column, cell: ResolvedCell, result: CellResult) -> ColumnValue | None:
    """Return a column's value of a cell, or None where it is not recorded."""
    key = _key(column, cell)
    found = value_in(column, result.reports.get(key)) if key is not None else None
    if found is None or found.value is None:
        return found
    return replace(found, marks=found.marks | origin_marks(result.training.summary.environment))


def _environment(result: CellResult) -> str:
    environment = result.training.summary.environment
    return str([precision_of(result.training), *(environment.get(name) for name in COMPARED_ENVIRONMENT)])
