"""The contract of a storage: one small interface over folders, `s3://` prefixes and memory; and its errors.

Results, leases, checkpoints and staged files go through it. Paths inside a storage are relative, "/"-separated names
("results/ab12/training.json"). Nothing is created before the first write.

    ClusterError
      StorageError            carries `reason`: no-space, permission, unreachable, invalid, corrupt, missing, unsupported
        MissingObjectError    there is no object at that path
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from clusters.errors import ClusterError
from clusters.temporary.owners import owner_here

Reason = Literal["no-space", "permission", "unreachable", "invalid", "corrupt", "missing", "unsupported"]

TEMPORARY: Final = ".tmp-"
"""How the names of files start that are not whole yet."""

_FIXES: Final[Mapping[str, str]] = {
    "no-space": "free some space there or name another storage",
    "permission": "give this user the right to read, write, list and delete there, or name another storage",
    "unreachable": "check the network, the address (AWS_ENDPOINT_URL) and the credentials, then try again",
    "invalid": "use a local folder, file:///folder or s3://bucket/prefix",
    "corrupt": "remove it and produce it again",
    "missing": "check the name, or produce it first",
    "unsupported": "use a file system with hard links, or s3://",
}


class StorageError(ClusterError):
    """A storage operation was refused.

    Attributes:
        path: URI or path that it concerns.
        detail: What is wrong with it.
        fix: What to do; by default what helps against most errors of that reason.
    """

    def __init__(self, reason: Reason, path: str, detail: str, fix: str = "") -> None:
        self.reason = reason
        self.path = path
        self.detail = detail
        self.fix = fix or _FIXES[reason]
        super().__init__(f"{detail}: '{path}'; {self.fix}")

    def __reduce__(self) -> tuple[type[StorageError], tuple[Reason, str, str, str]]:
        return type(self), (self.reason, self.path, self.detail, self.fix)


class MissingObjectError(StorageError):
    """There is no object at that path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """What is known of an object without reading it.

    Attributes:
        size: Bytes.
        etag: Changes whenever the object is written again.
        modified: Time of the last write by the storage's clock, in seconds since the epoch.
    """

    path: str
    size: int
    etag: str
    modified: float


class Storage(Protocol):
    """A folder or prefix with objects. Safe to use from several threads and processes; raises `StorageError`."""

    @property
    def uri(self) -> str:
        """Where it is: an absolute folder, or s3://bucket/prefix."""

    @property
    def is_remote(self) -> bool:
        """Whether each call is a request over the network."""

    @property
    def back_at(self) -> float:
        """When it last answered again after it had been away, by the monotonic clock; 0 where it never was."""
        return 0.0

    def read_bytes(self, path: str) -> bytes:
        """Return an object's bytes; raise `MissingObjectError` where there is none."""

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Return `length` > 0 bytes from `start` on, fewer where the object ends before."""

    def write_bytes(self, path: str, data: bytes, *, durable: bool = True) -> None:
        """Write an object whole or not at all, over an older one; `durable=False` need not survive a power cut."""

    def write_exclusive(self, path: str, data: bytes, *, durable: bool = True) -> bool:
        """Write an object whole or not at all unless one exists; return False, changing nothing, when one does."""

    def exists(self, path: str) -> bool:
        """Whether there is an object at that path."""
        return self.stat(path) is not None

    def stat(self, path: str) -> ObjectInfo | None:
        """Return size and etag of an object, or None where there is none."""

    def list(self, prefix: str = "") -> tuple[ObjectInfo, ...]:
        """Return all objects below a folder, sorted by path; () when there is no such folder."""

    def names(self, folder: str = "") -> tuple[str, ...]:
        """Return the names directly inside a folder, sorted; those of sub-folders end in "/"."""

    def delete(self, path: str) -> None:
        """Delete an object; it is no error when there is none."""

    def unfinished(self) -> tuple[ObjectInfo, ...]:
        """Return the uploads in parts that nobody finished, with the names that `abandon` takes."""
        return ()

    def abandon(self, upload: str) -> None:
        """Delete the parts of an unfinished upload; it is no error when there are none."""
        return

    def upload_file(self, source: Path, path: str) -> str:
        """Copy a local file in (in parts, with retries) and return its SHA-256."""

    def download_file(self, path: str, target: Path, *, sha256: str | None = None) -> str:
        """Copy an object to a local file, whole or not at all, and return its SHA-256.

        Raises:
            MissingObjectError: If the object does not exist.
            StorageError: With reason "corrupt", if the bytes do not have the expected SHA-256.
        """


def checked(path: str, uri: str) -> str:
    """Return a path in normal form.

    Raises:
        StorageError: If it is empty, absolute, or would leave the storage.
    """
    parts = path.split("/")
    if not path or "\\" in path or "\0" in path or any(part in {"", ".", ".."} for part in parts):
        raise StorageError(
            "invalid", f"{uri}: {path}", "a path in a storage must be relative, without empty, '.' or '..' parts"
        )
    return path


def temporary_name() -> str:
    """Return a new name for a file that is not whole yet; it names the process that writes it."""
    return f"{TEMPORARY}{owner_here().replace('/', ',')}"


def writer_of(name: str) -> str:
    """Return which process writes, or wrote, a file with a temporary name (see `clusters.temporary.owners`)."""
    return name.removeprefix(TEMPORARY).replace(",", "/")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a local file, in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fetch_whole(uri: str, path: str, target: Path, sha256: str | None, fetch: Callable[[Path], None]) -> str:
    """Fetch into a temporary file next to `target`, check it, rename it; return its SHA-256."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.parent / temporary_name()
    try:
        fetch(part)
        digest = file_sha256(part)
        if sha256 is not None and digest != sha256:
            detail = f"the SHA-256 must be {sha256[:12]}..., but it is {digest[:12]}..."
            raise StorageError("corrupt", f"{uri}/{path}", detail)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return digest
