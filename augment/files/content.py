"""What identifies a folder of images, or a file: a hash of what is read, never of names, sizes and times alone.

The hash is the SHA-256 over the name and the SHA-256 of each image of the walk, so a copy elsewhere has the same one. Folders
above `MOST_WHOLE_BYTES` are hashed by the name and size of every image and `SAMPLES` blocks of `SAMPLE_BYTES` of its content
(first, middle and last); their hash begins with `sampled-`. Folders with images whose decoding has changed since version 1
(see `is_plain`) end with the version, so that results of the old pixels are not taken for those of the new.

Hashes are remembered in the cache folder by path, size, times and inode of every file, so that planning again costs one walk.
What changed less than `SETTLED_S` ago is read again, since a second change within the clock's tick would leave no trace. Light to
import.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Literal

from augment.files.kept import DamagedFileError, keep, kept_facts
from augment.files.walk import ImageFile, ImageFolder, ImageFolderError, NoImagesError, walk_images, walk_videos

DECODER_VERSION: Final = 2
"""Version of `decode.to_rgb` for images that are not plain; raise it when their pixels change."""

MOST_WHOLE_BYTES: Final = 4 * 2**30
SAMPLES: Final = 3
SAMPLE_BYTES: Final = 4096
SETTLED_S: Final = 2.0
CHUNK_BYTES: Final = 2**20
THREADS: Final = 8
FEW_FILES: Final = 64
HEADER_BYTES: Final = 4096
Algorithm = Literal["sha256", "md5", "sha256-unzipped"]
"""What is computed of a file: its SHA-256 or MD5, or the SHA-256 of what a gzip file packs."""
LOOK_LASTS: Final = 20
"""A look at a folder is good for this many times as long as it took, so that looking again costs one twentieth at most."""

_LOOKS: Final[dict[Path, tuple[float, str]]] = {}
"""Folder -> time of the process's clock, in seconds, up to which a look is good, and the hash that it found."""

_REMEMBERED: Final[dict[Path, tuple[str, str]]] = {}
"""Hashes of this process: memory file -> (stamp, hash)."""


def folder_hash(found: ImageFolder, *, cache: Path | None = None) -> str:
    """Return the hash of the images that a walk found.

    Args:
        cache: Folder that remembers hashes; None for `content-hashes` in DREAMGRID_CACHE.

    Raises:
        NoImagesError: If there is no image, since nothing identifies nothing.
        ImageFolderError: If one cannot be read.
    """
    if not found.files:
        raise NoImagesError(
            f"a folder must contain images to have an identity, but {found.root} has none; put images there"
        )
    whole = sum(file.size for file in found.files) <= MOST_WHOLE_BYTES
    return remembered(found.root, found.files, lambda: _folder_hash(found, whole), cache)


def file_hash(path: Path, *, algorithm: Algorithm = "sha256") -> str:
    """Return the SHA-256 of a file's bytes, or the MD5 that is published of many, remembered like that of a folder.

    Raises:
        ImageFolderError: If it cannot be read.
    """
    facts = _facts_of(path, path.name)
    return remembered(path, [facts], lambda: _whole_digest(path, algorithm), kind=algorithm)


def named_files_hash(root: Path, names: Sequence[str]) -> str:
    """Return the hash of files that are no images, as `folder_hash` returns that of images."""
    files = [_facts_of(root / name, name) for name in sorted(names)]
    return folder_hash(ImageFolder(root=root, files=tuple(files), unread=()))


def content_of(folder: Path, part: str) -> str:
    """Return the content hash of a file, or of the images or videos in a folder; "" where there is none.

    Args:
        part: File or folder in it, or ".".

    Raises:
        ImageFolderError: If one cannot be read.
    """
    path = folder / part
    if path.is_file():
        return file_hash(path)
    if not path.is_dir():
        return ""
    until, known = _LOOKS.get(path, (0.0, ""))
    if time.monotonic() < until:
        return known
    started = time.monotonic()
    images = walk_images(path)
    took = time.monotonic() - started
    videos = () if images.files else walk_videos(path)
    found = named_files_hash(path, videos) if videos else folder_hash(images) if images.files else ""
    _LOOKS[path] = (time.monotonic() + LOOK_LASTS * took, found)
    return found


def is_plain(header: bytes) -> bool:
    """Return whether an image's first bytes show a kind that every version of the decoder reads alike.

    Those are JPEG and lossy WebP, BMP without alpha, and PNG with at most 8 bits a channel and without transparency.
    """
    if header.startswith(b"\xff\xd8\xff"):
        return True
    if header.startswith(b"BM") and len(header) > 28:
        return header[28] in (1, 4, 8, 24)
    if header.startswith(b"RIFF"):
        return header[8:16] == b"WEBPVP8 "
    is_png = header.startswith(b"\x89PNG\r\n\x1a\n") and len(header) > 25
    before_pixels, mark, _ = header.partition(b"IDAT")
    return is_png and bool(mark) and header[24] <= 8 and header[25] in (0, 2, 3) and b"tRNS" not in before_pixels


def _facts_of(path: Path, name: str) -> ImageFile:
    try:
        status = path.stat()
    except OSError as error:
        raise ImageFolderError(f"{path} must be readable, but is not: {error.strerror}; make it readable") from error
    return ImageFile(
        name=name,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
        inode=(status.st_dev, status.st_ino),
    )


def _whole_digest(path: Path, algorithm: Algorithm) -> str:
    try:
        if algorithm == "sha256-unzipped":
            with gzip.open(path) as packed:
                return hashlib.file_digest(packed, "sha256").hexdigest()
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, algorithm).hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        raise ImageFolderError(
            f"{path} must be readable, but is not: {error}; make it readable, or remove it"
        ) from error


def _folder_hash(found: ImageFolder, whole: bool) -> str:
    def one(file: ImageFile) -> tuple[str, bool]:
        return _digest_of(found.root / file.name, file.size, whole=whole)

    if len(found.files) <= FEW_FILES:
        contents = [one(file) for file in found.files]
    else:
        with ThreadPoolExecutor(THREADS) as pool:
            contents = list(pool.map(one, found.files, chunksize=FEW_FILES))
    digest = hashlib.sha256()
    for file, (content, _) in zip(found.files, contents, strict=True):
        digest.update(os.fsencode(file.name) + f"\0{content}\n".encode())
    version = "" if all(plain for _, plain in contents) else f"-decoder{DECODER_VERSION}"
    return ("" if whole else "sampled-") + digest.hexdigest() + version


def _digest_of(path: Path, size: int, *, whole: bool) -> tuple[str, bool]:
    """Return the digest of a file's bytes or of their sample, and whether it is a plain image."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            header = handle.read(HEADER_BYTES)
            if whole:
                digest.update(header)
                while chunk := handle.read(CHUNK_BYTES):
                    digest.update(chunk)
            else:
                digest.update(f"{size}\0".encode())
                for number in range(SAMPLES):
                    handle.seek(max(0, size - SAMPLE_BYTES) * number // (SAMPLES - 1))
                    digest.update(handle.read(SAMPLE_BYTES))
    except OSError as error:
        raise ImageFolderError(
            f"{path} must be readable, but is not: {error.strerror}; make it readable, or remove it"
        ) from error
    return digest.hexdigest(), is_plain(header)


def remembered(
    path: Path, files: Sequence[ImageFile], make: Callable[[], str], cache: Path | None = None, kind: str = "sha256"
) -> str:
    """Return what was made of some files before, while none of them has changed, or make it now.

    Args:
        path: The folder or file that it is remembered for.
        cache: As for `folder_hash`.
        kind: What it is, since several things may be remembered of the same files.
    """
    memory, stamp = _memory_of(path, cache, kind), _stamp(files)
    known = _recall(memory, stamp)
    if known is not None:
        return known
    started_ns = time.time_ns()
    made = make()
    if max(file.ctime_ns for file in files) < started_ns - SETTLED_S * 1e9:
        _remember(memory, stamp, made)
    return made


def cache_folder() -> Path:
    """Return the folder of caches of this user: DREAMGRID_CACHE, or `~/.cache/dreamgrid`."""
    return Path(os.environ.get("DREAMGRID_CACHE") or Path.home() / ".cache" / "dreamgrid")


def _memory_of(path: Path, cache: Path | None, kind: str) -> Path:
    kept = cache or cache_folder() / "content-hashes"
    place = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:24]
    return kept / (f"{place}.json" if kind == "sha256" else f"{place}-{kind}.json")


def _stamp(files: Sequence[ImageFile]) -> str:
    digest = hashlib.sha256(f"{DECODER_VERSION} {MOST_WHOLE_BYTES}\n".encode())
    for file in files:
        facts = f"\0{file.size}\0{file.mtime_ns}\0{file.ctime_ns}\0{file.inode}\n"
        digest.update(os.fsencode(file.name) + facts.encode())
    return digest.hexdigest()


def _recall(memory: Path, stamp: str) -> str | None:
    if _REMEMBERED.get(memory, ("", ""))[0] == stamp:
        return _REMEMBERED[memory][1]
    try:
        entry = kept_facts(memory)
    except (OSError, DamagedFileError):
        return None
    return str(entry["hash"]) if entry["stamp"] == stamp else None


def _remember(memory: Path, stamp: str, made: str) -> None:
    _REMEMBERED[memory] = (stamp, made)
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        keep(memory, {}, {"stamp": stamp, "hash": made})
    except OSError:  # a cache that cannot be written costs time only
        return
