"""One small interface over local folders and `s3://` prefixes: results, leases, checkpoints and staged files go through it.

Paths inside a storage are relative, "/"-separated names ("results/ab12/training.json"). Nothing is created before
the first write. This module imports nothing heavy; boto3 is loaded by `clusters.storage.s3` when an `s3://` URI is opened.

    ClusterError
      StorageError            carries `reason`: no-space, permission, unreachable, invalid, corrupt, missing, unsupported
        MissingObjectError    nothing lies at that path
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol
from urllib.parse import unquote

from clusters.errors import ClusterError

Reason = Literal["no-space", "permission", "unreachable", "invalid", "corrupt", "missing", "unsupported"]

_FILE: Final = "file://"
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+]+:/")
"""Begins an address, also one with a slash too few ("s3:/bucket"), which is no folder that anybody means."""
_WAYS_OUT: Final[Mapping[str, str]] = {
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
        reason: What kind of refusal it is.
        path: URI or path that it concerns.
    """

    def __init__(self, reason: Reason, path: str, detail: str) -> None:
        super().__init__(f"{detail}: '{path}'; {_WAYS_OUT[reason]}")
        self.reason = reason
        self.path = path
        self._detail = detail

    def __reduce__(self) -> tuple[type[StorageError], tuple[Reason, str, str]]:
        return type(self), (self.reason, self.path, self._detail)


class MissingObjectError(StorageError):
    """Nothing lies at that path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """What is known of an object without reading it.

    Attributes:
        path: Its path in the storage.
        size: Bytes.
        etag: Changes whenever the object is written again.
        modified: Time of the last write by the storage's clock, in seconds since the epoch.
    """

    path: str
    size: int
    etag: str
    modified: float


class Storage(Protocol):
    """A folder or prefix that holds objects. Safe to use from several threads and processes; raises `StorageError`."""

    @property
    def uri(self) -> str:
        """Where it is: an absolute folder, or s3://bucket/prefix."""

    @property
    def is_remote(self) -> bool:
        """Whether each call is a request over the network."""

    def read_bytes(self, path: str) -> bytes:
        """Return an object's bytes; raise `MissingObjectError` where there is none."""

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Return `length` > 0 bytes from `start` on, fewer where the object ends before."""

    def write_bytes(self, path: str, data: bytes, *, durable: bool = True) -> None:
        """Write an object whole or not at all, over an older one; `durable=False` need not survive a power cut."""

    def write_exclusive(self, path: str, data: bytes, *, durable: bool = True) -> bool:
        """Write an object whole or not at all unless one exists; return False, changing nothing, when one does."""

    def exists(self, path: str) -> bool:
        """Whether an object lies at that path."""

    def stat(self, path: str) -> ObjectInfo | None:
        """Return size and etag of an object, or None where there is none."""

    def list(self, prefix: str = "") -> tuple[ObjectInfo, ...]:
        """Return all objects below a folder, sorted by path; () when there is no such folder."""

    def names(self, folder: str = "") -> tuple[str, ...]:
        """Return the names directly inside a folder, sorted; those of sub-folders end in "/"."""

    def delete(self, path: str) -> None:
        """Delete an object; it is no error when there is none."""

    def upload_file(self, source: Path, path: str) -> str:
        """Copy a local file in (in parts, with retries) and return its SHA-256."""

    def download_file(self, path: str, target: Path, *, sha256: str | None = None) -> str:
        """Copy an object to a local file, whole or not at all, and return its SHA-256.

        Raises:
            MissingObjectError: If there is no such object.
            StorageError: With reason "corrupt", if the bytes do not have the expected SHA-256.
        """


def open_storage(uri: str | os.PathLike[str]) -> Storage:
    """Open a local folder (path or file:// URI) or an s3://bucket/prefix.

    Credentials come from the environment, files or instance roles; a custom endpoint from AWS_ENDPOINT_URL.

    Raises:
        StorageError: If the URI has another scheme, or names a file.
    """
    text = os.fspath(uri)
    if text.startswith("s3://"):
        from clusters.storage.s3 import S3Storage

        return S3Storage(text)
    text = without_scheme(text)
    if "://" in text or _SCHEME.match(text) or not text:
        raise StorageError("invalid", text, "a storage must be a local folder or an s3:// prefix")
    from clusters.storage.local import LocalStorage

    return LocalStorage(Path(text))


def without_scheme(uri: str) -> str:
    """Return the path of a file:// URI, its quoted letters decoded; other texts as they are."""
    if not uri.startswith(_FILE):
        return uri
    return unquote(uri.removeprefix(_FILE).removeprefix("localhost"))


def join(uri: str, *parts: str) -> str:
    """Append path parts to a storage URI: `join("s3://bucket/a", "b", "c.json")` is "s3://bucket/a/b/c.json"."""
    inner = [part.strip("/") for part in parts if part.strip("/")]
    return "/".join([uri.rstrip("/"), *inner]) or "/"


def split(uri: str) -> tuple[str, str]:
    """Split a file's URI into the URI of its folder and its name; the counterpart of `join`."""
    folder, _, name = uri.rstrip("/").rpartition("/")
    return folder or "/", name


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


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a local file, in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_storage(storage: Storage) -> None:
    """Write, claim, read, list and delete a small object, as a preflight.

    Raises:
        StorageError: If one of them is refused, or the storage does not honour exclusive creation.
    """
    name = f"probe/{os.getpid()}-{os.urandom(6).hex()}"
    try:
        first, second = storage.write_exclusive(name, b"1"), storage.write_exclusive(name, b"2")
        if not first or second or storage.read_bytes(name) != b"1":
            raise StorageError(
                "unsupported", storage.uri, "a storage must refuse to create an object twice; this one does not"
            )
        if name not in {info.path for info in storage.list("probe")}:
            raise StorageError("unsupported", storage.uri, "a storage must list what was written; this one does not")
    finally:
        storage.delete(name)
