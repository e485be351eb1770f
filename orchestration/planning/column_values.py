"""The value of a table's column in what is recorded with its marks, where it is shown, and columns that stay empty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clusters.storage.contract import MissingObjectError
from eval.benchmarks.contract import BenchmarkRequest
from eval.exchange.conditions import PARTIAL
from eval.exchange.suites import same_name
from eval.metrics.scores import detail_parts
from eval.report import REFUSED_SETS, BenchmarkOutcome, MetricReport
from eval.tables.column import Column, column_marks, column_value
from eval.tables.own_metrics import Undefined, own_value
from orchestration.cells.cell import PlannedCell
from orchestration.cells.identity import ResolvedCell
from orchestration.store.contract import CellResult, CorruptRecordError

SHOWN_CELLS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnValue:
    """A column's value with its marks; None where it is undefined for what was evaluated, with the reason.

    The spread is that which another suite's file gives for an imported value.
    """

    value: float | None
    marks: frozenset[str] = frozenset()
    undefined: str = ""
    spread: float | None = None


def value_in(column: Column, report: MetricReport | None) -> ColumnValue | None:
    """Return a column's value in a report on its benchmark, or None where it has none.

    Args:
        column: The column; the detail "mean" stands for the metric over all fine rows.
        report: The report, or None where none is recorded.
    """
    if report is None or report.outcome is None:
        return None
    column = column.without_mean()
    if "imported" in report.outcome.notes:
        return _imported_value(report.outcome, column)
    if column.is_computed:
        return _computed_value(report.outcome, column)
    value = column_value(report.outcome, column)
    if value is None:
        reason = _why_undefined(report.outcome.notes, column)
        return None if reason is None else ColumnValue(value=None, undefined=reason)
    return ColumnValue(value=value, marks=column_marks(report.outcome, column))


def _computed_value(outcome: BenchmarkOutcome, column: Column) -> ColumnValue:
    """Return the value of an installed package's metric, from the predictions that are kept of an evaluation."""
    try:
        value = own_value(outcome, column.spec, column.detail).value
    except Undefined as reason:
        return ColumnValue(value=None, undefined=str(reason))
    except (MissingObjectError, CorruptRecordError) as error:
        return ColumnValue(value=None, undefined=f"is not known: the kept predictions cannot be read ({error})")
    return ColumnValue(value=value, marks=column_marks(outcome, column))


def _imported_value(outcome: BenchmarkOutcome, column: Column) -> ColumnValue | None:
    """Return a value of another suite's file; a set may be spelled otherwise there ("cifar100")."""
    theirs = [
        str(row["set"]) for row in outcome.rows if column.detail and same_name(column.detail, str(row.get("set")))
    ]
    column = column.of_row(theirs[0]) if theirs else column
    value = column_value(outcome, column)
    if value is None:
        return None
    spread = outcome.notes.get("spreads", {}).get(str(column))
    is_partial = any(each == str(column) or each.startswith(f"{column}/") for each in outcome.notes.get(PARTIAL, ()))
    marks = frozenset({"imported", "limited"} if is_partial else {"imported"})
    return ColumnValue(value=value, marks=marks, spread=spread)


def _why_undefined(notes: Mapping[str, Any], column: Column) -> str | None:
    """Return why an evaluated network has no value in a column, as a predicate of its metric or of its outlier set."""
    if column.metric in notes.get("missing", {}):
        return str(notes["missing"][column.metric])
    refused = notes.get(REFUSED_SETS, {})
    name = detail_parts(column.detail)[0] if column.detail is not None else ""
    return f"was refused: {refused[name]}" if name in refused else None


def unfilled(cells: Iterable[ResolvedCell | PlannedCell], results: Mapping[str, CellResult]) -> tuple[str, ...]:
    """Return a line for each column that cells have no value in though its benchmark is recorded of them.

    A sweep with such a column is not complete: nothing is left to run, and yet something that it wants is not there. What
    another suite's file has no number of is not wanted of it.

    Args:
        cells: Cells with the values that are wanted of them.
        results: Train key -> what is recorded.
    """
    found: dict[Column, dict[str, None]] = {}
    for cell in cells:
        result = results.get(cell.train_key) if cell.cell.imported is None else None
        for column, key in cell.wanted_values if result is not None else ():
            if column.is_computed or result is None or key not in result.reports:
                continue
            if value_in(column, result.reports[key]) is None:
                found.setdefault(column, {})[f"{cell.cell.row} seed {cell.cell.seed}"] = None
    return tuple(
        f"column '{column}' is empty though its benchmark is recorded: {', '.join([*names][:SHOWN_CELLS])}"
        + (f" and {len(names) - SHOWN_CELLS} more" if len(names) > SHOWN_CELLS else "")
        for column, names in found.items()
    )


def shown_column(column: Column, request: BenchmarkRequest) -> Column:
    """Return the column of a value of a request."""
    return replace(column, is_own=True) if request.is_own else column


def shown_columns(columns: Sequence[Column], requests: Iterable[BenchmarkRequest]) -> tuple[Column, ...]:
    """Return the columns of a table: for each wanted one the published files, own files, or both where rows differ."""
    own: dict[str, set[bool]] = {}
    for request in requests:
        own.setdefault(request.name, set()).add(request.is_own)
    shown: dict[Column, None] = {}
    for column in columns:
        for is_own in sorted(own.get(column.benchmark, {False})):
            shown[replace(column, is_own=is_own)] = None
    return tuple(shown)
