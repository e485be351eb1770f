"""Any folder of pictures, one sub-folder per class: decoded in parallel once, kept as one uint8 array.

Pictures that cannot be decoded are left out and named; above one in a hundred the folder is refused.
"""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.kept_files import DamagedFileError, keep, kept_facts
from trainers.datasets.decode import decode_all
from trainers.datasets.folder_lock import locked_folder
from trainers.datasets.listing import Listing, listing_of, walk
from trainers.datasets.user_folder import SUFFIXES
from trainers.errors import MissingData

logger = logging.getLogger(__name__)
ARRAY: Final = "images.npy"
RECORD: Final = "facts.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFolder:
    """A decoded folder.

    Attributes:
        images: (N, S, S, 3) uint8: shorter side resized, centre cropped; mapped from a file.
        labels: Index of the sub-folder in sorted order, (N,) int64.
        classes: Names of the sub-folders.
        broken: Files that could not be decoded and were left out.
        fingerprint: Identity of the files and of how they were decoded.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    broken: tuple[str, ...]
    fingerprint: str


def read_folder(folder: Path, *, image_size: int, cache_dir: Path) -> PictureFolder:
    """Decode a folder of pictures, or open the array that an earlier call kept.

    Args:
        folder: Pictures, directly inside or one sub-folder per class.
        image_size: Side of the square results in pixels.
        cache_dir: Folder for the decoded array; its name follows names, sizes and times of the files.

    Raises:
        MissingData: If there is no such folder, or no picture in it.
        CorruptData: If too many pictures cannot be decoded; names the first.
    """
    if not folder.is_dir():
        raise MissingData(f"a picture folder must exist, but {folder} does not; check the path")
    listing = listing_of(folder.resolve(), sorted(walk(folder.resolve())))
    if not len(listing):
        raise MissingData(
            f"{folder} must hold pictures ({', '.join(sorted(SUFFIXES))}), but holds none; check the path"
        )
    stamps = "".join(_stamp(listing.root / name) for name in listing.names)
    identity = hashlib.sha256(f"{listing.fingerprint}\n{stamps}".encode()).hexdigest()
    return decoded(listing, identity=identity, resize=image_size, size=image_size, cache_dir=cache_dir)


def decoded(listing: Listing, *, identity: str, resize: int, size: int, cache_dir: Path) -> PictureFolder:
    """Return the decoded pictures of a listing; one process of the node decodes, the others wait and share.

    Args:
        listing: Which pictures.
        identity: Names the decoded array.
        resize: Length of the shorter side before the crop.
        size: Side of the centre crop.
        cache_dir: Folder for the decoded array.
    """
    fingerprint = hashlib.sha256(f"{identity} {listing.fingerprint} {resize} {size}".encode()).hexdigest()
    kept = cache_dir / "pictures" / fingerprint[:24]
    with locked_folder(kept):
        broken = _broken_of(kept)
        if broken is None:
            threads = len(os.sched_getaffinity(0))
            partial = kept / "partial.npy"
            _, missing = decode_all(listing.root, listing.names, partial, resize=resize, size=size, threads=threads)
            partial.rename(kept / ARRAY)
            keep(kept / RECORD, {ARRAY: kept / ARRAY}, {"broken": missing})
            broken = frozenset(missing)
    whole = np.array([name not in broken for name in listing.names], dtype=np.bool_)
    return PictureFolder(
        images=np.asarray(np.load(kept / ARRAY, mmap_mode="c", allow_pickle=False)),
        labels=listing.labels[whole],
        classes=listing.classes,
        broken=tuple(sorted(broken)),
        fingerprint=fingerprint,
    )


def _broken_of(kept: Path) -> frozenset[str] | None:
    """Return the pictures that are left out of a decoded array, or None where there is no whole array."""
    try:
        return frozenset(kept_facts(kept / RECORD)["broken"])
    except FileNotFoundError:
        return None
    except DamagedFileError as error:
        logger.warning("a folder of pictures is decoded again: %s", error)
        return None


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}\n"
