"""What killed processes were writing into a storage: it counts as nothing, but takes room.

A file names its writer. One of this host and boot that is gone writes no more. Of the others nobody here can say; since a write
takes minutes at most, a file which was not touched for a day counts as left. Those of other hosts and of other users stay.
An object store keeps the parts of an upload that nobody finished; it does not say whose, so a day decides there too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from clusters.storage.contract import TEMPORARY, Storage, writer_of
from clusters.storage.local import LocalStorage
from clusters.temporary.leftovers import Leftover
from clusters.temporary.owners import describe, is_alive_here, is_dead, is_of_this_host, parse_owner
from clusters.temporary.private import remove

DAY_S: Final = 86_400.0


def unfinished_writes(storage: Storage) -> tuple[Leftover, ...]:
    """Return the files and uploads in a storage that nobody finishes any more."""
    if isinstance(storage, LocalStorage):
        return tuple(sorted(_left(Path(storage.uri)), key=lambda left: left.path))
    return tuple(
        Leftover(path=f"{storage.uri}/{upload.path}", size=upload.size, of="an upload that nobody finished")
        for upload in storage.unfinished()
        if time.time() - upload.modified > DAY_S
    )


def discard(left: Leftover, storage: Storage) -> None:
    """Delete what was left, in a storage or on this machine; what cannot be deleted on this machine stays."""
    if storage.is_remote and left.path.startswith(f"{storage.uri}/"):
        storage.abandon(left.path.removeprefix(f"{storage.uri}/"))
    else:
        remove(Path(left.path))


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
