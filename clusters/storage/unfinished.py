"""Files that processes of this host were writing into a folder when they were killed: whoever writes there next removes them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from clusters.storage.contract import TEMPORARY, writer_of
from clusters.temporary.owners import is_dead


def remove_unfinished(folder: Path) -> None:
    """Remove what ended processes of this host were writing into a folder; what cannot be removed stays."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        dead = [entry.name for entry in entries if entry.name.startswith(TEMPORARY) and is_dead(writer_of(entry.name))]
        for name in dead:
            (folder / name).unlink(missing_ok=True)
