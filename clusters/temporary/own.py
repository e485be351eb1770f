"""The temporary folders and logs of this process. What ended processes left is collected when the first one is made."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from clusters.temporary.leftovers import collect_leftovers
from clusters.temporary.private import LOG, make_process_folder, remove, remove_all_but_logs

_OWN: Final[dict[int, Path]] = {}
"""Process -> its folder; by number, since a fork inherits the mapping and must not use its parent's folder."""

_MAKING: Final = threading.Lock()


def own_folder() -> Path:
    """Return the folder of this process, made at the first call and removed at the end of the process, but for its logs.

    Raises:
        ClusterError: If this user can have no private folder.
    """
    with _MAKING:
        pid = os.getpid()
        folder = _OWN.get(pid)
        if folder is None or not folder.is_dir():
            collect_leftovers()
            folder = _OWN[pid] = make_process_folder()
            atexit.register(_at_end, pid)
        return folder


def make_folder(kind: str) -> Path:
    """Make an empty folder in that of this process; the caller removes it when it has served.

    Args:
        kind: What it is for, in few letters: "ray", "trials".
    """
    number = 1
    while True:
        folder = own_folder() / (kind if number == 1 else f"{kind}-{number}")
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        else:
            return folder


@contextlib.contextmanager
def temporary_folder(kind: str) -> Iterator[Path]:
    """Yield an empty folder that is removed at the end."""
    folder = make_folder(kind)
    try:
        yield folder
    finally:
        remove(folder)


def log_file(name: str) -> Path:
    """Return the path of a log of this process, which outlasts it."""
    return own_folder() / f"{name}{LOG}"


def remove_own_folder() -> None:
    """Remove the folder of this process, but for its logs, before the process becomes another program."""
    folder = _OWN.pop(os.getpid(), None)
    if folder is not None:
        remove_all_but_logs(folder)


def _at_end(pid: int) -> None:
    if os.getpid() == pid:
        remove_own_folder()
