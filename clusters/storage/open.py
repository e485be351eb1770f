"""Open a storage by its address, and take addresses apart; boto3 is loaded when an `s3://` address is opened."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from clusters.storage.contract import MissingObjectError, Storage, StorageError
from clusters.storage.local import LocalStorage
from clusters.storage.patient import PatientStorage

S3: Final = "s3://"
_FILE: Final = "file://"
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+]+:/")
"""Begins an address, also one with a slash too few ("s3:/bucket"), which is no folder that anybody means."""


def open_storage(uri: str | os.PathLike[str], *, is_patient: bool = True) -> Storage:
    """Open a local folder (path or file:// URI) or an s3://bucket/prefix.

    Args:
        is_patient: Whether calls wait for an object storage that is away (see `clusters.storage.patient`).

    Credentials come from the environment, files or instance roles; a custom endpoint from AWS_ENDPOINT_URL.

    Raises:
        StorageError: If the URI has another scheme, or names a file.
    """
    text = os.fspath(uri)
    if text.startswith(S3):
        from clusters.storage.s3 import S3Storage

        return PatientStorage(S3Storage(text)) if is_patient else S3Storage(text)
    check_address(text)
    return LocalStorage(Path(without_scheme(text)))


def check_address(uri: str) -> None:
    """Refuse what no storage is called, before anything is opened.

    Raises:
        StorageError: If it is empty, has another scheme, or names no bucket or folder.
    """
    is_remote = uri.startswith(S3)
    text = uri.removeprefix(S3).partition("/")[0] if is_remote else without_scheme(uri)
    if not text.strip():
        raise StorageError("invalid", uri, "a storage must name a folder or a bucket")
    if not is_remote and (_SCHEME.match(text) or "://" in text):
        raise StorageError("invalid", uri, "a storage must be a local folder or an s3:// prefix")


def without_scheme(uri: str) -> str:
    """Return the path of a file:// URI, its quoted letters decoded; other texts as they are."""
    if not uri.startswith(_FILE):
        return uri
    return unquote(uri.removeprefix(_FILE).removeprefix("localhost"))


def join(uri: str, *parts: str) -> str:
    """Append path parts to a storage URI: `join("s3://bucket/a", "b", "c.json")` is "s3://bucket/a/b/c.json"."""
    inner = [part.strip("/") for part in parts if part.strip("/")]
    return "/".join([uri.rstrip("/"), *inner]) or "/"


def check_storage(storage: Storage) -> None:
    """Write, claim, read, list and delete a small object, as a preflight; a local folder that is missing is made.

    Raises:
        StorageError: If one of that is refused; the message names the storage.
    """
    name = f"probe-{os.getpid()}-{os.urandom(6).hex()}"
    try:
        _probe(storage, name)
    except MissingObjectError as error:
        text = "a storage must be a place that can be written, but it cannot be created"
        raise StorageError("missing", storage.uri, text) from error
    except StorageError as error:
        text = f"a storage must be a place that can be written, but {error.detail}"
        raise StorageError(error.reason, storage.uri, text, error.fix) from error


def _probe(storage: Storage, name: str) -> None:
    try:
        first, second = storage.write_exclusive(name, b"1"), storage.write_exclusive(name, b"2")
        if not first or second or storage.read_bytes(name) != b"1":
            raise StorageError("unsupported", storage.uri, "it does not reject a second creation of an object")
        if name not in storage.names():
            raise StorageError("unsupported", storage.uri, "it does not list what was written")
    finally:
        # What went wrong before says more than a deletion that is refused too.
        with contextlib.suppress(StorageError):
            storage.delete(name)
