"""One process of a node at a time: a lock on a folder, which ends with the process that holds it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked_folder(folder: Path, name: str = ".lock") -> Iterator[None]:
    """Hold a folder's lock while the body runs; waits for whoever holds it. The folder is made where it is missing.

    Args:
        folder: The folder.
        name: Name of the lock file in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)
