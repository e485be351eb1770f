"""How much disk generated sets may take: a family is kept whole within a budget, else made again while it is evaluated.

What is kept is decided once for each family (all sets of one benchmark on one dataset), in the order in which families are
asked for: it is kept if its sets fit into what the families before it have left. The decision is written down next to the
sets, so that all workers of a node follow it, also while the first of them still makes the sets. Nothing of this is part of a
key: kept and fresh images are the same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from filelock import FileLock

from augment.files.whole import is_full, whole_file
from eval.corruptions.cache import LABEL, SetKey
from eval.errors import EvalError, NoSpace

RECORD: Final = "kept-families"
"""File with the sets that are to be kept, JSON; without a suffix, since other files of the folder are found by theirs."""

_SUFFIX: Final = ".npy"


def may_keep(keys: Sequence[SetKey], cache_dir: Path, budget: float) -> bool:
    """Return whether all sets of a family are to be kept in a cache folder, and reserve their space if they are.

    Args:
        keys: The sets of the family.
        budget: Bytes that all generated sets of the folder may take together; sets that are kept already stay beyond it.

    Raises:
        NoSpace: If the decision must be written and the disk is full.
        EvalError: If it cannot be written for another reason.
    """
    folder = Path(cache_dir) / LABEL
    wanted = {key.name: num_bytes(key) for key in keys}
    if wanted.keys() <= _reserved(folder).keys() | _files(folder).keys():
        return True
    if math.fsum(wanted.values()) > budget:
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{RECORD}.lock"):
            reserved = _reserved(folder)
            together = {**_files(folder), **reserved, **wanted}
            if math.fsum(together.values()) > budget:
                return False
            _write(folder / RECORD, {**reserved, **wanted})
    except OSError as error:
        kind = NoSpace if is_full(error) else EvalError
        raise kind(
            f"which generated sets are kept must be written in '{folder}', but that failed: {error}; free some space there, name "
            "another cache folder (DREAMGRID_CACHE), or keep none (DREAMGRID_GENERATED_BUDGET=0)"
        ) from error
    return True


def num_bytes(key: SetKey) -> int:
    """Return the bytes of a set's pixels."""
    return math.prod(key.shape)


def _files(folder: Path) -> dict[str, int]:
    """Return the sets that are in the folder, by name, with their bytes."""
    return dict(_sizes(path for path in folder.glob(f"*{_SUFFIX}") if not path.name.startswith(".")))


def _sizes(paths: Iterable[Path]) -> Iterable[tuple[str, int]]:
    for path in paths:
        try:
            yield path.stem, path.stat().st_size
        except OSError:
            continue


def _reserved(folder: Path) -> dict[str, int]:
    """Return the sets that are to be kept, by name, with their bytes; a record that cannot be read reserves nothing."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return {str(name): int(size) for name, size in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _write(path: Path, reserved: Mapping[str, int]) -> None:
    with whole_file(path) as partial:
        partial.write_text(json.dumps(reserved, indent=1, sort_keys=True), encoding="utf-8")
