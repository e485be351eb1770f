"""Kept files and the record of what they held: whatever is stored for later runs is verified when it is opened.

A kept array (a generated set, a decoded folder, a mixing set, the splits of a dataset) has a record next to it: a JSON file with
the BLAKE3 digest of every file that belongs to it, facts about them, and the digest of itself:

    {"format": "dreamgrid/kept/1", "seal": DIGEST OF THE BODY, "body": {"files": {NAME: [SIZE, DIGEST]}, "facts": {...}}}

A file that differs from its record by a single bit is a `DamagedFileError`, which its user answers by making it again or by
refusing it. Verifying reads a file once (7 GB/s on one core, less than the first reading takes) and remembers it for the rest of
the process by path, size, modification time and inode, so that opening a file again costs a look at its directory entry.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from blake3 import blake3

from augment.errors import AugmentError
from augment.kernels.cpus import available_cpus

FORMAT: Final = "dreamgrid/kept/1"
_THREADS: Final = 4
"""Threads that hash a file: beyond four the memory is the limit."""

_SETTLED_NS: Final = 100_000_000
"""A file that was written less than this ago may change again within one tick of the file system's clock: not remembered."""

FileIdentity = tuple[str, int, int, int]
"""Path, size, modification time in ns, inode."""

_VERIFIED: Final[dict[FileIdentity, str]] = {}
"""Files that this process has hashed -> digest."""

_VERIFIED_FOLDERS: Final[set[str]] = set()
"""Digests of the identities of many files that this process has hashed together."""


class DamagedFileError(AugmentError):
    """A kept file, or its record, is not what was written."""


class UnsealedRecordError(DamagedFileError):
    """A record has another form, for example that of an earlier version."""


def keep(record: Path, files: Mapping[str, Path], facts: Mapping[str, Any]) -> None:
    """Write the record of files that are complete; it appears whole or not at all, over an older one.

    Args:
        files: Name in the record's folder of each file that it vouches for -> where its bytes are stored now.
    """
    sums = {name: [path.stat().st_size, file_digest(path)] for name, path in files.items()}
    body = {"files": sums, "facts": dict(facts)}
    document = {"format": FORMAT, "seal": _seal(body), "body": body}
    partial = record.with_name(f".{record.name}.{os.getpid()}")
    try:
        partial.write_text(json.dumps(document))
        partial.replace(record)
    finally:
        partial.unlink(missing_ok=True)


def kept_facts(record: Path) -> dict[str, Any]:
    """Return the facts of a record after verifying the record and each of its files.

    Raises:
        FileNotFoundError: If there is no such record.
        DamagedFileError: If the record or a file of it is changed, truncated or gone.
    """
    body = _read(record)
    for name, (size, digest) in body["files"].items():
        check_file(record.with_name(name), size, digest)
    facts: dict[str, Any] = body["facts"]
    return facts


def check_file(path: Path, size: int, digest: str) -> None:
    """Verify one file."""
    try:
        found = path.stat().st_size
        if found != size:
            raise DamagedFileError(f"{path} must have the {size} bytes that were recorded, but has {found}")
        actual = _digest_once(path)
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read ({error.strerror or error})") from error
    if actual != digest:
        raise DamagedFileError(
            f"{path} must have the BLAKE3 {digest[:12]}... that was recorded, but has {actual[:12]}...: its bytes have changed"
        )


def changed_files(folder: Path, files: Mapping[str, tuple[int, str]]) -> tuple[str, ...]:
    """Return the names of the files that are absent or not what was recorded, sorted.

    For folders of many files: where nothing is wrong, one entry remembers all of them, and the next call only looks at the
    directory entries.

    Args:
        folder: What the names are relative to.
        files: Name -> size and digest that were recorded.
    """

    def is_changed(name: str) -> bool:
        try:
            size, digest = files[name]
            return (folder / name).stat().st_size != size or file_digest(folder / name) != digest
        except OSError:
            return True

    stamp = _stamp(folder, files)
    if stamp is not None and stamp in _VERIFIED_FOLDERS:
        return ()
    names = sorted(files)
    with ThreadPoolExecutor(_THREADS) as pool:
        changed = tuple(name for name, is_bad in zip(names, pool.map(is_changed, names), strict=True) if is_bad)
    if not changed and stamp is not None:
        _VERIFIED_FOLDERS.add(stamp)
    return changed


def file_digest(path: Path) -> str:
    """Return the BLAKE3 of a file's bytes, read now."""
    if path.stat().st_size == 0:  # nothing to map
        return blake3().hexdigest()
    return blake3(max_threads=min(_THREADS, available_cpus())).update_mmap(path).hexdigest()


def forget_verified() -> None:
    """Have every file hashed again at its next opening."""
    _VERIFIED.clear()
    _VERIFIED_FOLDERS.clear()


def _stamp(folder: Path, files: Mapping[str, tuple[int, str]]) -> str | None:
    """Return a digest of the files' identities and of what is expected of them; None where one is absent or too new."""
    stamp, newest = blake3(), time.time_ns() - _SETTLED_NS
    for name, expected in files.items():
        try:
            status = (folder / name).stat()
        except OSError:
            return None
        if status.st_mtime_ns > newest:
            return None
        facts = (str(folder), name, *expected, status.st_size, status.st_mtime_ns, status.st_ino)
        stamp.update(repr(facts).encode())
    return stamp.hexdigest()


def file_identity(path: Path) -> FileIdentity | None:
    """Return what shows whether a file is still the one that was looked at; None while it may change without a trace."""
    status = path.stat()
    is_settled = time.time_ns() - status.st_mtime_ns > _SETTLED_NS
    return (str(path), status.st_size, status.st_mtime_ns, status.st_ino) if is_settled else None


def _digest_once(path: Path) -> str:
    identity = file_identity(path)
    known = _VERIFIED.get(identity) if identity is not None else None
    if known is None:
        known = file_digest(path)
        if identity is not None:
            _VERIFIED[identity] = known
    return known


def _read(record: Path) -> dict[str, Any]:
    try:
        document = json.loads(record.read_text())
        is_ours = document["format"] == FORMAT
        body: dict[str, Any] = document["body"] if is_ours else {}
    except (ValueError, KeyError, TypeError) as error:
        raise UnsealedRecordError(f"{record} is not a record of kept files") from error
    if not is_ours:
        raise UnsealedRecordError(f"{record} must have the format {FORMAT}, but has {document['format']!r:.40}")
    if document.get("seal") != _seal(body):
        raise DamagedFileError(f"{record} must match its own digest, but is truncated or changed")
    return body


def _seal(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return blake3(text.encode()).hexdigest()
