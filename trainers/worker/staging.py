"""Copying what a job reads from object storage to the node, once: the first worker copies, the others wait and share.

The source mirrors the data root (`s3://bucket/data/imagenet/train/...`). Files that are in the staging record with the size and
etag that the source has now are not copied again, so that a copy that was cut off goes on. Where the source has a file
`SHA256SUMS` at its top, each copy must have the checksum in it. The record has the BLAKE3 digest of every copy; a job verifies
those that it reads, and a copy that has changed since is made again, or refused where there is no source.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from augment.compound import method_for
from augment.files.kept import DamagedFileError, changed_files, file_digest, keep, kept_facts
from augment.files.named import named_files
from augment.files.published import PROOFS
from augment.mixing_sets.identity import config_for
from augment.mixing_sets.registry import mixing_set_for
from clusters.storage.contract import MissingObjectError, ObjectInfo, Storage, StorageError
from clusters.storage.open import open_storage
from clusters.storage.unfinished import remove_unfinished
from trainers.config import JobConfig
from trainers.datasets.contract import DatasetSpec
from trainers.datasets.registry import dataset_for
from trainers.datasets.streams import RANDOM_IMAGES, RANDOM_IMAGES_FILE
from trainers.errors import CorruptData, DataError, MissingData, NoSpace, UnknownName
from trainers.job import SOURCE_VARIABLE
from trainers.models.released.registry import FOLDER, checkpoint_for

logger = logging.getLogger(__name__)
RECORD: Final = ".staged.json"
PARTIAL: Final = "partial"
"""Entry of the record that lists what was begun and not finished; the others are files with size, etag and digest."""

CHECKSUMS: Final = "SHA256SUMS"
THREADS: Final = 8
SAVE_EVERY: Final = 500
"""Files after which the record is written, so that a copy that is cut off knows what it has."""

MOST_SAVES: Final = 50
"""Times that the record is written during one copy: that of a million files is large."""


def stage_datasets(names: list[str], source: str, data_root: Path) -> int:
    """Copy what is missing of some datasets or outlier streams from a source to the data root; return the number of files copied.

    Args:
        names: Datasets and outlier streams; those that need no files, or are there, cost nothing.
        source: Folder or s3:// prefix that mirrors the data root; "" for none.
    """
    specs = [spec for name in names if (spec := _dataset(name)) is not None]
    streams = [RANDOM_IMAGES_FILE] if RANDOM_IMAGES in names else []
    paths = [path for spec in specs for path in (*(file.path for file in spec.files), *(spec.folders or ()))]
    changed = changed_copies([*paths, *streams], source, data_root)
    absent = [path for path in streams if not (data_root / path).is_file()]
    absent += [path for spec in specs for path in _absent(spec, data_root)]
    wanted = list(dict.fromkeys((*absent, *changed))) if source else []
    packed = [f"{path}.gz" for path in wanted if path.endswith("-ubyte")]  # what KMNIST is compared with
    return stage(wanted, source, data_root, optional=packed) if wanted else 0


def stage_released(name: str | None, source: str, data_root: Path) -> int:
    """Copy the file of a released network from the source where it is missing; return the number of files copied."""
    if name is None:
        return 0
    path = f"{FOLDER}/{checkpoint_for(name).file}"
    is_wanted = bool(changed_copies([path], source, data_root)) or not checkpoint_for(name).path(data_root).is_file()
    return stage([path], source, data_root) if source and is_wanted else 0


def stage(paths: list[str], source: str, data_root: Path, *, optional: Sequence[str] = ()) -> int:
    """Copy files and folders, by their names at the source, to the data root; one process of the node at a time.

    Its record of content that was compared with published archives comes with them.

    Args:
        source: Folder or s3:// prefix that mirrors the data root.
        optional: Files that are copied too where the source has them.

    Raises:
        DataError: If the source lacks them, or a copy does not have its checksum.
        NoSpace: If the disk is full.
    """
    storage = open_storage(source)
    with FileLock(data_root / ".staging.lock"):
        record = _read(data_root / RECORD)
        record[PARTIAL] = sorted({*record.get(PARTIAL, []), *paths})
        keep(data_root / RECORD, {}, record)
        objects = [found for path in paths for found in _objects(storage, path)]
        is_own = (data_root / PROOFS).exists() and PROOFS not in record
        objects += _optional(storage, [*([] if is_own else [PROOFS]), *optional])
        changed = set(changed_files(data_root, _digests(record, paths)))
        missing = [each for each in objects if each.path in changed or not _is_there(each, record, data_root)]
        if missing:
            logger.info("copying %d of %d files from %s to %s", len(missing), len(objects), source, data_root)
            _copy(missing, storage, data_root, record)
        record[PARTIAL] = sorted(set(record[PARTIAL]) - set(paths))
        keep(data_root / RECORD, {}, record)
    return len(missing)


def named_paths(config: JobConfig) -> tuple[str, ...]:
    """Return the files and folders that a job's method and mixing set name, each once."""
    parts, params = method_for(config.method).singles, config.method_params
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
    """
    was_staged = (data_root / RECORD).is_file()
    names = named_paths(config)
    if not source:
        changed_copies(names, source, data_root)
        return 0
    wanted = [name for name in names if was_staged or not (data_root / name).exists()]
    return stage(wanted, source, data_root) if wanted else 0


def changed_copies(paths: Sequence[str], source: str, data_root: Path) -> tuple[str, ...]:
    """Return the staged files in these files and folders that are not what was copied."""
    recorded = _digests(_read(data_root / RECORD), paths)
    changed = changed_files(data_root, recorded) if recorded else ()
    present = tuple(name for name in changed if (data_root / name).exists())
    if present and not source:
        raise CorruptData(
            f"{data_root / present[0]} and {len(present) - 1} more must be what was copied from the data source, but have "
            f"changed since; name the source again ({SOURCE_VARIABLE}), or delete them and fetch them again"
        )
    return changed if source else ()


def _dataset(name: str) -> DatasetSpec | None:
    """Return the dataset of a name, or None for outlier streams, a user's folder, and what its reader will not find either."""
    try:
        return dataset_for(name) if ":" not in name and name != RANDOM_IMAGES else None
    except UnknownName:
        return None


def _digests(record: Mapping[str, Any], paths: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Return name -> size and digest of the copies in some files and folders."""
    wanted = set(paths)

    def is_wanted(name: str) -> bool:
        parts = name.split("/")
        return any("/".join(parts[:depth]) in wanted for depth in range(1, len(parts) + 1))

    return {name: (entry[0], entry[2]) for name, entry in record.items() if name != PARTIAL and is_wanted(name)}


def _absent(spec: DatasetSpec, data_root: Path) -> list[str]:
    """Return the files and folders of a dataset that must be looked for at the source: absent, or copied in part."""
    cut_off = set(_read(data_root / RECORD).get(PARTIAL, [])) & set(spec.folders or ())
    return sorted({*spec.absent_paths(data_root), *cut_off})


def _objects(storage: Storage, path: str) -> list[ObjectInfo]:
    try:
        one = storage.stat(path)
        found = [one] if one is not None else list(storage.list(path))
    except StorageError as error:
        raise DataError(f"{storage.uri} must be readable to copy {path} from it: {error}; check the address") from error
    if not found:
        raise MissingData(f"the data source {storage.uri} must contain {path}, but has nothing there; upload it first")
    return found


def _optional(storage: Storage, paths: Sequence[str]) -> list[ObjectInfo]:
    """Return those of some files that a source has."""
    try:
        return [found for path in paths if (found := storage.stat(path)) is not None]
    except StorageError as error:
        raise DataError(f"{storage.uri} must be readable, but is not: {error}; check the address") from error


def _is_there(each: ObjectInfo, record: Mapping[str, Any], data_root: Path) -> bool:
    known = record.get(each.path)
    target = data_root / each.path
    return known is not None and known[:2] == [each.size, each.etag] and target.is_file()


def _copy(missing: list[ObjectInfo], storage: Storage, data_root: Path, record: dict[str, Any]) -> None:
    checksums = _checksums(storage)
    for folder in {(data_root / each.path).parent for each in missing}:
        remove_unfinished(folder)

    def one(each: ObjectInfo) -> tuple[ObjectInfo, str]:
        target = data_root / each.path
        target.parent.mkdir(parents=True, exist_ok=True)
        storage.download_file(each.path, target, sha256=checksums.get(each.path))
        return each, file_digest(target)

    try:
        with ThreadPoolExecutor(THREADS) as pool:
            for number, (done, digest) in enumerate(pool.map(one, missing), start=1):
                record[done.path] = [done.size, done.etag, digest]
                if number % max(SAVE_EVERY, len(missing) // MOST_SAVES) == 0:
                    keep(data_root / RECORD, {}, record)
    except StorageError as error:
        kind = NoSpace if error.reason == "no-space" else CorruptData
        raise kind(f"copying from {storage.uri} to {data_root} failed: {error}; run again, and it goes on") from error
    finally:
        keep(data_root / RECORD, {}, record)


def _checksums(storage: Storage) -> dict[str, str]:
    try:
        lines = storage.read_bytes(CHECKSUMS).decode().splitlines()
    except MissingObjectError:
        return {}
    pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
    return {pair[1].removeprefix("*").removeprefix("./"): pair[0] for pair in pairs if len(pair) == 2}


def _read(path: Path) -> dict[str, Any]:
    """Return the staging record; {} where there is none, or one without digests: what it lists is copied again."""
    try:
        return kept_facts(path)
    except (OSError, DamagedFileError):
        return {}
