"""A storage under an `s3://bucket/prefix`; the only file that imports boto3."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import boto3
from boto3.exceptions import Boto3Error, RetriesExceededError, S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError

from clusters.storage.contract import (
    MissingObjectError,
    ObjectInfo,
    Reason,
    Storage,
    StorageError,
    checked,
    fetch_whole,
    file_sha256,
)

T = TypeVar("T")

_MIB: Final = 1 << 20
_TRANSFER_ATTEMPTS: Final = 4
PAGE_SIZE: Final = 1000
_MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})
_REASONS: Final[dict[str, tuple[Reason, str]]] = {
    "NoSuchBucket": ("missing", "the bucket does not exist"),
    "AccessDenied": ("permission", "access is denied"),
    "403": ("permission", "access is denied"),
    "AllAccessDisabled": ("permission", "access is denied"),
    "InvalidAccessKeyId": ("permission", "the access key is unknown"),
    "SignatureDoesNotMatch": ("permission", "the secret key is wrong"),
    "ExpiredToken": ("permission", "the credentials have expired"),
    "QuotaExceeded": ("no-space", "the quota is used up"),
    "EntityTooLarge": ("no-space", "the object is larger than the server accepts"),
    "507": ("no-space", "no space is left on the server"),
}
_REFUSED: Final = frozenset({"PreconditionFailed", "412"})
_UNDECIDED: Final = frozenset({"ConditionalRequestConflict", "409"})
_UNSUPPORTED: Final = frozenset({"NotImplemented", "501"})
"""What a server may answer to a conditional write, by name or number: servers that speak S3 differ."""
_UNTOLD: Final = frozenset({"AccessDenied", "403", "MethodNotAllowed", "405", *_UNSUPPORTED})
"""Answers to a question for unfinished uploads of servers, and of users, that have no such right."""
_UPLOAD: Final = "?uploadId="
"""Between key and number of an upload; no path of ours has a "?"."""

_CONDITIONAL: Final[set[tuple[str, str]]] = set()
"""Endpoint and bucket of the servers that were seen to honour conditional writes, by this process."""
_PROBING: Final = threading.Lock()


class S3Storage(Storage):
    """Objects under a prefix of a bucket. Every call is retried by the client with backoff before it fails.

    Args:
        client: A client of S3; None for one that threads of this process share.
    """

    is_remote = True

    def __init__(self, uri: str, client: Any = None) -> None:
        bucket, _, prefix = uri.removeprefix("s3://").strip("/").partition("/")
        if not bucket:
            raise StorageError("invalid", uri, "an s3:// storage must name a bucket")
        if "?" in uri or "#" in uri:  # readers of addresses, MLflow among them, end a path there
            raise StorageError("invalid", uri, "an s3:// storage must have no '?' and no '#' in its prefix")
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._lazy_client = client

    @property
    def uri(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def __getstate__(self) -> dict[str, Any]:
        # Clients have locks and sockets, which cannot be pickled: each process makes its own.
        return {"_bucket": self._bucket, "_prefix": self._prefix, "_lazy_client": None}

    def read_bytes(self, path: str) -> bytes:
        with self._explained(path):
            data: bytes = self._client.get_object(Bucket=self._bucket, Key=self._key(path))["Body"].read()
        return data

    def read_range(self, path: str, start: int, length: int) -> bytes:
        # HTTP counts the last byte in.
        wanted = f"bytes={start}-{start + length - 1}"
        with self._explained(path):
            data: bytes = self._client.get_object(Bucket=self._bucket, Key=self._key(path), Range=wanted)["Body"].read()
        return data

    def write_bytes(self, path: str, data: bytes, *, durable: bool = True) -> None:
        """Write an object over an older one; S3 makes every write whole and durable."""
        with self._explained(path):
            self._client.put_object(Bucket=self._bucket, Key=self._key(path), Body=data)

    def write_exclusive(self, path: str, data: bytes, *, durable: bool = True) -> bool:
        """Write an object unless one exists, by a conditional put.

        Raises:
            StorageError: With reason "unsupported", if the server does not honour the condition; nothing is written then.
        """
        self._require_conditions()
        return self._put_once(path, data)

    def _require_conditions(self) -> None:
        """Let the server refuse the second of two conditional writes, once per process, endpoint and bucket.

        Many servers that speak S3 ignore `If-None-Match`: each of two drivers would be told that it holds the lease.
        """
        place = (str(self._client.meta.endpoint_url), self._bucket)
        with _PROBING:
            if place in _CONDITIONAL:
                return
            name = f"probe-{os.getpid()}-{os.urandom(6).hex()}"
            try:
                is_honoured = self._put_once(name, b"1") and not self._put_once(name, b"2")
            finally:
                with contextlib.suppress(StorageError):
                    self.delete(name)
            if not is_honoured:
                raise self._unsupported("ignores the condition of a write (If-None-Match)")
            _CONDITIONAL.add(place)

    def _put_once(self, path: str, data: bytes) -> bool:
        for attempt in range(_TRANSFER_ATTEMPTS):
            with self._explained(path):
                try:
                    self._client.put_object(Bucket=self._bucket, Key=self._key(path), Body=data, IfNoneMatch="*")
                except ClientError as error:
                    code = _code(error)
                    if code in _REFUSED:
                        return self._was_ours(error, path, data)
                    if code in _UNSUPPORTED:
                        raise self._unsupported("does not implement conditional writes (If-None-Match)") from error
                    # Two conditional writes at once: S3 refuses one without deciding, and asks to try again.
                    if code not in _UNDECIDED or attempt == _TRANSFER_ATTEMPTS - 1:
                        raise
                else:
                    return True
            time.sleep(0.1 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _unsupported(self, what: str) -> StorageError:
        detail = f"the S3 server {self._client.meta.endpoint_url} {what}, without which two drivers take the same lease"
        fix = "use a server that honours it (docs/guides/storage.md lists some), or a folder that all nodes share"
        return StorageError("unsupported", self.uri, detail, fix)

    def stat(self, path: str) -> ObjectInfo | None:
        try:
            with self._explained(path):
                head = self._client.head_object(Bucket=self._bucket, Key=self._key(path))
        except MissingObjectError:
            return None
        return _info(path, head["ContentLength"], head["ETag"], head["LastModified"])

    def list(self, prefix: str = "") -> tuple[ObjectInfo, ...]:
        found: list[ObjectInfo] = []
        with self._explained(prefix):
            for page in self._pages(prefix):
                for item in page.get("Contents", ()):
                    name = item["Key"].removeprefix(self._prefix)
                    found.append(_info(name, item["Size"], item["ETag"], item["LastModified"]))
        # Not every server that speaks S3 lists in order.
        return tuple(sorted(found, key=lambda info: info.path))

    def names(self, folder: str = "") -> tuple[str, ...]:
        start = len(self._folder_key(folder))
        found: list[str] = []
        with self._explained(folder):
            for page in self._pages(folder, Delimiter="/"):
                found += [item["Key"][start:] for item in page.get("Contents", ())]
                found += [item["Prefix"][start:] for item in page.get("CommonPrefixes", ())]
        # Each page has files and folders as two lists.
        return tuple(sorted(found))

    def delete(self, path: str) -> None:
        with self._explained(path):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(path))

    def unfinished(self) -> tuple[ObjectInfo, ...]:
        """Return the uploads in parts that were neither completed nor aborted; () where the server does not tell."""
        found: list[ObjectInfo] = []
        pages = self._client.get_paginator("list_multipart_uploads")
        with self._explained(""):
            try:
                for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                    found += [self._upload(item) for item in page.get("Uploads", ())]
            except ClientError as error:
                if _code(error) not in _UNTOLD:
                    raise
        return tuple(sorted(found, key=lambda info: info.path))

    def _upload(self, item: Any) -> ObjectInfo:
        pages = self._client.get_paginator("list_parts")
        parts = pages.paginate(Bucket=self._bucket, Key=item["Key"], UploadId=item["UploadId"])
        size = sum(part["Size"] for page in parts for part in page.get("Parts", ()))
        name = f"{item['Key'].removeprefix(self._prefix)}{_UPLOAD}{item['UploadId']}"
        return _info(name, size, item["UploadId"], item["Initiated"])

    def abandon(self, upload: str) -> None:
        path, _, number = upload.partition(_UPLOAD)
        with self._explained(path):
            try:
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=self._key(path), UploadId=number)
            except ClientError as error:
                if _code(error) not in {"NoSuchUpload", *_MISSING}:
                    raise

    def upload_file(self, source: Path, path: str) -> str:
        """Copy a local file in, in parts, with its SHA-256 as metadata; return that."""
        digest = file_sha256(source)
        options = {"ExtraArgs": {"Metadata": {"sha256": digest}}, "Config": _transfer_config()}
        with self._explained(path):
            _with_retries(lambda: self._client.upload_file(str(source), self._bucket, self._key(path), **options))
        return digest

    def download_file(self, path: str, target: Path, *, sha256: str | None = None) -> str:
        """Copy an object to a local file, checked against the given SHA-256 and the one of its upload."""
        with self._explained(path):
            head = self._client.head_object(Bucket=self._bucket, Key=self._key(path))
            wanted = sha256 or head["Metadata"].get("sha256")

            def fetch(part: Path) -> None:
                self._client.download_file(self._bucket, self._key(path), str(part), Config=_transfer_config())

            return _with_retries(lambda: fetch_whole(self.uri, path, target, wanted, fetch))

    def _key(self, path: str) -> str:
        return self._prefix + checked(path, self.uri)

    def _folder_key(self, folder: str) -> str:
        return f"{self._key(folder)}/" if folder else self._prefix

    def _pages(self, folder: str, **options: str) -> Iterator[Any]:
        pages = self._client.get_paginator("list_objects_v2")
        yield from pages.paginate(
            Bucket=self._bucket, Prefix=self._folder_key(folder), PaginationConfig={"PageSize": PAGE_SIZE}, **options
        )

    def _was_ours(self, error: Any, path: str, data: bytes) -> bool:
        """A retried put meets its own first try, whose answer was lost: then the object is the one we wrote."""
        retried = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0
        return bool(retried and self.read_bytes(path) == data)

    @property
    def _client(self) -> Any:
        if self._lazy_client is None:
            # By the settings, since tests and jobs change them; by the process, since a client does not survive a fork.
            settings = tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))
            self._lazy_client = _shared_client(settings, os.getpid())
        return self._lazy_client

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        where = f"{self.uri}/{path}"
        try:
            yield
        except ClientError as error:
            code = _code(error)
            if code in _MISSING:
                raise MissingObjectError("missing", where, "the object does not exist") from error
            reason, text = _REASONS.get(code, ("unreachable", f"the object storage returned {code}"))
            raise StorageError(reason, where, text) from error
        except BotoCoreError as error:
            denied = type(error).__name__ in {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"}
            text = (
                "no credentials were found" if denied else f"the object storage did not answer ({type(error).__name__})"
            )
            raise StorageError("permission" if denied else "unreachable", where, text) from error


@lru_cache(maxsize=8)
def _shared_client(settings: tuple[tuple[str, str], ...], process: int) -> Any:
    """Return the process's client for these settings of the environment: making one costs more than many requests."""
    retries = {"mode": "standard", "max_attempts": 5}
    config = Config(retries=retries, connect_timeout=10, read_timeout=60, max_pool_connections=32)
    return boto3.session.Session().client("s3", config=config)


def _transfer_config() -> Any:
    return TransferConfig(multipart_threshold=16 * _MIB, multipart_chunksize=8 * _MIB, max_concurrency=4)


def _with_retries(transfer: Callable[[], T]) -> T:
    """Repeat a transfer that broke in the middle or arrived damaged; the last refusal is raised as it came."""
    for attempt in range(_TRANSFER_ATTEMPTS):
        try:
            return transfer()
        except (RetriesExceededError, S3UploadFailedError, HTTPClientError, IncompleteReadError, StorageError) as error:
            cause = error.__cause__ or error.__context__
            # The server has answered, and the client has tried again by itself where that can help.
            if isinstance(cause, ClientError):
                raise cause from error
            if attempt == _TRANSFER_ATTEMPTS - 1:
                raise _explained_transfer(error) from error
            time.sleep(0.5 * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


def _explained_transfer(error: Exception) -> Exception:
    return StorageError("unreachable", str(error), "the transfer broke off") if isinstance(error, Boto3Error) else error


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _info(path: str, size: int, etag: str, modified: Any) -> ObjectInfo:
    return ObjectInfo(path=path, size=size, etag=etag.strip('"'), modified=modified.timestamp())
