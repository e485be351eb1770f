"""Compiled kernels: Numba functions whose machine code is cached under the hash of their sources.

Numba's own disk cache is keyed on the path and modification time of a source file, so a resubmitted working directory would
compile again, and it does not notice a change in another file that a kernel calls. Here the cache folder of a kernel is named
by the hash of its module's source and of every module of ours which that one imports, directly or not; path and time play no
part. Numba itself adds its version, the processor and the argument types. One process compiles at a time, under a file lock
(`augment.kernels.warm`), so that the workers of a node do not all compile the same.

Kernels are never `parallel` nor `fastmath`, and release the GIL: threads of the loader run them side by side.
"""

from __future__ import annotations

import ast
import fcntl
import functools
import hashlib
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

KERNEL_PACKAGES: Final = ("augment", "eval", "benchmarks")
CACHE_VARIABLE: Final = "DREAMGRID_KERNEL_CACHE"
TOP: Final = Path(__file__).resolve().parents[2]


class Kernel:
    """A function that Numba compiles for the types of its first call; Numba itself is imported at that call.

    So that kernels may be imported at the top of any module: importing Numba costs a light command half a second.
    """

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        self._function = function
        self._options = options
        self._dispatcher: Any = None
        functools.update_wrapper(self, function)

    def __call__(self, *arguments: Any) -> Any:
        """Call the compiled function."""
        return (self._dispatcher or self.dispatcher())(*arguments)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of Numba's dispatcher, as `py_func`."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.dispatcher(), name)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        """Pickle by name."""
        return _kernel_named, (self._function.__module__, self._function.__qualname__)

    def dispatcher(self) -> Any:
        """Return Numba's dispatcher of the function.

        Numba looks up the kernels that a kernel calls among the names of its module, and knows dispatchers only: so each of
        these names is bound to its dispatcher first.
        """
        if self._dispatcher is None:
            numba = _numba()
            is_inlined = self._options.get("inline") == "always"  # into its callers: has no machine code of its own
            fixed = {} if is_inlined else {"nogil": True, "cache": True}
            self._dispatcher = numba.njit(**fixed, **self._options)(self._function)
            names = self._function.__globals__
            for name, value in list(names.items()):
                if isinstance(value, Kernel):
                    names[name] = value.dispatcher()
        return self._dispatcher


def _kernel_named(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


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
    return lambda function: Kernel(function, options)


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
    return frozenset(name for name in found if name.partition(".")[0] in KERNEL_PACKAGES and path_of(name))


@functools.cache
def _source_of(module: str) -> bytes:
    path = path_of(module)
    if path is None:  # a kernel typed at a prompt or run as a script: nothing on disk names its version
        return b""
    return path.read_bytes()


def path_of(module: str) -> Path | None:
    """Return the file of a module of ours, or None where there is none."""
    stem = TOP.joinpath(*module.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


class CompilationCount:
    """Counts kernels that had to be compiled in this process and tells the user of the first one."""

    def __init__(self) -> None:
        self.compiled = 0
        self.tell: Callable[[str], None] = _write_to_stderr

    def add(self, module: str) -> None:
        """Count a function that Numba compiles, if it is one of ours."""
        if module.partition(".")[0] not in KERNEL_PACKAGES:
            return
        if self.compiled == 0:
            self.tell(f"compiling kernels for this processor, once (kept in {cache_root()}) ...")
        self.compiled += 1


def _write_to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def tell_compilation_by(tell: Callable[[str], None]) -> None:
    """Say by this function, instead of on stderr, that kernels are being compiled."""
    _COUNT.tell = tell


def num_compiled() -> int:
    """Return how many kernels this process had to compile (those loaded from the cache do not count)."""
    return _COUNT.compiled


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


@functools.cache
def _numba() -> Any:
    """Return Numba, which from now on finds machine code by content and counts what it compiles."""
    import numba

    from augment.kernels.numba_cache import install

    install(_COUNT)
    return numba


_COUNT: Final = CompilationCount()
