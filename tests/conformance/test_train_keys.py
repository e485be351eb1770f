"""The keys of every cell and benchmark of the built-in sweeps: a changed key computes again what is recorded.

A digest covers the train keys of a sweep's cells and of the cells that they build on, with the keys of their benchmarks, while
no data are there. A key changes with the semantics version of what is in it, and for no other reason. After raising one, delete
the digests of the sweeps that it is in and run this file with DREAMGRID_WRITE_DIGESTS=1; it never overwrites an entry.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.load import SWEEPS, load_sweep, load_sweep_file, sizes_of

RECORD = Path(__file__).with_name("train_keys.json")
SWEEP_SIZES = [
    (name, size) for name in SWEEPS if not load_sweep_file(name).include for size in sizes_of(load_sweep_file(name))
]


def keys_of(cells: Iterable[ResolvedCell]) -> set[str]:
    own = {" ".join([cell.train_key, *sorted(each.key for each in cell.benchmarks)]) for cell in cells}
    parents = [parent for cell in cells for parent in cell.parents]
    return own | keys_of(parents) if parents else own


@pytest.mark.parametrize(("name", "size"), SWEEP_SIZES)
def test_keys_stay_unless_a_version_is_raised(name: str, size: str, tmp_path: Path) -> None:
    resolved = load_sweep(name, size=size, catalogue=builtin_catalogue(tmp_path))  # type: ignore[arg-type]
    digest = hashlib.sha256("\n".join(sorted(keys_of(resolved.cells))).encode()).hexdigest()

    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    entry = f"{name} {size}"
    if os.environ.get("DREAMGRID_WRITE_DIGESTS") and entry not in record:
        record[entry] = digest
        RECORD.write_text(json.dumps(dict(sorted(record.items())), indent=1) + "\n")
    assert entry in record, f"no keys are stored for {entry}; run this test with DREAMGRID_WRITE_DIGESTS=1"

    assert digest == record[entry]
