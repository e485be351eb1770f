"""The recorded cells of each row of a sweep, and their reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.report import MetricReport
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.resolved import ResolvedSweep
from orchestration.store.contract import CellResult

Members = Mapping[str, Sequence[tuple["ResolvedCell", "CellResult"]]]
"""Row label -> its recorded cells."""


def members_of(ours: ResolvedSweep, results: Mapping[str, CellResult]) -> Members:
    """Return the recorded cells of each row that has any, in the order of the sweep."""
    found: dict[str, list[tuple[ResolvedCell, CellResult]]] = {}
    seen: set[tuple[str, str]] = set()  # a released network is one cell for all seeds
    for each in ours.points:
        key = each.cell.train_key
        if key in results and (each.row, key) not in seen:
            seen.add((each.row, key))
            found.setdefault(each.row, []).append((each.cell, results[key]))
    return found


def reports_of(result: CellResult, cell: ResolvedCell) -> dict[str, MetricReport]:
    """Return the reports that the sweep wants of a cell, by benchmark as it is shown."""
    found = {request.shown_name: result.reports.get(request.key) for request in cell.benchmarks}
    return {name: report for name, report in found.items() if report is not None and report.outcome is not None}
