"""Image files as one array: decoded once per node, kept in the cache folder, mapped into memory by every process that reads them.

Images that cannot be decoded are left out and named; above one in a hundred the folder is refused. What is kept is verified when
it is opened, and decoded again where it is damaged.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from augment.errors import NoSpaceError
from augment.files.decode import decode_all
from augment.files.kept import DamagedFileError, keep, kept_facts
from augment.files.walk import named, refuse_unreadable
from augment.files.whole import is_full, no_room, reserved_array, whole_file
from augment.kernels.cpus import available_cpus

logger = logging.getLogger(__name__)
ARRAY: Final = "images.npy"
RECORD: Final = "facts.json"

Fit = Callable[[Image.Image], NDArray[np.uint8]]
"""Brings an RGB image to the shape of the array."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedImages:
    """The images of some files.

    Attributes:
        images: Those that could be decoded, in the order of the files, (N, H, W, C) uint8; mapped from a file.
        whole: Which of the files they are, (M,) bool.
    """

    images: NDArray[np.uint8]
    whole: NDArray[np.bool_]
    broken: tuple[str, ...]
    fingerprint: str


def decoded_images(
    root: Path,
    names: Sequence[str],
    *,
    identity: str,
    shape: tuple[int, int, int],
    fit: Fit,
    cache_dir: Path,
    unread: Sequence[str] = (),
) -> DecodedImages:
    """Return the decoded images of some files; one process of the node decodes, the others wait and share.

    Args:
        root: Folder that the names are relative to.
        identity: What decides the pixels: content, names and the way of fitting.
        shape: (H, W, C) of an image.
        unread: Other images of the folder that are known to be unreadable; they count as such.

    Raises:
        ImageFolderError: If more than one image in a hundred cannot be decoded; names the first.
        NoSpaceError: If the disk has no room for them; no part of them is left.
        OSError: If a file cannot be read.
    """
    fingerprint = hashlib.sha256(identity.encode()).hexdigest()
    kept = cache_dir / "pictures" / fingerprint[:24]
    with FileLock(kept / ".lock"):  # makes the folder; one process of the node decodes, the others wait
        broken = _broken_of(kept)
        if broken is None:
            broken = _store(root, names, kept, shape, fit)
    left_out, total = [*unread, *broken], len(names) + len(unread)
    refuse_unreadable(root, left_out, total, next(iter(broken.values()), ""))
    if left_out:
        text = "%d of %d images in %s cannot be decoded and are left out: %s"
        logger.warning(text, len(left_out), total, root, named(left_out))
    absent = set(broken)
    return DecodedImages(
        images=np.asarray(np.load(kept / ARRAY, mmap_mode="c", allow_pickle=False)),
        whole=np.array([name not in absent for name in names], dtype=np.bool_),
        broken=tuple(left_out),
        fingerprint=fingerprint,
    )


def _store(root: Path, names: Sequence[str], kept: Path, shape: tuple[int, int, int], fit: Fit) -> dict[str, str]:
    """Decode files into the kept array and write its record; return the files that are left out with what is wrong with them."""
    try:
        with whole_file(kept / ARRAY) as partial:
            broken = _decode(root, names, partial, shape, fit)
        keep(kept / RECORD, {ARRAY: kept / ARRAY}, {"broken": broken})
    except OSError as error:
        if not is_full(error):
            raise
        (kept / ARRAY).unlink(missing_ok=True)  # without its record it counts as absent, and takes room
        raise NoSpaceError(no_room(f"decoded images of '{root}'", kept, len(names) * math.prod(shape))) from error
    return broken


def _decode(root: Path, names: Sequence[str], target: Path, shape: tuple[int, int, int], fit: Fit) -> dict[str, str]:
    """Decode files in parallel into one array file of those that are whole; return the others with what is wrong with them."""
    pixels = reserved_array(target, (len(names), *shape))

    def store(number: int, image: Image.Image) -> None:
        pixels[number] = fit(image)

    reasons = decode_all([root / name for name in names], store, threads=available_cpus())
    broken = {name: why for name, why in zip(names, reasons, strict=True) if why is not None}
    if broken:
        np.save(target, np.array(pixels[[why is None for why in reasons]]))
    else:
        pixels.flush()
    return broken


def _broken_of(kept: Path) -> dict[str, str] | None:
    """Return the images that are left out of a kept array with what is wrong with them, or None without a whole array."""
    try:
        broken = kept_facts(kept / RECORD)["broken"]
    except FileNotFoundError:
        return None
    except DamagedFileError as error:
        logger.warning("a folder of images is decoded again: %s", error)
        return None
    return dict.fromkeys(broken, "") if isinstance(broken, list) else dict(broken)  # a list before reasons were kept
