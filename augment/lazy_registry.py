"""A registry whose entries stand in several files, each imported when one of its entries is asked for.

A plan of three methods should not pay for the hyper-parameters of twenty: frozen dataclasses are the largest part of what a light
command spends.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Generic, Protocol, TypeVar


class Named(Protocol):
    """An entry knows its name."""

    @property
    def name(self) -> str:
        """Key of the entry."""


Entry = TypeVar("Entry", bound=Named)


class LazyRegistry(Mapping[str, Entry], Generic[Entry]):
    """Entries by name, in the order of the names given.

    Args:
        kind: Class of the entries.
        files: Name -> module whose tuple `ENTRIES` holds the entry of that name.
    """

    def __init__(self, kind: type[Entry], files: Mapping[str, str]) -> None:
        self._kind = kind
        self._files = dict(files)
        self._loaded: dict[str, Entry] = {}

    def __getitem__(self, name: str) -> Entry:
        if name not in self._loaded:
            entries = importlib.import_module(self._files[name]).ENTRIES
            self._loaded |= {entry.name: entry for entry in entries if isinstance(entry, self._kind)}
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, name: object) -> bool:
        return name in self._files
