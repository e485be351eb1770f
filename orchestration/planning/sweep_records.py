"""What a storage remembers of a sweep that is run on it: its files, its options, and the cells that it wants."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.store.contract import SweepRecord, SweptCell

if TYPE_CHECKING:
    from orchestration.cells.cell import PlannedCell
    from orchestration.cells.identity import ResolvedCell
    from orchestration.store.contract import ResultsStore
    from orchestration.store.errors import OnDamage
    from orchestration.sweeps.model import Sweep


def remember(sweep: Sweep, cells: Sequence[ResolvedCell], *, data_root: Path, store: ResultsStore) -> None:
    """Let a storage remember a sweep, so that `cells gc` keeps its cells; see `sweep_record`.

    Raises:
        StorageError: If it cannot be written.
    """
    store.record_sweep(sweep_record(sweep, cells, data_root=data_root))


def sweep_record(sweep: Sweep, cells: Sequence[ResolvedCell], *, data_root: Path) -> SweepRecord:
    """Return the record of a sweep that is run now.

    Args:
        sweep: The sweep in its size, with its overrides.
        cells: Its resolved points; the cells that they start from are wanted too.
        data_root: Folder of the datasets that they were resolved with.
    """
    found: dict[str, SweptCell] = {}
    for cell in cells:  # its rows first: a cell that others start from may stand in a row itself
        found.setdefault(cell.train_key, _swept(cell, cell.cell.row))
    for cell in cells:
        for parent in ancestors(cell):
            found.setdefault(parent.train_key, _swept(parent, ""))
    return SweepRecord(
        name=sweep.name,
        size=sweep.size,
        files={each.name: each.document.text for each in (sweep, *sweep.parts)},
        overrides=sweep.overrides,
        data_root=str(data_root),
        cells=tuple(found.values()),
        recorded_at=time.time(),
    )


def recorded_otherwise(
    sweep: Sweep, cells: Iterable[ResolvedCell | PlannedCell], store: ResultsStore, on_damage: OnDamage
) -> tuple[str, ...]:
    """Return a line for each other way in which a sweep was run here: "6 cells are recorded with train.epochs=1".

    A cell that several ways want is counted once, under the one with the fewest options.

    Args:
        sweep: The sweep as it is asked for now.
        cells: Its cells; they are not counted.
        store: The results store.
        on_damage: Is handed each record that is not whole, which is left out.
    """
    counted = {cell.train_key for cell in cells}
    groups: dict[str, set[str]] = {}
    for record in sorted(store.sweeps(on_damage), key=lambda each: len(each.overrides)):
        others = {cell.train_key for cell in record.cells if cell.row} - counted
        if record.name == sweep.name and others:
            groups.setdefault(_difference(record, sweep), set()).update(others)
            counted |= others
    everything = sorted(set[str]().union(*groups.values()))
    found = set(store.results(everything, wanted=dict.fromkeys(everything, ()), on_damage=on_damage))
    counts = {settings: len(keys & found) for settings, keys in groups.items()}
    return tuple(
        f"{number} {'cell is' if number == 1 else 'cells are'} recorded with {settings}"
        for settings, number in counts.items()
        if number
    )


def _difference(record: SweepRecord, sweep: Sweep) -> str:
    """Return by what a sweep that was run differs from one that is asked for."""
    size = [f"the {record.size} size"] if record.size != sweep.size else []
    if not size and record.overrides == sweep.overrides:
        return "an earlier version of the sweep's file, of its data or of the code"
    return ", ".join([*size, *record.overrides]) or "the sweep's own settings"


def ancestors(cell: ResolvedCell) -> Iterator[ResolvedCell]:
    """Return the cells that a cell starts from, directly or not."""
    for parent in cell.parents:
        yield parent
        yield from ancestors(parent)


def _swept(cell: ResolvedCell, row: str) -> SweptCell:
    return SweptCell(train_key=cell.train_key, row=row, seed=cell.cell.seed)
