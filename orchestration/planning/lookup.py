"""What is recorded of cells, in one request that names every report which will be read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from orchestration.cells.cell import PlannedCell
from orchestration.cells.identity import ResolvedCell
from orchestration.store.contract import CellResult, CorruptRecordError, OnDamage, Results


def recorded(cells: Iterable[ResolvedCell | PlannedCell], store: Results) -> Mapping[str, CellResult]:
    """Return train key -> what is recorded, for the cells with a complete checkpoint; equal cells count once."""
    wanted: dict[str, set[str]] = {}
    for cell in cells:
        wanted.setdefault(cell.train_key, set()).update(request.key for request in cell.benchmarks)
    return store.results(wanted, wanted=wanted)


def whole_results(train_keys: Collection[str], store: Results, on_damage: OnDamage) -> Mapping[str, CellResult]:
    """Return train key -> what is recorded, of the cells whose every record is whole.

    For what goes through a whole storage: one damaged cell must not keep the others from being seen.

    Args:
        on_damage: Is handed what is wrong with each other cell; the error names the cell (`train_key`).
    """
    found = store.results(train_keys, on_damage=on_damage)
    return {key: result for key, result in found.items() if _is_whole(result, on_damage)}


def _is_whole(result: CellResult, on_damage: OnDamage) -> bool:
    """Read every report of a cell: each is decoded only when it is looked at."""
    try:
        for key in result.reports:
            result.reports[key]
    except CorruptRecordError as error:
        error.train_key = result.train_key
        on_damage(error)
        return False
    return True
