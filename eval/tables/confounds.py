"""The confound guard: rows that differ from the baseline row in more than what the table is about.

A row answers "what does this factor change?" only if nothing else changed. A row is compared with the baseline factor by factor
(method, model, recipe, epochs, ...); differences outside the factors that the table varies are confounds and are marked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from eval.errors import EvalError
from eval.tables.grid import Table

Factors = Mapping[str, object]
"""Factor -> plain value, of all cells of a row (the seed is no factor)."""


def confounds(rows: Mapping[str, Factors], baseline: str, varied: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return, for each row that has any, the differences from the baseline row outside the varied factors.

    Args:
        rows: Row label -> factors.
        baseline: Label of the row that the others are compared with.
        varied: Factors that the table is about; "params" also stands for "params.beta".

    Raises:
        EvalError: If there is no such baseline row.
    """
    if baseline not in rows:
        raise EvalError(f"no row {baseline!r} to compare with; rows: {sorted(rows)}")
    reference = rows[baseline]
    found = {}
    for label, factors in rows.items():
        names = sorted(factors.keys() | reference.keys())
        differences = tuple(
            f"{name} {factors.get(name, 'absent')} instead of {reference.get(name, 'absent')}"
            for name in names
            if factors.get(name) != reference.get(name) and not _is_varied(name, varied)
        )
        if differences:
            found[label] = differences
    return found


def mark_confounds(table: Table, found: Mapping[str, tuple[str, ...]], baseline: str) -> Table:
    """Return the table with confounded rows marked, their differences in a note, and no test of them against the baseline."""
    entries = tuple(
        tuple(
            entry and replace(entry, marks=entry.marks | {"confounded"}, against=None) if label in found else entry
            for entry in row
        )
        for label, row in zip(table.rows, table.entries, strict=True)
    )
    notes = tuple(
        f"{label} differs from {baseline} also in: {'; '.join(found[label])}." for label in table.rows if label in found
    )
    return replace(table, entries=entries, notes=(*table.notes, *notes))


def _is_varied(name: str, varied: Collection[str]) -> bool:
    return any(name == factor or name.startswith(f"{factor}.") for factor in varied)
