"""Splits shared by the workers of a node: decoded once, kept as arrays in the cache folder, mapped into memory by all.

A warm worker opens a split in a millisecond, and a further worker costs no further copy of the pixels.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainers.datasets.folder_lock import locked_folder
from trainers.datasets.load import Split, SplitName, fingerprint, load_split
from trainers.datasets.registry import dataset_for
from trainers.datasets.spec import DatasetSpec
from trainers.errors import DataError, NoSpace

logger = logging.getLogger(__name__)
_CHECKED: Final[dict[tuple[str, int, int], str]] = {}
"""Arrays whose bytes this process has hashed: (path, size, modification time in ns) -> fingerprint."""


def shared_split(name: str, split: SplitName, data_root: str | Path, cache_dir: str | Path) -> Split:
    """Return a split as arrays that all processes of the node share; writes to them stay private to a process.

    Args:
        name: Key of `DATASETS`.
        split: "train" or "test".
        data_root: Folder of datasets.
        cache_dir: Local folder that the workers of a node share.

    Raises:
        TrainingError: As `load_split`, when the arrays are not there yet; or if the disk is full.
    """
    spec = dataset_for(name)
    if spec.layout == "entry-point":  # its reader may itself be a memory map, and nothing says when its bytes change
        return load_split(name, split, data_root)
    if spec.layout == "folders":
        return _from_folders(spec, split, Path(data_root), Path(cache_dir))
    label = re.sub(r"[^a-z0-9-]", "_", name)
    folder = Path(cache_dir) / "datasets" / f"{label}-{hashlib.sha256(spec.identity.encode()).hexdigest()[:16]}"
    found = _open(folder, split)
    if found is None:
        with locked_folder(folder):
            found = _open(folder, split)
            if found is None:
                _store(folder, split, load_split(name, split, data_root))
                found = _open(folder, split)
    assert found is not None
    return found


def _from_folders(spec: DatasetSpec, split: SplitName, data_root: Path, cache_dir: Path) -> Split:
    from trainers.datasets.folder import decoded
    from trainers.datasets.listing import list_split

    if split == "train" and not spec.is_resident:
        raise DataError(
            f"the {spec.num_train} training pictures of {spec.name!r} are decoded when needed and are never one array; use "
            "its test split, or a smaller dataset"
        )
    listing = list_split(spec, split, data_root, cache_dir)
    pictures = decoded(listing, identity=spec.identity, resize=spec.resize, size=spec.image_size, cache_dir=cache_dir)
    if pictures.broken:
        logger.warning(
            "%d of %d pictures in %s cannot be decoded and are left out: %s",
            *(len(pictures.broken), len(listing), listing.root, ", ".join(pictures.broken[:5])),
        )
    return Split(images=pictures.images, labels=pictures.labels, fingerprint=pictures.fingerprint)


def _open(folder: Path, split: SplitName) -> Split | None:
    try:
        facts = json.loads((folder / f"{split}.json").read_text())
        images = _map(folder / f"{split}-images.npy")
        labels = _map(folder / f"{split}-labels.npy")
    except (OSError, ValueError):
        return None
    if _checked_fingerprint(folder / f"{split}-images.npy", images, labels) != facts["fingerprint"]:
        return None
    return Split(images=images, labels=labels.astype(np.int64), fingerprint=facts["fingerprint"])


def _map(path: Path) -> NDArray[np.uint8]:
    mapped: NDArray[np.uint8] = np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
    return mapped


def _checked_fingerprint(path: Path, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> str:
    status = path.stat()
    known = (str(path), status.st_size, status.st_mtime_ns)
    if known not in _CHECKED:
        _CHECKED[known] = fingerprint(images, labels.astype(np.int64))
    return _CHECKED[known]


def _store(folder: Path, split: SplitName, loaded: Split) -> None:
    """Write the arrays, the facts last: they are what makes a split complete."""
    try:
        for kind, values in (("images", loaded.images), ("labels", loaded.labels)):
            partial = folder / f"{split}-{kind}-{os.getpid()}.npy"
            np.save(partial, values)
            partial.rename(folder / f"{split}-{kind}.npy")
        partial = folder / f"{split}-{os.getpid()}.json"
        partial.write_text(json.dumps({"fingerprint": loaded.fingerprint}))
        partial.rename(folder / f"{split}.json")
    except OSError as error:
        raise NoSpace(
            f"the cache folder needs {loaded.images.nbytes / 2**20:.0f} MiB for a split, but writing to {folder} failed: "
            f"{error}; free some space, or name another cache folder (DREAMGRID_CACHE)"
        ) from error
