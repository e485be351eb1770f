"""What a check of a cluster file says, and how a file is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.errors import ManifestError

MAX_FILE_BYTES: Final = 1_000_000

Where = tuple[str | int, ...]
"""Keys and positions on the way to a value of a YAML document."""

Problem = tuple[Where, str, str, str]
"""Where, the rule, what is there, the fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with a cluster file.

    Attributes:
        line: Line in the file, from 1.
    """

    line: int
    rule: str
    value: str
    fix: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.rule}, but {self.value}; {self.fix}"


def read_manifest(path: Path) -> str:
    """Return the text of a cluster file.

    Raises:
        ManifestError: If it cannot be read or is too large.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(
            f"a cluster file must be readable, but {path} is not ({error.strerror}); check the path"
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise ManifestError(
            f"a cluster file must be below {MAX_FILE_BYTES} bytes, but {path} has {len(data)}; split it"
        )
    return data.decode("utf-8", errors="replace")
