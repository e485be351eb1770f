"""From recorded results to a table: which value stands in which row and column of a sweep, and what must be said of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from augment.fast_dataclass import dataclass
from eval.benchmarks import column_marks, column_value, parse_column
from eval.tables.grid import Observation, Table
from eval.tables.layouts import metric_table, pair_grid, set_table
from orchestration.comparison import Resolved, tested
from orchestration.normalisation import normalisation_notes
from orchestration.recorded import recorded

if TYPE_CHECKING:
    from orchestration.identities import ResolvedCell
    from orchestration.store.base import CellResult, ResultsStore
    from orchestration.sweep import Point, Sweep

COMPARED_ENVIRONMENT = ("device", "device_type", "torch")
"""What seeds of one row must agree in; where they do not, the row is marked as mixed."""


def recorded_tables(sweep: Sweep, cells: Sequence[ResolvedCell], store: ResultsStore) -> tuple[Table, ...]:
    """Return the tables of a sweep (one; several for a union) from what is recorded now, with their notes."""
    return sweep_tables(sweep, cells, recorded(cells, store))


def sweep_tables(sweep: Sweep, cells: Sequence[ResolvedCell], results: Mapping[str, CellResult]) -> tuple[Table, ...]:
    """Return the table of a sweep with its notes, or one table for each part of a union."""
    if not sweep.parts:
        table = tested(sweep_table(sweep, cells, results), Resolved(sweep, cells))
        baselines = normalisation_notes(sweep.columns, cells, results)
        return (replace(table, notes=(*table.notes, *table_notes(sweep), *baselines)),)
    tables: list[Table] = []
    start = 0
    for part in sweep.parts:
        end = start + len(part.points)
        tables += sweep_tables(part, cells[start:end], results)
        start = end
    return tuple(tables)


def sweep_table(sweep: Sweep, cells: Sequence[ResolvedCell], results: Mapping[str, CellResult]) -> Table:
    """Return the table of a sweep from what is recorded; entries without a result stay empty.

    Args:
        sweep: Rows, columns, layout.
        cells: The resolved points of the sweep, in the same order.
        results: Train key -> what is recorded.

    Raises:
        EvalError: If a column is unknown.
    """
    if sweep.table is None:
        raise ValueError(f"sweep '{sweep.name}' is a union; `sweep_tables` gives the tables of its parts")
    observations = list(_observations(sweep, cells, results))
    layout = sweep.table.layout
    if layout == "matrix" and sweep.table.matrix is not None:
        axes = sweep.table.matrix
        down = dict.fromkeys(_setting(point, axes.rows) for point in sweep.points)
        across = dict.fromkeys(_setting(point, axes.columns) for point in sweep.points)
        return pair_grid(
            shown_title(sweep),
            list(down),
            list(across),
            sweep.columns,
            observations,
            corner=_short(axes.rows),
            across_name=_short(axes.columns),
        )
    if layout == "sets":
        return set_table(shown_title(sweep), sweep.details, sweep.rows, sweep.columns, observations)
    return metric_table(shown_title(sweep), sweep.rows, sweep.columns, observations)


def shown_title(sweep: Sweep) -> str:
    """Return the caption of a sweep's table; a smaller size says on what it ran, since the title speaks of the full one."""
    if sweep.size == "full":
        return sweep.title
    datasets = dict.fromkeys(
        str(point.settings["dataset"].value) for point in sweep.points if "dataset" in point.settings
    )
    return f"{sweep.title}, {sweep.size} size ({', '.join(datasets)})"


def table_notes(sweep: Sweep) -> tuple[str, ...]:
    """Return the lines below the table: stand-ins, and what is left out with its reason."""
    notes = [f"{shown} stands in for {column}." for shown, column in sweep.stand_ins.items()]
    notes += [f"Left out: {name} ({reason})." for name, reason in sweep.left_out.items()]
    return tuple(notes)


def _observations(
    sweep: Sweep, cells: Sequence[ResolvedCell], results: Mapping[str, CellResult]
) -> Iterator[Observation]:
    columns = _value_columns(sweep)
    wanted: dict[str, int] = {}
    found: dict[str, list[tuple[Point, ResolvedCell, CellResult]]] = {}
    seen: set[tuple[str, int]] = set()
    for point, cell in zip(sweep.points, cells, strict=True):
        if (point.row, cell.config.seed) in seen:
            continue
        seen.add((point.row, cell.config.seed))
        wanted[point.row] = wanted.get(point.row, 0) + 1
        result = results.get(cell.train_key)
        if result is not None:
            found.setdefault(point.row, []).append((point, cell, result))
    for row, members in found.items():
        is_mixed = len({_environment(result) for _, _, result in members}) > 1
        for column in columns:
            yield from _column_observations(sweep, column, members, wanted[row], is_mixed)


def _column_observations(
    sweep: Sweep,
    column: str,
    members: Sequence[tuple[Point, ResolvedCell, CellResult]],
    num_wanted: int,
    is_mixed: bool,
) -> Iterator[Observation]:
    found = [(point, _value(column, cell, result)) for point, cell, result in members]
    num_defined = sum(value is not None and value.value is not None for _, value in found)
    for point, value in found:
        if value is None:
            continue
        extra = {"mixed"} if is_mixed else set()
        extra |= {"incomplete"} if num_defined < num_wanted else set()
        row, across = _place(sweep, point)
        yield Observation(
            row=row,
            across=across,
            column=column,
            seed=point.seed,
            value=value.value,
            marks=value.marks | extra,
            undefined=value.undefined,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """A column's value of a cell with its marks; None where it is undefined for what was evaluated, with the reason."""

    value: float | None
    marks: frozenset[str] = frozenset()
    undefined: str = ""


def _value(column: str, cell: ResolvedCell, result: CellResult) -> _Value | None:
    """Return a column's value of a cell, or None where it is not recorded."""
    parsed = parse_column(column.removesuffix("/mean") if column.endswith("/mean") else column)
    request = next((each for each in cell.benchmarks if each.name == parsed.benchmark), None)
    report = result.reports.get(request.key) if request is not None else None
    if report is None or report.outcome is None:
        return None
    value = column_value(report.outcome, parsed)
    if value is None:
        reason = report.outcome.notes.get("missing", {}).get(parsed.metric)
        return None if reason is None else _Value(value=None, undefined=str(reason))
    marks = column_marks(report.outcome, parsed)
    return _Value(value=value, marks=marks | {"released"} if cell.config.released is not None else marks)


def _value_columns(sweep: Sweep) -> tuple[str, ...]:
    if sweep.table is None or sweep.table.layout != "sets":
        return sweep.columns
    return tuple(f"{column}/{detail}" for column in sweep.columns for detail in sweep.details)


def _place(sweep: Sweep, point: Point) -> tuple[str, str]:
    matrix = sweep.table.matrix if sweep.table is not None else None
    if matrix is None:
        return point.row, ""
    return _setting(point, matrix.rows), _setting(point, matrix.columns)


def _setting(point: Point, path: str) -> str:
    return str(point.settings[path].value) if path in point.settings else "default"


def _short(path: str) -> str:
    return path.rpartition(".")[2]


def _environment(result: CellResult) -> str:
    environment = result.training.summary.environment
    return str([environment.get(name) for name in COMPARED_ENVIRONMENT])
