"""A storage in a local or shared file system: temporary file, fsync, then rename or link."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from clusters.storage.contract import (
    TEMPORARY,
    MissingObjectError,
    ObjectInfo,
    Reason,
    Storage,
    StorageError,
    checked,
    fetch_whole,
    temporary_name,
)
from clusters.storage.unfinished import remove_unfinished

_REASONS: Final[dict[int, tuple[Reason, str]]] = {
    errno.ENOSPC: ("no-space", "no space is left"),
    errno.EDQUOT: ("no-space", "the disk quota is used up"),
    errno.EACCES: ("permission", "access is denied"),
    errno.EPERM: ("permission", "access is denied"),
    errno.EROFS: ("permission", "the file system is read-only"),
    errno.EEXIST: ("invalid", "a folder cannot be created where a link or a file has its name"),
    errno.ENOTDIR: ("invalid", "a folder was expected, but this is a file"),
    errno.EISDIR: ("invalid", "a file was expected, but this is a folder"),
    errno.ENAMETOOLONG: ("invalid", "the name is too long"),
    errno.ESTALE: ("unreachable", "the shared file system went away"),
    errno.EIO: ("unreachable", "the disk reported an error"),
}


class LocalStorage(Storage):
    """Objects are files in one folder. Temporary files start with ".tmp-" and are never listed."""

    is_remote = False

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.abspath(root.expanduser()))
        # Of `os.path`, whose questions are answered with no where a folder may not be looked into.
        existing = next((path for path in (self._root, *self._root.parents) if os.path.exists(path)), self._root)
        if os.path.exists(existing) and not os.path.isdir(existing):
            what = "this" if existing == self._root else f"'{existing}' in its path"
            raise StorageError("invalid", str(root), f"a storage must be a folder, but {what} is a file")

    @property
    def uri(self) -> str:
        return str(self._root)

    def read_bytes(self, path: str) -> bytes:
        with self._explained(path):
            return self._at(path).read_bytes()

    def read_range(self, path: str, start: int, length: int) -> bytes:
        with self._explained(path), self._at(path).open("rb") as stream:
            stream.seek(start)
            return stream.read(length)

    def write_bytes(self, path: str, data: bytes, *, durable: bool = True) -> None:
        with self._explained(path), self._temporary(path) as temporary:
            _write(temporary, data, durable=durable)
            os.replace(temporary, self._at(path))

    def write_exclusive(self, path: str, data: bytes, *, durable: bool = True) -> bool:
        target = self._at(path)
        if target.exists():
            return False
        with self._explained(path), self._temporary(path) as temporary:
            _write(temporary, data, durable=durable)
            return self._link(temporary, target, path)

    def stat(self, path: str) -> ObjectInfo | None:
        target = self._at(path)
        with self._explained(path):
            try:
                return _info(path, target.stat()) if target.is_file() else None
            except FileNotFoundError:
                return None

    def list(self, prefix: str = "") -> tuple[ObjectInfo, ...]:
        base = self._at(prefix) if prefix else self._root
        with self._explained(prefix):
            found = sorted(_walk(base, f"{prefix}/" if prefix else ""), key=lambda info: info.path)
        return tuple(found)

    def names(self, folder: str = "") -> tuple[str, ...]:
        base = self._at(folder) if folder else self._root
        with self._explained(folder):
            try:
                with os.scandir(base) as entries:
                    visible = [entry for entry in entries if not entry.name.startswith(TEMPORARY)]
                    return tuple(sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in visible))
            except FileNotFoundError:
                return ()

    def delete(self, path: str) -> None:
        with self._explained(path):
            self._at(path).unlink(missing_ok=True)

    def upload_file(self, source: Path, path: str) -> str:
        with self._explained(path), self._temporary(path) as temporary:
            digest = _copy(source, temporary)
            os.replace(temporary, self._at(path))
        return digest

    def download_file(self, path: str, target: Path, *, sha256: str | None = None) -> str:
        def fetch(part: Path) -> None:
            _copy(self._at(path), part)

        with self._explained(path):
            return fetch_whole(self.uri, path, target, sha256, fetch)

    def _at(self, path: str) -> Path:
        return self._root / checked(path, self.uri)

    def _link(self, temporary: Path, target: Path, path: str) -> bool:
        try:
            os.link(temporary, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}:
                raise StorageError(
                    "unsupported", f"{self.uri}/{path}", "exclusive creation needs hard links"
                ) from error
            raise
        return True

    @contextmanager
    def _temporary(self, path: str) -> Iterator[Path]:
        target = self._at(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(target.parent)
        temporary = target.parent / temporary_name()
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        where = f"{self.uri}/{path}"
        try:
            yield
        except FileNotFoundError as error:
            raise MissingObjectError("missing", where, "the object does not exist") from error
        except OSError as error:
            reason, text = _REASONS.get(error.errno or 0, ("unreachable", error.strerror or str(error)))
            raise StorageError(reason, where, text) from error


def _write(path: Path, data: bytes, *, durable: bool) -> None:
    with path.open("xb") as stream:
        stream.write(data)
        if durable:
            stream.flush()
            os.fsync(stream.fileno())


def _copy(source: Path, target: Path) -> str:
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("xb") as writer:
        while block := reader.read(1 << 20):
            digest.update(block)
            writer.write(block)
        writer.flush()
        os.fsync(writer.fileno())
    return digest.hexdigest()


def _info(path: str, stat: os.stat_result) -> ObjectInfo:
    etag = f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}"
    return ObjectInfo(path=path, size=stat.st_size, etag=etag, modified=stat.st_mtime)


def _walk(folder: Path, prefix: str) -> Iterator[ObjectInfo]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(TEMPORARY):
                    continue
                if entry.is_dir():
                    yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
                else:
                    yield _info(f"{prefix}{entry.name}", entry.stat())
    except FileNotFoundError:
        return
