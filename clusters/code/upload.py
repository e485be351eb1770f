"""What a submitted job would upload, reported and bounded: a folder without what `.rayignore` and `.gitignore` keep out.

Ray itself packs and sends the folder. It reads the two files in every folder, and asks them about every path below it, a folder's
without a slash at its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pathspec import PathSpec

from clusters.errors import ClusterError

MAX_UPLOAD_BYTES: Final = 5 * 2**20
MAX_FILES: Final = 20_000
IGNORE_FILES: Final = (".gitignore", ".rayignore")
_SHOWN: Final = 5
_CREDENTIALS: Final = re.compile(
    r"^(\.env(\..+)?|\.netrc|\.pgpass|auth_token|credentials|id_(rsa|dsa|ecdsa|ed25519)|.+\.(pem|p12|pfx|keytab))$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """The files that a folder would send.

    Attributes:
        sizes: Path in the folder -> bytes.
        is_whole: Whether all files were seen; False where there are more than `MAX_FILES`.
    """

    folder: Path
    sizes: dict[str, int]
    is_whole: bool = True

    @property
    def total_bytes(self) -> int:
        """Bytes of all files, before compression."""
        return sum(self.sizes.values())

    def __str__(self) -> str:
        return f"{len(self.sizes)} files, {self.total_bytes / 2**20:.2f} MiB of {self.folder}"


def measure_upload(folder: Path) -> Upload:
    """Return what Ray would upload of a folder.

    Raises:
        ClusterError: If it is no folder.
    """
    if not folder.is_dir():
        raise ClusterError(f"a working directory must be a folder, but {folder} is not one; see --working-dir")
    sizes: dict[str, int] = {}
    for path in _uploaded(folder, ()):
        sizes[str(path.relative_to(folder))] = path.stat().st_size
        # Enough to know that this is no source tree.
        if len(sizes) > MAX_FILES:
            return Upload(folder=folder, sizes=sizes, is_whole=False)
    return Upload(folder=folder, sizes=sizes)


def _uploaded(path: Path, rules: tuple[tuple[Path, PathSpec[Any]], ...]) -> Iterator[Path]:
    """Yield the files at and below a path.

    Args:
        rules: Each folder above it that has rules, with them.
    """
    found = [path / name for name in IGNORE_FILES]
    own = [(path, PathSpec.from_lines("gitignore", one.read_text().splitlines())) for one in found if one.is_file()]
    rules = (*rules, *own)
    if any(spec.match_file(str(path.relative_to(base))) for base, spec in rules):
        return
    if path.is_file():
        yield path
    elif path.is_dir():
        for below in path.iterdir():
            yield from _uploaded(below, rules)


def check_upload(upload: Upload) -> None:
    """Refuse an upload that is large or carries credentials.

    Raises:
        ClusterError: With every mistake: the largest files, the credential files, and how to keep them out.
    """
    mistakes = []
    if upload.total_bytes > MAX_UPLOAD_BYTES or not upload.is_whole:
        largest = sorted(upload.sizes, key=lambda name: -upload.sizes[name])[:_SHOWN]
        shown = ", ".join(f"{name} ({upload.sizes[name] / 2**20:.1f} MiB)" for name in largest)
        count = f"{'' if upload.is_whole else 'more than '}{upload}"
        mistakes.append(
            f"a submitted folder must be below {MAX_UPLOAD_BYTES / 2**20:g} MiB, but this is {count}, the largest {shown}; "
            f"name what is not code in {upload.folder / '.rayignore'}"
        )
    secrets = sorted(name for name in upload.sizes if _CREDENTIALS.match(Path(name).name))
    if secrets:
        mistakes.append(
            f"credentials must not be uploaded, but the folder contains {', '.join(secrets[:_SHOWN])}; "
            f"name them in {upload.folder / '.rayignore'}"
        )
    if mistakes:
        raise ClusterError("; ".join(mistakes))
