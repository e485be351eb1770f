"""Files of caches, written whole or not at all; and a full disk, which is told apart from all other trouble.

What has no room says so with its path and what to do, and leaves no part of a file behind: the next attempt, once there is room,
starts clean. Writers of one file hold a lock on it, so that a name next to it is theirs alone, also after a crash.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from augment.files.given import MIB

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_NOT_RESERVABLE: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk, its inodes or a quota are used up."""
    return isinstance(error, OSError) and error.errno in FULL


def no_room(what: str, folder: Path, size: int) -> str:
    """Return the message for a file of a cache that has no room.

    Args:
        what: What it is: "generated set 'c-fog-3'".
        size: Bytes that it needs.
    """
    return (
        f"no space is left for the {what}: it needs {size / MIB:.1f} MiB in '{folder}'; free some space there, or name another "
        "cache folder (DREAMGRID_CACHE), then run again"
    )


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a hidden name next to a file; it is renamed to the file at the end, or removed where the body fails.

    Call this under a lock: a file of that name, which a killed process left, is written over.
    """
    partial = path.with_name(f".{path.name}")
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def reserved_array(path: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.uint8]]:
    """Make an array file of zeros and map it for writing, uint8.

    Its bytes are reserved: a map of a file with holes ends the process (SIGBUS) when the disk is full at the first write to one.

    Raises:
        OSError: If there is no room, or the file cannot be written.
    """
    array: np.memmap[Any, np.dtype[np.uint8]] = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    with path.open("r+b") as file:
        reserve(file.fileno(), path.stat().st_size)
    return array


def reserve(handle: int, size: int) -> None:
    """Reserve the bytes of an open file on its disk, where the system and its file system can do that.

    Raises:
        OSError: If there is no room.
    """
    if not hasattr(os, "posix_fallocate"):  # on macOS
        return
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        if error.errno not in _NOT_RESERVABLE:
            raise
