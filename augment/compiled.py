"""Compiled kernels: Numba functions whose machine code is cached under the hash of their sources.

Numba's own disk cache is keyed on the path and modification time of a source file, so a resubmitted working directory would
compile again, and it does not notice a change in another file that a kernel calls. Here the cache folder of a kernel is named
by the hash of its module's source and of every module of ours which that one imports, directly or not; path and time play no
part. Numba itself adds its version, the processor and the argument types. One process compiles at a time, under a file lock
(`augment.warm`), so that the workers of a node do not all compile the same.

Kernels are never `parallel` nor `fastmath`, and release the GIL: threads of the loader run them side by side.
"""

from __future__ import annotations

import ast
import fcntl
import functools
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numba
import numpy as np
from numba.core import caching, event

if TYPE_CHECKING:
    from numpy.typing import NDArray

KERNEL_PACKAGES: Final = ("augment", "eval", "benchmarks")
CACHE_VARIABLE: Final = "DREAMGRID_KERNEL_CACHE"
TOP: Final = Path(__file__).resolve().parent.parent


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function with Numba on first use, from the disk cache where that is possible.

    Args:
        **options: Options of `numba.njit`; `cache`, `nogil`, `parallel` and `fastmath` are fixed. Division follows NumPy unless
            `error_model` says otherwise: a check for zero would keep its loop from being vectorised.

    Raises:
        ValueError: If a fixed option is given.
    """
    options.setdefault("error_model", "numpy")
    fixed = {"cache", "nogil", "parallel", "fastmath"} & options.keys()
    if fixed:
        raise ValueError(f"kernel options {sorted(fixed)} are fixed for all kernels; leave them out")

    def compile_lazily(function: Callable[..., Any]) -> Callable[..., Any]:
        if options.get("inline") == "always":  # inlined into its callers: has no machine code of its own
            inlined: Callable[..., Any] = numba.njit(**options)(function)
            return inlined
        dispatcher: Callable[..., Any] = numba.njit(nogil=True, cache=True, **options)(function)
        return dispatcher

    return compile_lazily


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a contiguous read-only view of an array, or of a copy where it is not contiguous.

    Numba compiles a kernel anew for arrays that cannot be written to (memory-mapped files): kernels that only read an argument
    get it in this form always, so that one compilation serves.
    """
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def cache_root() -> Path:
    """Return the folder that holds all machine code and the lock (it may not exist yet)."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "dreamgrid" / "kernels")


@functools.cache
def sources_hash(module: str) -> str:
    """Return a hash of the source of a module of ours and of all our modules that it imports, directly or not."""
    digest = hashlib.sha256()
    for name in sorted(_reach(module)):
        digest.update(name.encode() + b"\0" + _source_of(name) + b"\0")
    return digest.hexdigest()[:16]


def _reach(module: str) -> set[str]:
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(_imports_of(name))
    return seen


@functools.cache
def _imports_of(module: str) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(_source_of(module))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(name for name in found if name.partition(".")[0] in KERNEL_PACKAGES and _path_of(name))


@functools.cache
def _source_of(module: str) -> bytes:
    path = _path_of(module)
    if path is None:  # a kernel typed at a prompt or run as a script: nothing on disk names its version
        return b""
    return path.read_bytes()


def _path_of(module: str) -> Path | None:
    stem = TOP.joinpath(*module.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


class _SourceHashLocator(caching._CacheLocator):  # type: ignore[misc]
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
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _SourceHashLocator | None:
        """Claim functions of our packages; return None for others and where the folder cannot be written."""
        module = py_func.__module__
        if module.partition(".")[0] not in KERNEL_PACKAGES or _path_of(module) is None:
            return None
        locator = cls(py_func, py_file)
        try:
            locator.ensure_cache_path()
        except OSError:
            return None
        return locator


class _CompileTeller(event.Listener):  # type: ignore[misc]
    """Counts kernels that had to be compiled in this process and tells the user of the first one."""

    def __init__(self) -> None:
        self.compiled = 0
        self.tell: Callable[[str], None] = _write_to_stderr

    def on_start(self, event: Any) -> None:
        """Count one of our kernels."""
        module = event.data["dispatcher"].py_func.__module__
        if module.partition(".")[0] not in KERNEL_PACKAGES:
            return
        if self.compiled == 0:
            self.tell(f"compiling kernels for this processor, once (kept in {cache_root()}) ...")
        self.compiled += 1

    def on_end(self, event: Any) -> None:
        """Do nothing: the end of a compilation is no news."""


def _write_to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def tell_compilation_by(tell: Callable[[str], None]) -> None:
    """Say by this function, instead of on stderr, that kernels are being compiled."""
    _teller.tell = tell


def num_compiled() -> int:
    """Return how many kernels this process had to compile (those loaded from the cache do not count)."""
    return _teller.compiled


@contextmanager
def compile_lock() -> Iterator[float]:
    """Hold the node-wide lock on compilation; yields the seconds that were spent waiting for it."""
    folder = cache_root()
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with (folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield time.monotonic() - started
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)


def _install() -> _CompileTeller:
    for implementation in (caching.CompileResultCacheImpl, caching.CodeLibraryCacheImpl):
        if _SourceHashLocator not in implementation._locator_classes:
            implementation._locator_classes = [_SourceHashLocator, *implementation._locator_classes]
    teller = _CompileTeller()
    event.register("numba:compile", teller)
    return teller


_teller: Final = _install()
