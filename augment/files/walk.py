"""The one walk of a folder of images: what it finds is what is counted, listed, hashed and read. Light to import.

A file is an image by its suffix (`SUFFIXES`, in any case). Hidden files and folders are left out at every level below the root,
and so are the folders that other systems leave behind (`SYSTEM_FOLDERS`). Symbolic links to files and folders are followed
wherever they lead; a link to a folder that contains it is not entered again. Images that are seen to be unreadable
(`UNREAD_SUFFIXES`, links to nothing) are kept apart, so that whoever reads the folder can name them; another link to nothing
may be a class on a disk that is not there, so it is refused.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Final

from augment.errors import AugmentError

logger = logging.getLogger(__name__)

SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".pfm"}
)
"""Images that are read."""

UNREAD_SUFFIXES: Final = frozenset(
    {".avif", ".heic", ".heif", ".jp2", ".j2k", ".jpx", ".jxl", ".psd", ".svg", ".ico", ".icns", ".tga", ".pcx", ".eps"}
    | {".exr", ".hdr", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".raw", ".dcm", ".qoi", ".dds"}
)
"""Images that are not read: they count as images that cannot be decoded."""

VIDEO_SUFFIXES: Final = frozenset({".mp4"})
"""Sequences of images that are read as videos, of published collections only."""

SYSTEM_FOLDERS: Final = frozenset({"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information"})
"""Folders without a leading dot that macOS archives, network drives and Windows leave next to the files of a user."""

SYSTEM_FILES: Final = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
"""Files without a leading dot that Windows and macOS leave there, in any case."""

LARGEST_UNREADABLE_SHARE: Final = 0.01
"""Share of a folder's images that may be unreadable; those are left out and named, above it the folder is refused."""

NAMES_SHOWN: Final = 3


class ImageFolderError(AugmentError):
    """A folder of images that cannot be listed, or has too many images that cannot be read."""


class NoImagesError(ImageFolderError):
    """A folder of images that is absent or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """One image of a folder, with the facts of the file that is read: for a link, those of its target.

    Attributes:
        name: Path in the folder, with forward slashes.
        mtime_ns: Time of the last change of the content.
        ctime_ns: Time of the last change of the file's record, which no program can set back.
    """

    name: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFolder:
    """What a walk found.

    Attributes:
        files: Its images, sorted by the parts of their paths.
        unread: Names of images that cannot be read: of another suffix, or links to nothing.
        others: Names of files that are no images by their suffix; images may be among them whose suffix is lost.
    """

    root: Path
    files: tuple[ImageFile, ...]
    unread: tuple[str, ...]
    others: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the images."""
        return tuple(file.name for file in self.files)

    @property
    def paths(self) -> list[Path]:
        """Paths of the images."""
        return [self.root / file.name for file in self.files]

    @property
    def stray(self) -> tuple[str, ...]:
        """Names of images that are in no sub-folder, so that they have no class."""
        return tuple(file.name for file in self.files if "/" not in file.name)


def is_hidden(name: str) -> bool:
    """Return whether a file or folder of this name is left out of every walk."""
    return name.startswith(".") or name in SYSTEM_FOLDERS or name.lower() in SYSTEM_FILES


def class_folders(folder: Path) -> tuple[str, ...]:
    """Return the names of the visible sub-folders, sorted; none where there is no such folder."""
    if not folder.is_dir():
        return ()
    with os.scandir(folder) as entries:
        return tuple(sorted(entry.name for entry in entries if not is_hidden(entry.name) and _is_folder(entry)))


def walk_images(folder: Path, parts: Sequence[str] = ("",)) -> ImageFolder:
    """Return the images in a folder; an empty folder has none.

    Args:
        folder: The folder, which all names are relative to.
        parts: Sub-folders to look in, such as ("train", "test"); all of the folder by default.

    Raises:
        ImageFolderError: If the folder is absent, a folder in it cannot be listed, or a link without the suffix of an image
            leads nowhere.
    """
    found: list[ImageFile] = []
    unread: list[str] = []
    others: list[str] = []
    for name, status in _walked(folder, parts, SUFFIXES | UNREAD_SUFFIXES):
        suffix = os.path.splitext(name)[1].lower()
        if suffix not in SUFFIXES | UNREAD_SUFFIXES:
            others.append(name)
        elif status is None or suffix in UNREAD_SUFFIXES:
            unread.append(name)
        else:
            found.append(_image_file(name, status))
    by_parts = sorted(found, key=lambda file: file.name.split("/"))
    return ImageFolder(root=folder, files=tuple(by_parts), unread=tuple(sorted(unread)), others=tuple(sorted(others)))


def walk_videos(folder: Path) -> tuple[str, ...]:
    """Return the names of the videos in a folder, by the rules of images, sorted by the parts of their paths.

    Raises:
        ImageFolderError: As `walk_images`, or if a link to a video leads nowhere.
    """
    found = []
    for name, status in _walked(folder, ("",), VIDEO_SUFFIXES):
        if os.path.splitext(name)[1].lower() not in VIDEO_SUFFIXES:
            continue
        if status is None:
            raise ImageFolderError(
                f"a link to a video must point to a file, but {folder / name} does not; restore its target"
            )
        found.append(name)
    return tuple(sorted(found, key=lambda name: name.split("/")))


def images_in(folder: Path, purpose: str) -> ImageFolder:
    """Return the images in a folder that must have some, with few enough that cannot be read.

    Args:
        purpose: What it is for, as the subject of a sentence: "mixing set 'folder'".

    Raises:
        NoImagesError: If it is absent or has no image.
        ImageFolderError: If too many of its images cannot be read by their names.
    """
    if not folder.is_dir():
        raise NoImagesError(f"{purpose} needs a folder of images, but {folder} does not exist; check the path")
    found = walk_images(folder)
    refuse_unreadable(folder, found.unread, len(found.files) + len(found.unread))
    if found.files and found.others:
        _note_others(folder, found.others)
    if not found.files:
        kept = f"; its {len(found.others)} files have no image suffix: {named(found.others)}" if found.others else ""
        raise NoImagesError(
            f"{purpose} needs a folder of images, but {folder} has none ({', '.join(sorted(SUFFIXES))}); put images there{kept}"
        )
    return found


@cache
def _note_others(folder: Path, others: tuple[str, ...]) -> None:
    """Say once which files of a folder are no images: no report of what reads it would."""
    logger.warning(
        "%d files in %s are no images by their suffix and are left out: %s", len(others), folder, named(others)
    )


def refuse_unreadable(folder: Path, names: Sequence[str], total: int, why: str = "") -> None:
    """Refuse a folder with too many images that cannot be read.

    Args:
        why: What is wrong with the first of them, where it is known.

    Raises:
        ImageFolderError: If they are more than one in a hundred; with their number and the first names.
    """
    if len(names) > LARGEST_UNREADABLE_SHARE * total:
        raise ImageFolderError(
            f"at most {LARGEST_UNREADABLE_SHARE:.0%} of the images in {folder} may be unreadable, but {len(names)} of "
            f"{total} are: {named(names)}{f' ({why})' if why else ''}; convert, replace or remove them"
        )


def visible(name: str) -> str:
    """Return a name of a file as it is, or escaped where it breaks a line or is of no known encoding."""
    return name if name.isprintable() else ascii(name)[1:-1]


def named(names: Sequence[str]) -> str:
    """Return the first few of some names; what a terminal cannot print of them is escaped."""
    return ", ".join(visible(name) for name in names[:NAMES_SHOWN]) + (" ..." if len(names) > NAMES_SHOWN else "")


Found = tuple[str, os.stat_result | None]
"""The name of a file and the facts of what it leads to; None for a link to nothing, what is no file, and other suffixes."""


def _walked(folder: Path, parts: Sequence[str], suffixes: frozenset[str]) -> Iterator[Found]:
    try:
        for part in parts:
            top = str(folder / part)
            yield from _below(top, f"{part}/" if part else "", (_inode(os.stat(top)),), suffixes)
    except OSError as error:
        raise ImageFolderError(
            f"a folder of images must be readable, but {error.filename}: {error.strerror}"
        ) from error


def _below(
    folder: str, prefix: str, ancestors: tuple[tuple[int, int], ...], suffixes: frozenset[str]
) -> Iterator[Found]:
    """Yield the visible files in a folder and what is below it, with the facts of those of some suffixes."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not is_hidden(entry.name)]
    for entry in visible:
        is_named_image = os.path.splitext(entry.name)[1].lower() in suffixes
        if not (is_named_image or entry.is_symlink() or entry.is_dir()):
            yield prefix + entry.name, None  # the many small files of annotations cost no call of stat
            continue
        status = _status(entry.path)
        if status is not None and S_ISDIR(status.st_mode):
            if _inode(status) not in ancestors:
                yield from _below(entry.path, f"{prefix}{entry.name}/", (*ancestors, _inode(status)), suffixes)
        elif status is None and not is_named_image:
            raise ImageFolderError(
                f"a link in a folder of images must point to a file, but {entry.path} does not; restore its target, or remove it"
            )
        else:
            yield prefix + entry.name, status if status is not None and S_ISREG(status.st_mode) else None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:  # a link to nothing, or in a circle
        return None


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _image_file(name: str, status: os.stat_result) -> ImageFile:
    return ImageFile(
        name=name, size=status.st_size, mtime_ns=status.st_mtime_ns, ctime_ns=status.st_ctime_ns, inode=_inode(status)
    )
