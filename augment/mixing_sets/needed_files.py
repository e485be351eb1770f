"""Which files and folders in the data root a mixing set is made from. Light to import."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from augment.mixing_sets.registry import config_for, mixing_set_for
from augment.mixing_sets.source import MixingSetError


def files_of(name: str, params: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of the files and folders in the data root that a set is made from."""
    mixing_set = mixing_set_for(name)
    return mixing_set.files(config_for(mixing_set, params))


def missing_set_files(name: str, params: Mapping[str, object], data_root: Path) -> list[str]:
    """Return a line for each file or folder that a set is made from and that is not there, or is not what it must be."""
    mixing_set = mixing_set_for(name)
    missing = [
        f"mixing set {name!r} needs {data_root / each}, which is not there; {mixing_set.source}"
        for each in files_of(name, params)
        if not (data_root / each).exists()
    ]
    if missing or mixing_set.look is None:
        return missing
    try:
        mixing_set.look(config_for(mixing_set, params), data_root)
    except MixingSetError as error:
        return [str(error)]
    return []
