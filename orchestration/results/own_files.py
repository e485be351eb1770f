"""Columns of values on files that are not shown to be the published ones: never those of the published files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from eval.tables.column import Column

if TYPE_CHECKING:
    from eval.benchmarks.contract import BenchmarkRequest
    from orchestration.cells.identity import ResolvedCell


def shown_column(column: Column, request: BenchmarkRequest) -> Column:
    """Return the column that a value of a request stands in."""
    return replace(column, is_own=True) if request.is_own else column


def shown_columns(columns: Sequence[Column], requests: Iterable[BenchmarkRequest]) -> tuple[Column, ...]:
    """Return the columns of a table: for each wanted one the published files, own files, or both where rows differ.

    Args:
        columns: Columns as a sweep names them.
        requests: Benchmarks of its cells.
    """
    own: dict[str, set[bool]] = {}
    for request in requests:
        own.setdefault(request.name, set()).add(request.is_own)
    shown: dict[Column, None] = {}
    for column in columns:
        for is_own in sorted(own.get(column.benchmark, {False})):
            shown[replace(column, is_own=is_own)] = None
    return tuple(shown)


def own_files_notes(cells: Iterable[ResolvedCell]) -> tuple[str, ...]:
    """Return one line per collection of own files: what it is called, and why it does not bear the published name."""
    found: dict[str, str] = {}
    for cell in cells:
        for request in cell.benchmarks:
            found |= {name: why for name, why in request.own_files.items() if name != cell.config.dataset}
        found |= cell.own_files
    return tuple(f"Own files: {name}: {reason}." for name, reason in sorted(found.items()))
