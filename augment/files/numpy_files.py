"""Arrays in files that a person put there: mapped or read, whatever the file turns out to be."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment.files.pickles import UnsafeFile, check_directory


class ArrayFileError(ValueError):
    """A file that is no array or archive of arrays, with the reason as the end of "the file ..."."""


def map_array(path: Path) -> NDArray[Any]:
    """Return the array of a `.npy` file, mapped for reading.

    Raises:
        ArrayFileError: If it cannot be read, or is not one.
    """
    try:
        found: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # of a header that says anything NumPy raises nearly anything
        raise ArrayFileError(f"is truncated or not an array ({_first_line(error)})") from error
    if not isinstance(found, np.ndarray):
        found.close()
        raise ArrayFileError("is an archive of arrays and not an array")
    return found


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an `.npz` file by name.

    Raises:
        ArrayFileError: If it cannot be read, is not one, or unpacks to far more than its size.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_directory(archive, path.stat().st_size)
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except UnsafeFile as error:
        raise ArrayFileError(str(error)) from error
    except Exception as error:  # as above; a shape that no memory has room for is a MemoryError
        raise ArrayFileError(f"is truncated or not an archive of arrays ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
