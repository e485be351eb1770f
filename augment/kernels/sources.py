"""Where machine code is kept, and the hash of the sources that it was made from."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path
from typing import Final

from augment.lookup.imports import imported_names

KERNEL_PACKAGES: Final = ("augment", "eval", "benchmarks")
CACHE_VARIABLE: Final = "DREAMGRID_KERNEL_CACHE"
TOP: Final = Path(__file__).resolve().parents[2]


def cache_root() -> Path:
    """Return the folder of all machine code and the lock (it may not exist yet)."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "dreamgrid" / "kernels")


def is_ours(module: str) -> bool:
    """Whether a module is in one of the packages that have kernels."""
    return module.partition(".")[0] in KERNEL_PACKAGES


@functools.cache
def sources_hash(module: str, top: Path = TOP) -> str:
    """Return a hash of the source of a module of ours and of all our modules that it imports, directly or not.

    Args:
        module: Full name of the module.
        top: Folder of our packages.
    """
    digest = hashlib.sha256()
    for name in sorted(imported_modules(module, top)):
        digest.update(name.encode() + b"\0" + _source_of(name, top) + b"\0")
    return digest.hexdigest()[:16]


def imported_modules(module: str, top: Path = TOP) -> set[str]:
    """Return a module of ours and all our modules that it imports, directly or not."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(_imports_of(name, top))
    return seen


def path_of(module: str, top: Path = TOP) -> Path | None:
    """Return the file of a module of ours, or None where there is none."""
    stem = top.joinpath(*module.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


@functools.cache
def _imports_of(module: str, top: Path) -> frozenset[str]:
    return frozenset(name for name in imported_names(_source_of(module, top)) if is_ours(name) and path_of(name, top))


@functools.cache
def _source_of(module: str, top: Path) -> bytes:
    path = path_of(module, top)
    if path is None:  # a kernel typed at a prompt or run as a script: nothing on disk names its version
        return b""
    return path.read_bytes()
