"""Compiled kernels: Numba functions whose machine code is cached under the hash of their sources.

Numba's own disk cache is keyed on the path and modification time of a source file, so a resubmitted working directory would
compile again, and it does not notice a change in another file that a kernel calls. Here the cache folder of a kernel is named
by the hash of its module's source and of every module of ours which that one imports, directly or not; path and time play no
part. Numba itself adds its version, the processor and the argument types. One process compiles at a time, under a file lock,
so that the workers of a node do not all compile the same.

Kernels are never `parallel` nor `fastmath`, and release the GIL: threads of the loader run them side by side.

Each kernel module lists its warm-up calls in `WARM_UP`: functions without arguments that run its kernels on tiny images with the
argument types used in production. Whoever needs a kernel soon (a treatment that is being built, a worker that starts) hands them
to `warm`; where the machine code is on disk already this only loads it.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from augment.kernels.sources import cache_root


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

    Numba compiles a kernel again for arrays that cannot be written to (memory-mapped files): kernels that only read an argument
    get it in this form always, so that one compilation serves.
    """
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


WarmUp = Callable[[], None]
_warmed: set[WarmUp] = set()


def warm(calls: Iterable[WarmUp]) -> None:
    """Run warm-up calls, entries of the `WARM_UP` of kernel modules; those that this process has run before cost nothing."""
    waiting = [call for call in dict.fromkeys(calls) if call not in _warmed]
    if waiting:
        with compile_lock():
            for call in waiting:
                call()
                _warmed.add(call)


def compile_lock() -> FileLock:
    """Return the lock under which one process of a machine compiles, so that no two compile the same."""
    return FileLock(cache_root() / ".lock")


def warm_ups_of(functions: Iterable[Callable[..., Any]]) -> tuple[WarmUp, ...]:
    """Return the warm-up calls in the files of some functions, each once; a file without kernels has none."""
    files = dict.fromkeys(sys.modules[function.__module__] for function in functions)
    return tuple(dict.fromkeys(call for file in files for call in getattr(file, "WARM_UP", ())))


def num_compiled() -> int:
    """Return how many kernels this process had to compile (those loaded from the cache do not count)."""
    return len(_compiled)


_compiled: list[str] = []
"""Modules of the kernels that were compiled, one entry a kernel."""


_is_announced = False


def compile_silently() -> None:
    """From now on, write no line on stderr that says that kernels are compiled."""
    global _is_announced
    _is_announced = True


def _note_compilation(module: str) -> None:
    if not _is_announced:
        compile_silently()  # one line is enough
        sys.stderr.write(f"compiling kernels for this processor, once (kept in {cache_root()}) ...\n")
        sys.stderr.flush()
    _compiled.append(module)


@functools.cache
def _numba() -> Any:
    """Return Numba, which from now on finds machine code by content and reports what it compiles."""
    from augment.kernels import numba_cache  # derives from classes of Numba, which costs a light command half a second

    numba_cache.install(_note_compilation)
    return numba_cache.numba
