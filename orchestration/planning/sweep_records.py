"""What a storage remembers of a sweep that is run on it: its files, its options, and the cells that it wants."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from orchestration.cells.catalogue import Catalogue, builtin_catalogue
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.load import SWEEPS, load_sweep, load_sweep_file, sizes_of
from orchestration.cells.resolved import ResolvedSweep
from orchestration.errors import InputError
from orchestration.store.contract import OnDamage, ResultsStore, SweepRecord, SweptCell
from orchestration.sweeps.model import Overrides, Size, Sweep

SEEDS_KEPT = tuple(range(10))
"""Seeds that a built-in sweep may have been run with through `--seeds`."""


def record_sweep(resolved: ResolvedSweep, store: ResultsStore) -> None:
    """Record that a sweep is run now on a storage, so that `cells gc` keeps its cells and those that they start from.

    Raises:
        StorageError: If it cannot be written.
    """
    sweep, cells = resolved.sweep, resolved.cells
    found: dict[str, SweptCell] = {}
    for cell in cells:  # its rows first: a cell that others start from may be in a row itself
        found.setdefault(cell.train_key, _swept(cell, cell.cell.row))
    for cell in cells:
        for parent in cell.ancestors:
            found.setdefault(parent.train_key, _swept(parent, ""))
    record = SweepRecord(
        name=sweep.name,
        size=sweep.size,
        files={each.name: each.document.text for each in (sweep, *sweep.parts)},
        overrides=sweep.overrides,
        data_root=str(resolved.catalogue.data_root or ""),
        cells=tuple(found.values()),
        recorded_at=time.time(),
    )
    store.record_sweep(record)


def recorded_otherwise(resolved: ResolvedSweep, store: ResultsStore, on_damage: OnDamage) -> tuple[str, ...]:
    """Return a line for each other way in which a sweep was run here: "6 cells are recorded with train.epochs=1".

    A cell that several ways want is counted once, under the one with the fewest options.

    Args:
        resolved: The sweep as it is asked for now; its cells, and those that they start from, are not counted.
        on_damage: Is handed each record that is not whole, which is left out.
    """
    sweep = resolved.sweep
    counted = {each.train_key for cell in resolved.cells for each in (cell, *cell.ancestors)}
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


def _swept(cell: ResolvedCell, row: str) -> SweptCell:
    return SweptCell(train_key=cell.train_key, row=row, seed=cell.cell.seed)


def reachable_keys(others: Sequence[str] = (), *, data_root: Path | None = None) -> frozenset[str]:
    """Return the train keys of all built-in sweeps in all sizes with seeds 0 to 9, of others, and of all their parents.

    Args:
        others: Paths of sweep files whose cells are wanted too.
        data_root: Cells are wanted both as this folder's files make them, and as they are without those files.

    Raises:
        InputError: If one of the others is mistaken.
    """
    keys: set[str] = set()
    catalogues = [builtin_catalogue(root) for root in dict.fromkeys((None, data_root))]
    for name in (*SWEEPS, *others):
        file = load_sweep_file(name)
        for size in sizes_of(file) if not file.include else ():
            for catalogue in catalogues:
                keys |= _keys_of(name, size, catalogue, must_load=name in others)
    return frozenset(keys)


def _keys_of(name: str, size: Size, catalogue: Catalogue, *, must_load: bool) -> set[str]:
    keys: set[str] = set()
    for overrides in (None, Overrides(seeds=SEEDS_KEPT)):
        try:
            cells = load_sweep(name, size=size, overrides=overrides, catalogue=catalogue).cells
        except InputError:
            if must_load:
                raise
            continue
        keys.update(each.train_key for cell in cells for each in (cell, *cell.ancestors))
    return keys
