"""Kinds of things that are looked up by name: the built-in ones, then what installed packages add through entry points. Light."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Generic, Protocol, TypeVar

from augment.lookup.parameters import cut, nearest
from augment.lookup.plugin_code import code_of

T = TypeVar("T")


class Versioned(Protocol):
    """A description with a semantics version, and for a plug-in what identifies its code."""

    @property
    def semantics(self) -> int: ...

    @property
    def code(self) -> Mapping[str, str] | None: ...


def versioned(described: Versioned) -> int | dict[str, object]:
    """Return a description's version in keys: its semantics, and for a plug-in its code too."""
    if described.code is None:
        return described.semantics
    return {"semantics": described.semantics, **described.code}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """A kind of thing that is looked up by name.

    Attributes:
        what: What one is called in messages: "mixing set".
        group: Group of entry points, each of which names a description, or a function without arguments that returns one.
        type: Dataclass of the descriptions. A field `name` is the name that counts; a field `code` is filled in with what
            identifies the code of a plug-in.
        builtin: The built-in ones by name.
        is_pattern: Whether a name is one of a family of built-in ones ("wrn-40-6"), which no package may take either.
        error: Makes the exception of the package.
    """

    what: str
    group: str
    type: type[T]
    builtin: Mapping[str, T]
    error: Callable[[str], Exception]
    is_pattern: Callable[[str], bool] = lambda name: False

    def find(self, name: str, *, where: str = "") -> T:
        """Return the thing of a name; `where` is added to the name in the message.

        Raises:
            Exception: The package's: if there is none, with the nearest name; or as `added`.
        """
        if name in self.builtin:
            return self.builtin[name]
        added = self.added()
        if name in added:
            return added[name]
        raise self.error(f"unknown {self.what} {cut(name)}{where}{nearest(name, [*self.builtin, *added])}")

    def added(self) -> dict[str, T]:
        """Return what installed packages add, by the name that each description bears.

        Raises:
            Exception: The package's: if an entry point cannot be loaded, is of another type, or bears a name that is taken.
        """
        found: dict[str, T] = {}
        for point in metadata.entry_points(group=self.group):
            value = self._loaded(point)
            name = str(getattr(value, "name", point.name))
            if name in self.builtin or name in found or self.is_pattern(name):
                raise self.error(
                    f"the name {name!r} of entry point {point.name!r} of {self.group} ({point.value}) is taken; rename it there"
                )
            if any(field.name == "code" for field in dataclasses.fields(value)):  # type: ignore[arg-type]
                value = dataclasses.replace(value, code=code_of(point, value, self.error))  # type: ignore[type-var]
            found[name] = value
        return found

    def _loaded(self, point: Any) -> T:
        try:
            value = point.load()
            made = value() if not isinstance(value, self.type) and callable(value) else value
        except Exception as fault:  # code of others may fail in any way; the message says whose it is
            raise self.error(
                f"entry point {point.name!r} of {self.group} ({point.value}) cannot be loaded: {type(fault).__name__}: {fault}; "
                "repair or uninstall that package"
            ) from fault
        if not isinstance(made, self.type):
            raise self.error(
                f"entry point {point.name!r} of {self.group} must name a {self.type.__name__}, but is {type(made).__name__}; "
                "correct it there"
            )
        return made
