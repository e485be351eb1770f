"""Rows of weights that were not trained here: their marks in tables, and the notes that say what is assumed of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from orchestration.store.provenance import origin_lines

if TYPE_CHECKING:
    from orchestration.cells.resolved import ResolvedSweep
    from orchestration.store.contract import CellResult


def assumption_notes(resolved: ResolvedSweep, results: Mapping[str, CellResult]) -> tuple[str, ...]:
    """Return the lines below a table that say what is assumed of each row of foreign weights, each once."""
    notes: dict[str, None] = {}
    for each in resolved.points:
        result = results.get(each.cell.train_key)
        if result is not None and each.row in resolved.sweep.rows:
            lines = origin_lines(result.training.summary.environment)
            notes |= dict.fromkeys(f"{each.row}: {line}." for line in lines)
    return tuple(notes)
