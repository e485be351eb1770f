"""Files and folders below the data root that a job names beside its dataset: weights, stored copies, mixing images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from augment.compound import method_for
from augment.files.named import named_files
from augment.mixing_sets.identity import config_for
from augment.mixing_sets.registry import mixing_set_for
from trainers.worker.staging import RECORD, changed_copies, stage

if TYPE_CHECKING:
    from trainers.config import JobConfig


def names_below_data_root(config: JobConfig) -> tuple[str, ...]:
    """Return the files and folders that a job's method and mixing set name, each once."""
    parts = [method_for(part.strip()) for part in config.method.split("+")]
    params = config.method_params
    found = [
        name
        for part in parts
        for name in named_files(part, params if len(parts) == 1 else params.get(part.name, {}))  # type: ignore[arg-type]
    ]
    if config.mixing_set is not None:
        mixing_set = mixing_set_for(config.mixing_set.name)
        found += mixing_set.files(config_for(mixing_set, config.mixing_set.params))
    return tuple(dict.fromkeys(found))


def stage_named_files(config: JobConfig, source: str, data_root: Path) -> int:
    """Copy what a job names from a source to the data root where it is missing; return the number of files copied.

    What this node has copied before is compared with the source again, or with what was copied where there is no source; other
    files are left alone.

    Raises:
        DataError: If the source lacks it, or a copy is not what its checksum says.
        NoSpace: If the disk is full.
    """
    was_staged = (data_root / RECORD).is_file()
    names = names_below_data_root(config)
    if not source:
        changed_copies(names, source, data_root)
        return 0
    wanted = [name for name in names if was_staged or not (data_root / name).exists()]
    return stage(wanted, source, data_root) if wanted else 0
