"""What readers return, and why they refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from augment.files.content import file_hash
from eval.errors import EvalError

Thoroughness = Literal["sizes", "checksums"]
"""How far files are checked: sizes, shapes and labels (fast), or their known MD5 as well (reads every byte)."""


class PublishedFilesError(EvalError):
    """Published files are missing, truncated, out of order, or do not belong to the test labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSet:
    """Published images under one name.

    Attributes:
        fields: What distinguishes this set (corruption, severity; or perturbation, difficulty).
        labels: True classes, (N,) int64; -1 where the files carry none.
        load: Returns images [start, stop): (n, H, W, C) uint8, or (n, T, H, W, C) for sequences.
        frames: Frames per sequence T; 1 for images.
    """

    fields: Mapping[str, Any]
    labels: NDArray[np.int64]
    load: Callable[[int, int], NDArray[np.uint8]]
    frames: int = 1

    def __len__(self) -> int:
        return len(self.labels)


def need_folder(folder: Path, what: str) -> None:
    """Check that a folder of published files is there."""
    if not folder.is_dir():
        raise PublishedFilesError(
            f"{what} are read from the folder '{folder}', which does not exist; unpack the published archive there"
        )


def need_files(folder: Path, names: Iterable[str], what: str) -> None:
    """Check that files are there, all at once."""
    need_folder(folder, what)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise PublishedFilesError(f"'{folder}' lacks {len(missing)} of the files of {what}: {', '.join(missing[:20])}")


def check_md5(path: Path, expected: str | None) -> None:
    """Compare a file with its published MD5, where there is one; an unchanged file is read once."""
    if expected is None:
        return
    found = file_hash(path, algorithm="md5")
    if found != expected:
        raise PublishedFilesError(f"'{path}' has MD5 {found}, but {expected} is published; download it again")
