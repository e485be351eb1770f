"""What sweeps want: the train keys of every cell of every built-in sweep in every size, and of further ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestration.cells.catalogue import Catalogue, builtin_catalogue
from orchestration.cells.load import SWEEPS, load_sweep, load_sweep_file, sizes_of
from orchestration.errors import InputError
from orchestration.sweeps.model import Overrides, Size

SEEDS_KEPT = tuple(range(10))
"""Seeds that a built-in sweep may have been run with through `--seeds`."""


def wanted_keys(further: Sequence[str] = (), *, data_root: Path | None = None) -> frozenset[str]:
    """Return the train keys of all built-in sweeps in all sizes with seeds 0 to 9, of further sweeps, and of all their parents.

    Args:
        further: Paths of sweep files whose cells are wanted too.
        data_root: Cells are wanted both as this folder's files make them, and as they are without those files.

    Raises:
        InputError: If a further sweep is mistaken.
    """
    keys: set[str] = set()
    catalogues = [builtin_catalogue(root) for root in dict.fromkeys((None, data_root))]
    for name in (*SWEEPS, *further):
        file = load_sweep_file(name)
        for size in sizes_of(file) if not file.include else ():
            for catalogue in catalogues:
                keys |= _keys_of(name, size, catalogue, must_load=name in further)
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
