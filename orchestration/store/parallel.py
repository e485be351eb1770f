"""Many small requests at once where each is a way over the network; one after the other on local files."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from clusters.storage.contract import Storage

T = TypeVar("T")
U = TypeVar("U")

_THREADS: Final = 16


def each(storage: Storage, items: Collection[T], call: Callable[[T], U]) -> list[U]:
    """Return what a call gives for each item, in their order."""
    if not storage.is_remote or len(items) < 2:
        return [call(item) for item in items]
    with ThreadPoolExecutor(min(_THREADS, len(items))) as pool:
        return list(pool.map(call, items))


def both(storage: Storage, first: Callable[[], T], second: Callable[[], U]) -> tuple[T, U]:
    """Return what two calls give."""
    if not storage.is_remote:
        return first(), second()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(second)
        return first(), other.result()
