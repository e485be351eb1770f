"""What is recorded of resolved cells, asked for in one call that says what will be looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestration.cells import PlannedCell
    from orchestration.identities import ResolvedCell
    from orchestration.store.base import CellResult, ResultsStore


def recorded(cells: Iterable[ResolvedCell], store: ResultsStore) -> Mapping[str, CellResult]:
    """Return train key -> what is recorded, for the cells with a complete checkpoint; equal cells count once."""
    wanted: dict[str, set[str]] = {}
    for cell in cells:
        wanted.setdefault(cell.train_key, set()).update(request.key for request in cell.benchmarks)
    return store.results(wanted, wanted=wanted)


def recorded_of(cells: Iterable[PlannedCell], store: ResultsStore) -> Mapping[str, CellResult]:
    """Return train key -> what is recorded, for the cells of a plan."""
    wanted = {cell.train_key: [request.key for request in cell.wanted] for cell in cells}
    return store.results(wanted, wanted=wanted)
