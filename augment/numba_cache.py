"""Where Numba keeps the machine code of our kernels; imported with Numba, at the first call of a kernel.

Numba has no public way to place a cache by content, so two private names stand here and nowhere else: without them kernels
compile all the same, and their machine code is kept where Numba keeps it by itself (by path and modification time).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from numba.core import caching, event

from augment.compiled import KERNEL_PACKAGES, CompilationCount, cache_root, path_of, sources_hash

_Locator: Any = getattr(caching, "_CacheLocator", object)


class SourceHashLocator(_Locator):  # type: ignore[misc]
    """Places the cache of our kernels by content; leaves every other function to Numba's own locators."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        self._module = py_func.__module__
        self._name = f"{py_func.__module__}.{py_func.__qualname__}"

    def get_cache_path(self) -> str:
        """Return the folder of the index and object files."""
        return str(cache_root() / sources_hash(self._module))

    def get_source_stamp(self) -> str:
        """Return what the index file is checked against."""
        return sources_hash(self._module)

    def get_disambiguator(self) -> str:
        """Return what tells two functions of one name apart."""
        return hashlib.sha256(self._name.encode()).hexdigest()[:10]

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> SourceHashLocator | None:
        """Claim functions of our packages; return None for others and where the folder cannot be written."""
        module = py_func.__module__
        if module.partition(".")[0] not in KERNEL_PACKAGES or path_of(module) is None:
            return None
        locator = cls(py_func, py_file)
        try:
            locator.ensure_cache_path()
        except OSError:
            return None
        return locator


class _Listener(event.Listener):  # type: ignore[misc]
    """Counts what Numba compiles."""

    def __init__(self, count: CompilationCount) -> None:
        self._count = count

    def on_start(self, event: Any) -> None:
        """Count a function."""
        self._count.add(event.data["dispatcher"].py_func.__module__)

    def on_end(self, event: Any) -> None:
        """Do nothing: the end of a compilation is no news."""


def install(count: CompilationCount) -> None:
    """Have Numba place machine code by content and count what it compiles; call it once a process."""
    for implementation in (caching.CompileResultCacheImpl, caching.CodeLibraryCacheImpl):
        locators = getattr(implementation, "_locator_classes", None)
        if locators is not None and _Locator is not object:
            implementation._locator_classes = [SourceHashLocator, *locators]
    event.register("numba:compile", _Listener(count))
