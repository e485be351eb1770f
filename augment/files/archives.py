"""Comparing unpacked files with the published archive that they come from, byte by byte."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

from augment.files.content import file_hash
from augment.files.walk import is_hidden

CHUNK_BYTES: Final = 2**20


class ArchiveError(Exception):
    """An archive that is not the published one, or files that differ from what it packs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A published archive.

    Attributes:
        into: Folder in the data root that it is unpacked in.
        place: Where a member's file is put there, "" for a member that nothing reads; None for its own name. A tar archive in
            the archive is unpacked in a folder of its name.
    """

    name: str
    md5: str
    into: str = "."
    place: Callable[[str], str] | None = None


def find_archive(archive: Archive, data_root: Path) -> Path | None:
    """Return where an archive is kept: in the data root, or in the folder that it is unpacked in; None where it is not."""
    places = (data_root / archive.name, data_root / archive.into / archive.name)
    return next((path for path in places if path.is_file()), None)


def compare_with_archive(archive: Archive, path: Path, data_root: Path) -> frozenset[str]:
    """Compare unpacked files with an archive; return the names in the data root of those that it packs.

    Members that were never unpacked are passed over: what reads them says that they are missing.

    Raises:
        ArchiveError: If it is not the published one, cannot be read, or a file differs from what it packs.
        ImageFolderError: If the archive cannot be read at all.
    """
    found = file_hash(path, algorithm="md5")
    if found != archive.md5:
        raise ArchiveError(f"{path} must have the published MD5 {archive.md5}, but has {found}; download it again")
    same: set[str] = set()
    try:
        for member, stream in _members(path):
            place = member if archive.place is None else archive.place(member)
            name = (PurePosixPath(archive.into) / place).as_posix()
            if not place or not (data_root / name).is_file():
                continue
            if not _is_same(stream, data_root / name):
                raise ArchiveError(f"{data_root / name} differs from its copy in {path.name}; unpack the archive again")
            same.add(name)
    # What is damaged or encrypted, or packed by a method that is not known, is a different error of each library.
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise ArchiveError(f"{path} cannot be read to the end: {error}") from error
    return frozenset(same)


def contents_of(names: frozenset[str], parts: Mapping[str, frozenset[str]]) -> list[str]:
    """Return the parts of a collection whose files are all among those that archives pack."""
    return [part for part, files in parts.items() if files and files <= names]


def _members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the name and the bytes of each file in a zip or tar archive; those of a tar archive in it, too."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            for entry in packed.infolist():
                if not entry.is_dir() and _counts(entry.filename):
                    with packed.open(entry) as stream:
                        yield _plain(entry.filename), stream
        return
    with path.open("rb") as handle:
        yield from _of_tar(handle, "")


def _of_tar(handle: IO[bytes], prefix: str) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(fileobj=handle, mode="r|*") as packed:
        for member in packed:
            stream = packed.extractfile(member) if member.isfile() and _counts(member.name) else None
            if stream is None:
                continue
            if member.name.endswith(".tar"):
                yield from _of_tar(stream, f"{prefix}{_plain(member.name).removesuffix('.tar')}/")
            else:
                yield prefix + _plain(member.name), stream


def _plain(name: str) -> str:
    return PurePosixPath(name).as_posix().removeprefix("./")


def _counts(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return ".." not in parts and not any(is_hidden(part) for part in parts)


def _is_same(stream: IO[bytes], path: Path) -> bool:
    with path.open("rb") as handle:
        while chunk := handle.read(CHUNK_BYTES):
            if stream.read(len(chunk)) != chunk:
                return False
    with suppress(EOFError):
        return not stream.read(1)
    return True
