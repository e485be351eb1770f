"""Files that killed processes were writing into a local storage: they count as nothing, but take room.

A file names its writer. One of this host and boot that is gone writes no more. Of the others nobody here can say; since a write
takes minutes at most, a file which was not touched for a day counts as left. Those of other hosts and of other users stay.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from clusters.storage.contract import TEMPORARY, Storage, writer_of
from clusters.storage.local import LocalStorage
from clusters.temporary.leftovers import Leftover
from clusters.temporary.owners import describe, is_alive_here, is_dead, is_of_this_host, parse_owner

DAY_S: Final = 86_400.0


def unfinished_files(storage: Storage) -> tuple[Leftover, ...]:
    """Return the files in a local storage that nobody finishes any more; () for another storage, whose writes are whole."""
    if not isinstance(storage, LocalStorage):
        return ()
    return tuple(sorted(_left(Path(storage.uri)), key=lambda left: left.path))


def remove_unfinished(folder: Path) -> None:
    """Remove what ended processes of this host were writing into a folder; what cannot be removed stays."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        dead = [entry.name for entry in entries if entry.name.startswith(TEMPORARY) and is_dead(writer_of(entry.name))]
        for name in dead:
            (folder / name).unlink(missing_ok=True)


def _left(root: Path) -> Iterator[Leftover]:
    for folder, _, names in os.walk(root):
        for name in names:
            if name.startswith(TEMPORARY):
                found = _left_file(Path(folder, name), writer_of(name))
                if found is not None:
                    yield found


def _left_file(path: Path, writer: str) -> Leftover | None:
    try:
        status = path.lstat()
    except FileNotFoundError:  # it has become whole meanwhile
        return None
    is_known = parse_owner(writer) is not None
    is_foreign = status.st_uid != os.geteuid() or (is_known and not is_of_this_host(writer))
    is_old = time.time() - status.st_mtime > DAY_S
    if is_foreign or is_alive_here(writer) or not (is_dead(writer) or is_old):
        return None
    return Leftover(path=str(path), size=status.st_size, of=describe(writer) if is_known else "an earlier version")
