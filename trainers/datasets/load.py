"""Reading datasets: checked bytes become uint8 arrays in the order of the published files.

`shared_split` reads once per node: the arrays are kept in the cache folder and mapped into memory by all workers. A warm worker
opens a split in a millisecond, and another worker costs no other copy of the pixels. Arrays that are not what was written are
never used: they are made again from the dataset.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from augment.files.kept import DamagedFileError, UnsealedRecordError, keep, kept_facts
from augment.files.whole import is_full, whole_file
from trainers.datasets.content import dataset_content, file_contradiction
from trainers.datasets.contract import Arrays, DatasetSpec, Split, SplitName
from trainers.datasets.folders.listing import list_split
from trainers.datasets.folders.split import decoded
from trainers.datasets.registry import dataset_for, readers_of
from trainers.errors import CorruptData, DataError, MissingData, NoSpace, as_data_errors

logger = logging.getLogger(__name__)


def load_split(name: str, split: SplitName, data_root: str | Path) -> Split:
    """Read and check one split of a dataset.

    Args:
        name: Key of `DATASETS`, or a dataset installed under the entry point group.
        split: "train" or "test".
        data_root: Folder of datasets in torchvision's layouts; plays no part for digits.

    Raises:
        UnknownName: If the name is no dataset's.
        MissingData: If its files are not there; names the command that gets them.
        CorruptData: If a file is not the published one, or the classes do not fit; names the file.
    """
    spec = dataset_for(name)
    root = Path(data_root)
    absent = spec.absent_paths(root, split)
    if absent:
        raise MissingData(spec.missing_line(data_root, absent))
    for file in spec.files:
        if file.split in (split, "both"):
            with as_data_errors():
                wrong = file_contradiction(spec, file, root)
            if wrong:
                raise CorruptData(wrong)
    images, labels = _read(spec, split, root)
    _check_arrays(spec, split, images, labels)
    return Split(images=images, labels=labels, fingerprint=fingerprint(images, labels))


def fingerprint(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> str:
    """Return the SHA-256 of images, labels and shape."""
    digest = hashlib.sha256(repr(images.shape).encode())
    digest.update(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(labels, dtype="<i8").data)
    return digest.hexdigest()


def _read(spec: DatasetSpec, split: SplitName, root: Path) -> Arrays:
    if spec.layout == "entry-point":
        (entry,) = readers_of(spec.name)
        images, labels = entry.load()(split, root)
        return np.asarray(images), np.asarray(labels, dtype=np.int64)
    if spec.read is None:
        raise DataError(
            f"dataset {spec.name!r} is stored in folders of images, which are decoded into a cache; read it with "
            "trainers.datasets.load.shared_split"
        )
    return spec.read(split, root)


def _check_arrays(spec: DatasetSpec, split: str, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    wanted = spec.num_train if split == "train" else spec.num_test
    shape = (wanted, spec.image_size, spec.image_size, spec.num_channels)
    if images.shape != shape or images.dtype != np.uint8 or labels.shape != (wanted,):
        raise CorruptData(
            f"the {split} split of {spec.name!r} must be {shape} uint8 with {wanted} labels, "
            f"but is {images.shape} {images.dtype} with {labels.shape[0]}"
        )
    if labels.size and not (labels.min() >= 0 and labels.max() < spec.num_classes):
        raise CorruptData(
            f"labels of {spec.name!r} must be in 0..{spec.num_classes - 1}, but are in {labels.min()}..{labels.max()}"
        )


def shared_split(name: str, split: SplitName, data_root: str | Path, cache_dir: str | Path) -> Split:
    """Return a split as arrays that all processes of the node share; writes to them stay private to a process.

    Args:
        split: "train" or "test".
        cache_dir: Local folder that the workers of a node share.

    Raises:
        TrainingError: As `load_split`, when the arrays are not there yet; or if they cannot be written.
    """
    spec = dataset_for(name)
    if spec.layout == "entry-point":  # its reader may itself be a memory map, and nothing shows when its bytes change
        return load_split(name, split, data_root)
    if spec.folders is not None:
        return _from_folders(spec, split, Path(data_root), Path(cache_dir))
    label = re.sub(r"[^a-z0-9-]", "_", name)
    identity = dataset_content(spec, Path(data_root)).key
    folder = Path(cache_dir) / "datasets" / f"{label}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    found = _open(folder, split)
    if found is None:
        with FileLock(folder / ".lock"):
            found = _open(folder, split)
            if found is None:
                _store(folder, split, load_split(name, split, data_root))
                found = _open(folder, split)
    assert found is not None
    return found


def _from_folders(spec: DatasetSpec, split: SplitName, data_root: Path, cache_dir: Path) -> Split:
    if split == "train" and not spec.is_resident:
        raise DataError(
            f"the {spec.num_train} training images of {spec.name!r} are decoded on demand and never form one array; use "
            "its test split, or a smaller dataset"
        )
    listing = list_split(spec, split, data_root, cache_dir)
    identity = dataset_content(spec, data_root).key
    return decoded(listing, identity=identity, resize=spec.resize, size=spec.image_size, cache_dir=cache_dir)


def _open(folder: Path, split: SplitName) -> Split | None:
    """Return a split whose arrays are stored whole, else None."""
    try:
        facts = _facts(folder, split)
        images, labels = (_map(path) for path in _arrays(folder, split))
    except FileNotFoundError:
        return None
    except (DamagedFileError, OSError, ValueError, EOFError) as error:
        logger.warning("rebuilding a cached split: %s", error)
        return None
    return Split(images=images, labels=labels.astype(np.int64), fingerprint=str(facts["fingerprint"]))


def _facts(folder: Path, split: SplitName) -> dict[str, Any]:
    """Return what is recorded of a split's arrays after verifying them.

    Raises:
        FileNotFoundError: If there is no record.
        DamagedFileError: If the record or an array is not what was written.
    """
    record = folder / f"{split}.json"
    try:
        return kept_facts(record)
    except UnsealedRecordError:
        return _sealed_now(folder, split, record)


def _sealed_now(folder: Path, split: SplitName, record: Path) -> dict[str, Any]:
    """Give arrays of an earlier version, whose record has only their fingerprint, a record of the current form."""
    try:
        facts: dict[str, Any] = json.loads(record.read_text())
        images, labels = (_map(path) for path in _arrays(folder, split))
        is_whole = facts["fingerprint"] == fingerprint(images, labels.astype(np.int64))
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise DamagedFileError(f"{record} and its arrays cannot be read ({error})") from error
    if not is_whole:
        raise DamagedFileError(f"the arrays of {record} must have the fingerprint that was recorded, but have another")
    with suppress(OSError):  # a cache that can only be read is verified again by the next process
        keep(record, _named(folder, split), facts)
    return facts


def _arrays(folder: Path, split: SplitName) -> tuple[Path, Path]:
    return folder / f"{split}-images.npy", folder / f"{split}-labels.npy"


def _named(folder: Path, split: SplitName) -> dict[str, Path]:
    return {path.name: path for path in _arrays(folder, split)}


def _map(path: Path) -> NDArray[np.uint8]:
    mapped: NDArray[np.uint8] = np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
    return mapped


def _store(folder: Path, split: SplitName, loaded: Split) -> None:
    """Write the arrays, their record last: it is what makes a split complete."""
    try:
        images, labels = _arrays(folder, split)
        for path, values in ((images, loaded.images), (labels, loaded.labels)):
            with whole_file(path) as partial:
                np.save(partial, values)
        keep(folder / f"{split}.json", _named(folder, split), {"fingerprint": loaded.fingerprint})
    except OSError as error:
        if not is_full(error):
            raise DataError(
                f"the cache folder must be one that can be written, but writing to {folder} failed: {error}; name another one "
                "(DREAMGRID_CACHE)"
            ) from error
        raise NoSpace(
            f"the cache folder needs {loaded.images.nbytes / 2**20:.0f} MiB for a split, but writing to {folder} failed: "
            f"{error}; free some space, or name another cache folder (DREAMGRID_CACHE)"
        ) from error
