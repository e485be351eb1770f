"""What processes left that ended without tidying up: collected at the next start, or listed where nobody can say.

The folder of a process of this host and boot goes as soon as that process is gone; its start time decides, so that another
process with the same number does not protect it. Whether a process of an earlier boot, or of another container, still uses its
folder cannot be seen from here: `cells gc` lists such folders. Those of other hosts, which may share TMPDIR, are never touched.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.errors import ClusterError
from clusters.temporary.owners import describe, is_alive_here, is_dead, is_of_this_host, owner_here, parse_owner
from clusters.temporary.private import is_log, owner_of, private_folder, remove, remove_all_but_logs

KEPT_LOGS: Final = 10
"""Ended processes whose logs are kept, the newest ones."""

_NAMELESS_S: Final = 3600.0
"""A folder that names no process is that of one that ended while it made it once it is so old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A temporary file or folder that no living process of this host is known to use.

    Attributes:
        size: Bytes.
        of: Whose it was, for people.
    """

    path: str
    size: int
    of: str


def collect_leftovers() -> None:
    """Remove what ended processes of this host left, but for the logs of the newest ones; what cannot be removed stays."""
    with contextlib.suppress(ClusterError, OSError):
        ended = [folder for folder in _process_folders() if _is_over(folder)]
        for folder in ended:
            remove_all_but_logs(folder)
        by_age = sorted((folder for folder in ended if folder.is_dir()), key=_written_at)
        for folder in by_age[:-KEPT_LOGS]:
            remove(folder)


def undecided_folders() -> tuple[Leftover, ...]:
    """Return the folders of which nobody can say whether their processes run: of earlier boots and of other containers.

    Raises:
        ClusterError: If the private folder cannot be used.
    """
    found = []
    for folder in _process_folders():
        text = owner_of(folder)
        if is_of_this_host(text) and not is_dead(text) and not is_alive_here(text):
            of = f"{describe(text)}, of an earlier boot or another container"
            found.append(Leftover(path=str(folder), size=size_of(folder), of=of))
    return tuple(found)


def size_of(path: Path) -> int:
    """Return the bytes of all files in a folder."""
    total = 0
    for folder, _, files in os.walk(path):
        for file in files:
            with contextlib.suppress(OSError):
                total += Path(folder, file).lstat().st_size
    return total


def _process_folders() -> Iterator[Path]:
    for folder in sorted(private_folder().iterdir()):
        if folder.is_dir() and not folder.is_symlink():
            yield folder


def _is_over(folder: Path) -> bool:
    text = owner_of(folder)
    if parse_owner(text) is not None:
        return is_dead(text)
    return time.time() - folder.stat().st_mtime > _NAMELESS_S and not _is_used(folder.name.partition("-")[0])


def _is_used(pid: str) -> bool:
    """Whether a process of this number runs."""
    host, boot, *_ = owner_here().split("/")
    return pid.isdecimal() and not is_dead(f"{host}/{boot}/{pid}/0/")


def _written_at(folder: Path) -> float:
    # Without a log it is one that cannot be removed, or that another process removes just now.
    return max((each.stat().st_mtime for each in folder.iterdir() if is_log(each)), default=0.0)
