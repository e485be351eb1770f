"""What normalised columns are divided by: each names the baseline network of its entries below the table. Light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from eval.tables.column import Column

if TYPE_CHECKING:
    from orchestration.cells.identity import ResolvedCell
    from orchestration.store.contract import CellResult


def normalisation_notes(
    columns: Sequence[Column], cells: Sequence[ResolvedCell], results: Mapping[str, CellResult]
) -> tuple[str, ...]:
    """Return one line per normalised column that has values: which baseline its entries are divided by.

    Args:
        columns: Columns of a table.
        cells: Its resolved cells.
        results: Train key -> what is recorded.
    """
    notes = []
    for column in (each.without_mean() for each in columns):
        if column.spec.unit != "ratio":
            continue
        names = dict.fromkeys(str(baseline) for cell in cells for baseline in _baselines(column, cell, results))
        if names:
            notes.append(f"{column.label}: divided by the errors of {' and of '.join(names)}.")
    return tuple(notes)


def _baselines(column: Column, cell: ResolvedCell, results: Mapping[str, CellResult]) -> list[object]:
    result = results.get(cell.train_key)
    if result is None:
        return []
    requests = [
        request for request in cell.benchmarks if (request.name, request.is_own) == (column.benchmark, column.is_own)
    ]
    reports = [result.reports.get(request.key) for request in requests]
    outcomes = [report.outcome for report in reports if report is not None and report.outcome is not None]
    return [outcome.notes["baseline"] for outcome in outcomes if "baseline" in outcome.notes]
