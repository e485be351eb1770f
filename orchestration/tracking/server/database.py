"""In which condition an SQLite tracking store is, found out within seconds and without MLflow, which would try for minutes."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from filelock import FileLock, Timeout

from augment.lookup.parameters import first_line
from orchestration.tracking.server.schema import installed_schema

Kind = Literal[
    "usable",
    "busy",
    "full",
    "folder",
    "garbage",
    "truncated",
    "damaged",
    "half-created",
    "older",
    "newer",
    "foreign",
    "read-only",
]
_REPLACEABLE: Final = frozenset({"folder", "garbage", "truncated", "damaged", "half-created", "newer"})
_MAGIC: Final = b"SQLite format 3\x00"
_HEADER_BYTES: Final = 100
_BUSY_S: Final = 1.0
_CHECK_S: Final = 2.0
"""Seconds that the check of all pages may take; a large database is checked in part."""
_CREATION_S: Final = 2.0
_TABLES: Final = frozenset({"experiments", "runs", "metrics", "latest_metrics", "params", "tags", "experiment_tags"})
"""Tables of MLflow without which no run can be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a tracking store's file is.

    Attributes:
        text: What is wrong, as the end of "the MLflow database ... "; "" where nothing is.
    """

    kind: Kind
    text: str = ""

    @property
    def is_replaceable(self) -> bool:
        """Whether no installed MLflow can use it as it is, so that it is moved aside and made again from the results."""
        return self.kind in _REPLACEABLE


_USABLE: Final = Condition(kind="usable")
_BUSY: Final = Condition(kind="busy")


@contextmanager
def one_at_a_time(file: Path, *, patience_s: float = -1) -> Iterator[None]:
    """Let one process at a time create, move or upgrade a database; the lock ends with its process.

    Raises:
        OSError: If the folder cannot be written.
        Timeout: If another process has it for `patience_s` seconds (negative: for ever).
    """
    with FileLock(file.with_name(f"{file.name}.lock"), timeout=patience_s):
        yield


def examine(file: Path) -> Condition:
    """Return the condition of a database; one that another process is just creating is busy."""
    found = look(file)
    if found.kind not in {"half-created", "damaged"}:
        return found
    try:  # what is being created looks half-created from outside
        with one_at_a_time(file, patience_s=_CREATION_S):
            return look(file)
    except Timeout:
        return _BUSY
    except OSError:
        return found


def look(file: Path) -> Condition:
    """Return the condition of a database as it is now."""
    if file.is_dir():
        return Condition(kind="folder", text="is a folder")
    if not file.exists() or not file.stat().st_size:
        return _USABLE  # MLflow creates it
    if not os.access(file, os.R_OK | os.W_OK):
        return Condition(kind="read-only", text="cannot be written by this user")
    header = _header(file)
    if not header.startswith(_MAGIC[: len(header)]):
        return Condition(kind="garbage", text="is no SQLite database")
    try:
        with closing(_opened(file)) as connection:
            return _contents(connection)
    except sqlite3.Error as error:
        return _explained(error, file, header)


def _header(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(_HEADER_BYTES)


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(file))}?mode=rw", uri=True, timeout=_BUSY_S, isolation_level=None)


def _contents(connection: sqlite3.Connection) -> Condition:
    # Takes back what a killed process left unfinished. To begin alone needs no right to write: the same value is set again.
    (number,) = connection.execute("pragma user_version").fetchone()
    connection.execute("begin immediate")
    connection.execute(f"pragma user_version = {number}")
    connection.execute("rollback")
    mistake = _first_mistake(connection)
    if mistake:
        return Condition(kind="damaged", text=f"is damaged ({mistake})")
    tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
    has_version = "alembic_version" in tables
    version = connection.execute("select version_num from alembic_version").fetchone() if has_version else None
    if not tables & _TABLES:
        is_foreign = version is not None
        return Condition(kind="foreign", text="belongs to another program") if is_foreign else _USABLE
    is_used = "experiments" in tables and connection.execute("select 1 from experiments").fetchone() is not None
    return _of_schema(version[0] if version else "", tables, is_used=is_used)


def _of_schema(version: str, tables: set[str], *, is_used: bool) -> Condition:
    """Return what a schema version and tables come to. An experiment, which every database has, is made last of all."""
    schema = installed_schema()
    if version and schema.known and version not in schema.known:
        return Condition(kind="newer", text=f"was written by a newer MLflow (its schema is {version})")
    if not is_used and (not version or (schema.head and version != schema.head)):
        return Condition(kind="half-created", text="was never created to its end")
    if not version:
        return Condition(kind="damaged", text="is damaged (it has no schema version)")
    if schema.head and version != schema.head:
        return Condition(kind="older", text=f"was written by an older MLflow (its schema is {version})")
    lacking = ", ".join(sorted(_TABLES - tables))
    return Condition(kind="damaged", text=f"is damaged (it lacks {lacking})") if lacking else _USABLE


def _first_mistake(connection: sqlite3.Connection) -> str:
    """Return what is wrong with the pages, or "" where nothing was found in time."""
    until = time.monotonic() + _CHECK_S
    connection.set_progress_handler(lambda: time.monotonic() > until, 10_000)
    try:
        found = connection.execute("pragma quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            return ""
        raise
    finally:
        connection.set_progress_handler(None, 0)
    return "" if found is None or found[0] == "ok" else first_line(found[0])


def _explained(error: sqlite3.Error, file: Path, header: bytes) -> Condition:
    text = str(error)
    if "locked" in text or "busy" in text:
        return _BUSY
    if "readonly" in text or "unable to open" in text:
        return Condition(kind="read-only", text=f"cannot be written ({text})")
    if "is full" in text:
        return Condition(kind="full", text="has no space left on its disk")
    size, whole = file.stat().st_size, _bytes_of(header)
    if size < whole:
        return Condition(kind="truncated", text=f"is truncated ({size} of {whole} bytes are left)")
    if "not a database" in text:
        return Condition(kind="garbage", text="is no SQLite database")
    return Condition(kind="damaged", text=f"is damaged ({text})")


def _bytes_of(header: bytes) -> int:
    """Return the bytes that a database had when its header was written; a header that is cut off counts as one."""
    if len(header) < _HEADER_BYTES:
        return _HEADER_BYTES
    page = int.from_bytes(header[16:18], "big")
    return (65536 if page == 1 else page) * int.from_bytes(header[28:32], "big")
