"""Rows of weights that were not trained here: their marks in tables, and the notes that say what is assumed of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainers.models.weights.assumption import KEY, assumption_lines

if TYPE_CHECKING:
    from orchestration.cells.resolved import ResolvedSweep
    from orchestration.store.contract import CellResult


def origin_marks(environment: Mapping[str, Any]) -> set[str]:
    """Return the marks of a training record: "released", "adopted", "contradicted"; none for what was trained here."""
    marks = {"released"} if "released" in environment else set()
    marks |= {"adopted"} if "adopted_from" in environment else set()
    return marks | ({"contradicted"} if environment.get("adopted_against") else set())


def origin_lines(environment: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know of weights that were not trained here: against what adopted, and what is assumed."""
    lines = [f"adopted although {reason}" for reason in environment.get("adopted_against", ())]
    assumed = environment.get(KEY)
    return lines + (assumption_lines(assumed) if assumed else [])


def assumption_notes(resolved: ResolvedSweep, results: Mapping[str, CellResult]) -> tuple[str, ...]:
    """Return the lines below a table that say what is assumed of each row of foreign weights, each once."""
    notes: dict[str, None] = {}
    for each in resolved.points:
        result = results.get(each.cell.train_key)
        if result is not None and each.row in resolved.sweep.rows:
            lines = origin_lines(result.training.summary.environment)
            notes |= dict.fromkeys(f"{each.row}: {line}." for line in lines)
    return tuple(notes)
