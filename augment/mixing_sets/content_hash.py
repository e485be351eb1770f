"""The content hash of a user's folder of pictures: what stands for it in keys, instead of its path.

Hashing reads every file once; the result is kept beside the other caches under the names, sizes and times of the files, so that
planning again costs a directory walk. Light to import.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Final

PICTURE_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff"})


def picture_files(folder: Path) -> list[Path]:
    """Return the picture files below a folder, sorted by their relative path; hidden ones are left out."""
    found = [path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()]
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def folder_content_hash(folder: Path, *, cache: Path | None = None) -> str:
    """Return the SHA-256 over relative names and bytes of a folder's pictures.

    Args:
        folder: Folder of pictures, searched recursively.
        cache: Folder that remembers hashes; None for `content-hashes` below DREAMGRID_CACHE.
    """
    files = picture_files(folder)
    stamp, memory = _stamp(folder, files), _memory_of(folder, cache)
    known = _recall(memory, stamp)
    if known is not None:
        return known
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as handle:
            content = hashlib.file_digest(handle, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    _remember(memory, stamp, digest.hexdigest())
    return digest.hexdigest()


def file_content_hash(path: Path, *, cache: Path | None = None) -> str:
    """Return the SHA-256 of a file's bytes, remembered like that of a folder."""
    stamp, memory = _stamp(path.parent, [path]), _memory_of(path, cache)
    known = _recall(memory, stamp)
    if known is not None:
        return known
    with path.open("rb") as handle:
        content = hashlib.file_digest(handle, "sha256").hexdigest()
    _remember(memory, stamp, content)
    return content


def _memory_of(path: Path, cache: Path | None) -> Path:
    return (cache or _default_cache()) / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]}.json"


def _stamp(folder: Path, files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        facts = path.stat()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _default_cache() -> Path:
    return Path(os.environ.get("DREAMGRID_CACHE") or Path.home() / ".cache" / "dreamgrid") / "content-hashes"


def _recall(memory: Path, stamp: str) -> str | None:
    try:
        entry = json.loads(memory.read_text())
        return str(entry["sha256"]) if entry["stamp"] == stamp else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(memory: Path, stamp: str, digest: str) -> None:
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        temporary = memory.with_suffix(f".{os.getpid()}.new")
        temporary.write_text(json.dumps({"stamp": stamp, "sha256": digest}))
        temporary.replace(memory)
    except OSError:  # a cache that cannot be written costs time only
        return
