"""Columns of values on files that are not shown to be the published ones: never those of the published files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestration.cells.identity import ResolvedCell


def own_files_notes(cells: Iterable[ResolvedCell]) -> tuple[str, ...]:
    """Return one line per collection of own files: what it is called, and why it does not bear the published name."""
    found: dict[str, str] = {}
    for cell in cells:
        for request in cell.benchmarks:
            found |= {name: why for name, why in request.own_files.items() if name != cell.config.dataset}
        found |= cell.own_files
    return tuple(f"Own files: {name}: {reason}." for name, reason in sorted(found.items()))
