"""Reading a file that a person names: a regular one, of a size that such a file can have. Light to import."""

from __future__ import annotations

from pathlib import Path
from typing import Final

MIB: Final = 2**20


def read_given(path: Path, most_bytes: int) -> bytes:
    """Return the bytes of a file.

    A device has no end, and a named pipe waits for its writer, so neither is opened.

    Raises:
        OSError: If it cannot be read, is no regular file, or is larger; the text is a sentence.
    """
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is not a regular file; name a file")
    with path.open("rb") as handle:
        data = handle.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise OSError(f"{path} has more than {most_bytes // MIB} MiB, which no such file has; name another")
    return data


def read_given_text(path: Path, most_bytes: int) -> str:
    """Return the text of a file in UTF-8.

    Raises:
        OSError: As `read_given`.
        UnicodeDecodeError: If it is no such text.
    """
    return read_given(path, most_bytes).decode("utf-8")
