"""Makes room for an SQLite tracking store that works: one that MLflow cannot use is moved aside, an older one is upgraded.

Nothing is ever deleted: a database that is moved aside may have runs that are not DreamGrid's.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from orchestration.errors import EnvironmentRefused
from orchestration.tracking.addresses import sqlite_database, sqlite_file
from orchestration.tracking.server.database import examine, look, one_at_a_time

_WITH_IT: Final = ("-journal", "-wal", "-shm")
"""Files that SQLite keeps next to a database, by the ends of their names."""
_UPGRADE_S: Final = 3600.0


def repair_database(uri: str) -> tuple[str, ...]:
    """Make the database of a tracking address usable, where that needs no right or decision that only its owner has.

    Returns:
        What was done, a line each, for people; () where nothing was, or for addresses that are no SQLite file.

    Raises:
        EnvironmentRefused: If it cannot be copied or moved.
    """
    file = sqlite_file(uri)
    if file is None or not examine(file).text:
        return ()
    try:
        with one_at_a_time(file):
            found = look(file)  # another process may have been here meanwhile
            if found.is_replaceable:
                return (_moved_line(file, found.text, move_aside(file)),)
            if found.kind == "older":
                return _upgraded(file, uri)
    except (OSError, sqlite3.Error, subprocess.SubprocessError) as error:
        text = f"the MLflow database '{file}' could not be repaired ({error})"
        raise EnvironmentRefused(
            f"{text}; free some space, get the right to write its folder, or name another with --tracking-uri"
        ) from error
    return ()


def move_aside(file: Path) -> Path:
    """Rename a database, or what is in its place, to `NAME.broken-DATE`; return where it is now. The caller holds its lock."""
    target = _free_name(file, "broken")
    file.rename(target)
    for end in _WITH_IT:
        if os.path.lexists(f"{file}{end}"):  # SQLite looks for it under the name of its database
            os.rename(f"{file}{end}", f"{target}{end}")
    return target


def replace_damaged(uri: str, reason: str) -> tuple[str, ...]:
    """Move a database aside in which MLflow itself found the damage; return the line for people."""
    file = sqlite_file(uri)
    if file is None or not os.path.lexists(file):
        return ()
    with one_at_a_time(file):
        return (_moved_line(file, f"is damaged ({reason})", move_aside(file)),)


def _moved_line(file: Path, text: str, target: Path) -> str:
    return f"the MLflow database '{file}' {text}; it is now {target.name}, and another is made from the results"


def _free_name(file: Path, what: str) -> Path:
    stem = f"{file.name}.{what}-{time.strftime('%Y%m%d-%H%M%S')}"
    names = (stem if not number else f"{stem}-{number}" for number in range(10_000))
    return next(path for name in names if not os.path.lexists(path := file.with_name(name)))


def _upgraded(file: Path, uri: str) -> tuple[str, ...]:
    copy = _free_name(file, "before-upgrade")
    try:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    except sqlite3.Error:
        copy.unlink(missing_ok=True)  # half a copy would be taken for one
        raise
    # The environment keeps what a user set; MLflow's own command is all that knows how to upgrade.
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", sqlite_database(uri)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=_UPGRADE_S, check=False)
    if ran.returncode == 0 and not look(file).text:
        return (f"the MLflow database '{file}' was of an older MLflow and is upgraded; a copy is {copy.name}",)
    reason = next(reversed(ran.stderr.strip().splitlines()), f"code {ran.returncode}")
    text = f"could not be upgraded by `mlflow db upgrade` ({reason}); a copy of before is {copy.name}"
    return (_moved_line(file, text, move_aside(file)),)
