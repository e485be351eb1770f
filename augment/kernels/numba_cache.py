"""Where Numba keeps the machine code of our kernels; imported with Numba, at the first call of a kernel.

Numba has no public way to place a cache by content or to verify it, so its private names are used here and nowhere else: without
them kernels compile all the same, and their machine code is kept where Numba keeps it by itself (by path and modification time).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import numba as numba
from blake3 import blake3
from filelock import FileLock
from numba.core import caching, event

from augment.kernels.sources import cache_root, is_ours, path_of, sources_hash

_Locator: Any = getattr(caching, "_CacheLocator", object)
_Files: Any = getattr(caching, "IndexDataCacheFile", object)
_SEAL_BYTES: Final = blake3.digest_size


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
        """Return what distinguishes two functions of one name."""
        return hashlib.sha256(self._name.encode()).hexdigest()[:10]

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> SourceHashLocator | None:
        """Claim functions of our packages; return None for others and where the folder cannot be written."""
        if not is_ours(py_func.__module__) or path_of(py_func.__module__) is None:
            return None
        locator = cls(py_func, py_file)
        try:
            locator.ensure_cache_path()
        except OSError:
            return None
        return locator


class SealedFiles(_Files):  # type: ignore[misc]
    """The index and object files of a kernel, each with its BLAKE3 at its end: one that has changed since is compiled again.

    Readers of pickles stop before the seal. Files in other folders, of kernels that are not ours, are left to Numba.
    """

    def save(self, key: Any, data: Any) -> None:
        """Save machine code, one process after the other.

        Numba reads the index, chooses a file name that is not in it and writes both: two processes at once could give one name to
        two specialisations, and a third would run the one for the other.
        """
        if not self._is_ours():
            super().save(key, data)
            return
        with FileLock(cache_root() / ".saving"):
            super().save(key, data)

    def _load_index(self) -> Any:
        return super()._load_index() if self._is_whole(self._index_path) else {}

    def _load_data(self, name: str) -> Any:
        if not self._is_whole(self._data_path(name)):
            raise OSError(f"{self._data_path(name)} has changed since it was written")  # Numba compiles again
        return super()._load_data(name)

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[IO[bytes]]:
        with super()._open_for_write(filepath) as file:
            if not self._is_ours():
                yield file
                return
            buffer = io.BytesIO()
            yield buffer
            file.write(buffer.getvalue() + blake3(buffer.getvalue()).digest())

    def _is_whole(self, path: str) -> bool:
        if not self._is_ours() or not Path(path).exists():
            return True
        data = Path(path).read_bytes()
        return data[-_SEAL_BYTES:] == blake3(data[:-_SEAL_BYTES]).digest()

    def _is_ours(self) -> bool:
        return Path(self._cache_path).is_relative_to(cache_root())


class _Listener(event.Listener):  # type: ignore[misc]
    def __init__(self, on_compilation: Callable[[str], None]) -> None:
        self._on_compilation = on_compilation

    def on_start(self, event: Any) -> None:
        module = event.data["dispatcher"].py_func.__module__
        if is_ours(module):
            self._on_compilation(module)

    def on_end(self, event: Any) -> None:
        pass  # abstract in Numba: only the start of a compilation counts


def install(on_compilation: Callable[[str], None]) -> None:
    """Have Numba place machine code by content, and call a function with the module of each kernel of ours that it compiles."""
    for implementation in (caching.CompileResultCacheImpl, caching.CodeLibraryCacheImpl):
        locators = getattr(implementation, "_locator_classes", None)
        if locators is not None and _Locator is not object:
            implementation._locator_classes = [SourceHashLocator, *locators]
    if _Files is not object:
        caching.IndexDataCacheFile = SealedFiles
    event.register("numba:compile", _Listener(on_compilation))
