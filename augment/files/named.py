"""Files that methods name: third-party weights, and copies of the training images that were changed beforehand.

A cell's identity has the name in the data root and the hash of the content, never a whole path. Planning fills the hash in
("pending" while there is nothing to hash), and a worker refuses a file with another content. Light to import.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol

from augment.errors import AugmentError
from augment.files.content import file_hash, folder_hash
from augment.files.walk import walk_images

PENDING: Final = "pending"


class NamesFiles(Protocol):
    """A method, of which only these are needed here."""

    @property
    def name(self) -> str: ...

    @property
    def files(self) -> Mapping[str, str]:
        """Hyper-parameter that names a file or folder -> the one for its content hash."""


def require_in_data_root(name: str, value: str) -> None:
    """Raise ValueError unless a value is "" or a relative name that stays inside a folder."""
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{name} must be a name in the data root (move or link the file there), but got {value!r}")


def with_contents(method: NamesFiles, values: Mapping[str, Any], data_root: Path | None) -> dict[str, Any]:
    """Return a method's hyper-parameters with the hashes of the files they name; without those that name no file.

    Cells that name no file keep the identity they had before there were files to name.

    Args:
        data_root: Folder that contains the files; None leaves them pending.
    """
    filled = dict(values)
    for name, content in method.files.items():
        if not filled.get(name):
            filled.pop(name, None)
            filled.pop(content, None)
        elif not filled.get(content):
            filled[content] = _content_of(data_root / filled[name]) if data_root is not None else PENDING
    return filled


def named_files(method: NamesFiles, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names in the data root that a method's hyper-parameters give."""
    return tuple(str(values[name]) for name in method.files if values.get(name))


def missing_files(method: NamesFiles, values: Mapping[str, Any], data_root: Path) -> list[str]:
    """Return a line for each file or folder that a method's hyper-parameters name and that is not there."""
    return [
        f"{name} of {method.name} does not exist: {data_root / values[name]}; put the file there, or leave {name} out"
        for name in method.files
        if values.get(name) and _content_of(data_root / values[name]) == PENDING
    ]


def named_file(data_root: Path | None, name: str, content: str) -> Path:
    """Return the path of a named file or folder, after comparing its content with the planned one.

    Args:
        content: The planned hash; "" for any.

    Raises:
        AugmentError: If it is not there, was not there while planning, or has changed since it was planned.
    """
    if data_root is None:
        raise AugmentError(f"{name!r} must be in a data root, but none was given; set the data root")
    path = data_root / name
    found = _content_of(path)
    if found == PENDING:
        raise AugmentError(
            f"a method needs {path}, which does not exist; put the file there, or leave the hyper-parameter out"
        )
    if content == PENDING:
        raise AugmentError(
            f"{path} was planned without its content, which identifies it; copy it to the data root of the machine that plans"
        )
    if content not in ("", found):
        raise AugmentError(
            f"{path} must have the content {content[:12]} that was planned, but has {found[:12]}; plan again, or restore the file"
        )
    return path


def _content_of(path: Path) -> str:
    if path.is_file():
        return file_hash(path)
    if path.is_dir() and (found := walk_images(path)).files:
        return folder_hash(found)
    return PENDING
