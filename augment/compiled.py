"""Compiled kernels: Numba functions whose machine code is cached under the hash of the kernels' sources.

Numba's own disk cache is keyed on the path and modification time of a source file, so a resubmitted working directory would
compile again, and it does not notice a change in another file that a kernel calls. Here the cache folder is named by the hash
of the source of every kernel module, and path and time play no part; Numba itself adds its version, the processor and the
argument types. One process compiles at a time, under a file lock, so that the workers of a node do not all compile the same.

Kernels are never `parallel` nor `fastmath`, and release the GIL: threads of the loader run them side by side.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import numba
from numba.core import caching

F = TypeVar("F", bound=Callable[..., Any])

KERNEL_PACKAGES: Final = ("augment", "eval")
CACHE_VARIABLE: Final = "DREAMGRID_KERNEL_CACHE"


def kernel(**options: Any) -> Callable[[F], F]:
    """Compile a function with Numba on first use, from the disk cache where that is possible.

    Args:
        **options: Options of `numba.njit`; `cache`, `nogil`, `parallel` and `fastmath` are fixed.

    Raises:
        ValueError: If a fixed option is given.
    """
    fixed = {"cache", "nogil", "parallel", "fastmath"} & options.keys()
    if fixed:
        raise ValueError(f"kernel options {sorted(fixed)} are fixed for all kernels; leave them out")

    def compile_lazily(function: F) -> F:
        if options.get("inline") == "always":  # inlined into its callers: has no machine code of its own
            compiled: F = numba.njit(**options)(function)
            return compiled
        dispatcher: F = numba.njit(nogil=True, cache=True, **options)(function)
        return dispatcher

    return compile_lazily


def cache_folder() -> Path:
    """Return the folder of this code version's machine code (it may not exist yet)."""
    root = os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "dreamgrid" / "kernels"
    return Path(root) / kernel_sources_hash()


@functools.cache
def kernel_sources_hash() -> str:
    """Return a hash of the source of every module that defines or calls kernels (the packages `augment` and `eval`)."""
    top = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for package in KERNEL_PACKAGES:
        for path in sorted((top / package).rglob("*.py")):
            source = path.read_bytes()
            if b"@kernel(" in source:
                digest.update(path.relative_to(top).as_posix().encode() + b"\0" + source + b"\0")
    return digest.hexdigest()[:16]


class _SourceHashLocator(caching._CacheLocator):  # type: ignore[misc]
    """Places the cache of our kernels by content; leaves every other function to Numba's own locators."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        self._name = f"{py_func.__module__}.{py_func.__qualname__}"

    def get_cache_path(self) -> str:
        """Return the folder of the index and object files."""
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        """Return what the index file is checked against."""
        return kernel_sources_hash()

    def get_disambiguator(self) -> str:
        """Return what tells two functions of one name apart."""
        return hashlib.sha256(self._name.encode()).hexdigest()[:10]

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _SourceHashLocator | None:
        """Claim functions of our packages; return None for others and where the folder cannot be written."""
        if py_func.__module__.partition(".")[0] not in KERNEL_PACKAGES:
            return None
        locator = cls(py_func, py_file)
        try:
            locator.ensure_cache_path()
        except OSError:
            return None
        return locator


def _install_locator() -> None:
    for implementation in (caching.CompileResultCacheImpl, caching.CodeLibraryCacheImpl):
        if _SourceHashLocator not in implementation._locator_classes:
            implementation._locator_classes = [_SourceHashLocator, *implementation._locator_classes]


@contextmanager
def compile_lock() -> Iterator[float]:
    """Hold the node-wide lock on compilation; yields the seconds that were spent waiting for it."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with (folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield time.monotonic() - started
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)


_install_locator()
