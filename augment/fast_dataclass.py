"""`dataclass` as the standard library's, made in a quarter of the time if it is frozen and has slots.

The standard decorator compiles six methods for each class on import; for the eighty classes of a light verb that was a fifth
of its time. Here five of them are shared functions, and `__init__` is compiled when the first value is made. Modules that
light verbs import take their decorator from here; any other choice of options is passed on to the standard library.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

__all__ = ["dataclass"]

_LIGHT: Final = {"frozen": True, "slots": True}
_LIGHT_KEYWORDS: Final = {**_LIGHT, "kw_only": True}
_MISSING: Final = dataclasses.MISSING


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, **options: bool) -> Any:
        """Make a dataclass; see the standard library's for the options and for what is made."""
        if cls is None and options in (_LIGHT, _LIGHT_KEYWORDS):
            return partial(_light, kw_only="kw_only" in options)
        return dataclasses.dataclass(cls, **options)


def _light(plain: type, *, kw_only: bool) -> Any:
    """Return the frozen dataclass with slots that `plain` describes."""
    # Only the standard decorator may extend a class that it knows as frozen: such a class gets two methods of its own more.
    extends = any(dataclasses.is_dataclass(base) for base in plain.__mro__[1:])
    cls: Any = dataclasses.dataclass(slots=True, kw_only=kw_only, init=False, repr=False, eq=False, frozen=extends)(
        plain
    )
    for option in ("init", "repr", "eq", "frozen"):
        setattr(cls.__dataclass_params__, option, True)
    compared = [field.name for field in dataclasses.fields(cls) if field.compare]
    cls.__compared__ = attrgetter(*compared) if compared else _nothing
    own = vars(cls)
    for name, method in _SHARED.items():
        if own.get(name) is None:
            setattr(cls, name, method)
    if "__init__" not in own:
        cls.__init__ = _init_on_demand(cls)
    return cls


def _init_on_demand(cls: Any) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **values: Any) -> None:
        cls.__init__ = _compiled_init(cls)
        cls.__init__(self, *args, **values)

    return __init__


def _compiled_init(cls: Any) -> Callable[..., None]:
    """Return the method that takes each field as a keyword, as the standard decorator writes it."""
    scope: dict[str, Any] = {"_set": object.__setattr__, "_missing": _MISSING}
    parameters: list[str] = []
    keywords: list[str] = []
    body: list[str] = []
    for field in dataclasses.fields(cls):
        name, value = field.name, field.name
        if field.default is not _MISSING:
            scope[f"_default_{name}"] = field.default
            parameter = f"{name}=_default_{name}"
        elif field.default_factory is not _MISSING:
            scope[f"_make_{name}"] = field.default_factory
            parameter = f"{name}=_missing"
            value = f"_make_{name}() if {name} is _missing else {name}"
        else:
            parameter = name
        (keywords if field.kw_only else parameters).append(parameter)
        body.append(f"_set(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    head = ", ".join(["self", *parameters, *(["*", *keywords] if keywords else [])])
    exec(f"def __init__({head}):\n    " + "\n    ".join(body or ["pass"]), scope)
    method: Callable[..., None] = scope["__init__"]
    method.__qualname__ = f"{cls.__qualname__}.__init__"
    return method


def _nothing(value: object) -> tuple[()]:
    return ()


def _repr(self: Any) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    values = self.__class__.__compared__
    return values(self) == values(other)


def _hash(self: Any) -> int:
    return hash(self.__class__.__compared__(self))


def _setattr(self: object, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(self: object, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _setstate(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


_SHARED: Final[dict[str, Callable[..., Any]]] = {
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
    "__getstate__": _getstate,
    "__setstate__": _setstate,
}
