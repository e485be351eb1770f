"""Long lists of a record that are read only when somebody looks: fine rows and epochs, which a table does not need.

A list is cut out of the record's text before the rest is parsed. The place is known, since records are written in one order; were
a cut ever wrong, the rest would be no JSON, and the whole text is parsed instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

from orchestration.store.errors import CorruptRecordError
from orchestration.store.format.plain import from_json

T = TypeVar("T")


class LazyList(Sequence[T], Generic[T]):
    """A sequence that is made when first looked at; equal to the tuple of its items, and pickled as that.

    Args:
        make: Returns the items.
    """

    __slots__ = ("_items", "_make")

    def __init__(self, make: Callable[[], tuple[T, ...]]) -> None:
        self._make = make
        self._items: tuple[T, ...] | None = None

    @property
    def items(self) -> tuple[T, ...]:
        """The items."""
        if self._items is None:
            self._items = self._make()
        return self._items

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, LazyList):
            return self.items == other.items
        return isinstance(other, tuple | list) and self.items == tuple(other)

    def __hash__(self) -> int:
        return hash(self.items)

    def __repr__(self) -> str:
        return repr(self.items)

    def __reduce__(self) -> tuple[type[tuple[T, ...]], tuple[tuple[T, ...]]]:
        return tuple, (self.items,)


def without_list(text: bytes, name: str, following: str) -> tuple[dict[str, Any], bytes] | None:
    """Return a record's body with one of its lists left empty, and the text of that list; None where it cannot be cut out.

    Args:
        text: Compact JSON of the body.
        name: Field of the list.
        following: Field that is written after it.
    """
    opening, closing = f'"{name}":['.encode(), f'],"{following}":'.encode()
    start = text.find(opening)
    end = text.find(closing, start)
    if start < 0 or end < 0:
        return None
    start += len(opening)
    try:
        body = from_json(text[:start] + text[end:], "")
    except CorruptRecordError:
        return None
    is_whole = isinstance(body, dict) and body.get(name) == [] and following in body
    return (body, text[start - 1 : end + 1]) if is_whole else None
