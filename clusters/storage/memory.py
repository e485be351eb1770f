"""A storage that lives as long as its process; for tests and for trying things out."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path

from clusters.storage.contract import MissingObjectError, ObjectInfo, Storage, checked, fetch_whole


class MemoryStorage(Storage):
    """Objects in a dictionary; threads may share it, processes cannot."""

    is_remote = False
    uri = "memory:"

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, int, float]] = {}
        self._writes = 0
        self._lock = threading.Lock()

    def read_bytes(self, path: str) -> bytes:
        with self._lock:
            if checked(path, self.uri) not in self._objects:
                raise MissingObjectError("missing", f"{self.uri}{path}", "the object does not exist")
            return self._objects[path][0]

    def read_range(self, path: str, start: int, length: int) -> bytes:
        return self.read_bytes(path)[start : start + length]

    def write_bytes(self, path: str, data: bytes, *, durable: bool = True) -> None:
        with self._lock:
            self._put(path, data)

    def write_exclusive(self, path: str, data: bytes, *, durable: bool = True) -> bool:
        with self._lock:
            if path in self._objects:
                return False
            self._put(path, data)
            return True

    def stat(self, path: str) -> ObjectInfo | None:
        with self._lock:
            found = self._objects.get(checked(path, self.uri))
        return None if found is None else _info(path, *found)

    def list(self, prefix: str = "") -> tuple[ObjectInfo, ...]:
        start = f"{prefix}/" if prefix else ""
        with self._lock:
            return tuple(_info(path, *self._objects[path]) for path in sorted(self._objects) if path.startswith(start))

    def names(self, folder: str = "") -> tuple[str, ...]:
        start = f"{folder}/" if folder else ""
        with self._lock:
            inner = [path.removeprefix(start) for path in self._objects if path.startswith(start)]
        return tuple(sorted({f"{name.partition('/')[0]}/" if "/" in name else name for name in inner}))

    def delete(self, path: str) -> None:
        with self._lock:
            self._objects.pop(checked(path, self.uri), None)

    def upload_file(self, source: Path, path: str) -> str:
        data = source.read_bytes()
        self.write_bytes(path, data)
        return hashlib.sha256(data).hexdigest()

    def download_file(self, path: str, target: Path, *, sha256: str | None = None) -> str:
        data = self.read_bytes(path)

        def fetch(part: Path) -> None:
            part.write_bytes(data)

        return fetch_whole(self.uri, path, target, sha256, fetch)

    def _put(self, path: str, data: bytes) -> None:
        self._writes += 1
        self._objects[checked(path, self.uri)] = (bytes(data), self._writes, time.time())


def _info(path: str, data: bytes, number: int, modified: float) -> ObjectInfo:
    return ObjectInfo(path=path, size=len(data), etag=str(number), modified=modified)
