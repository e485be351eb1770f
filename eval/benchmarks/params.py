"""Plain values to typed parameters: how a benchmark's parameters come from a sweep file and go into a key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from fractions import Fraction
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from eval.errors import EvalError


def build_config(config: type, params: Mapping[str, object], *, owner: str) -> Any:
    """Return a parameter object from plain values.

    Numbers may be written as fractions ("2/255"), sequences as lists.

    Args:
        config: Frozen dataclass whose fields are scalars, tuples of scalars, literals, or optional ones of these.
        params: Field -> plain value; left-out fields keep their defaults.
        owner: What the parameters belong to, for messages ("benchmark 'pgd'").

    Raises:
        EvalError: If a field is unknown or lacking, or a value does not fit; all mistakes at once.
    """
    hints = get_type_hints(config)
    known = {field.name: field for field in fields(config)}
    mistakes = [f"unknown parameter {name!r} of {owner}{nearest(name, known)}" for name in params if name not in known]
    required = [name for name, each in known.items() if each.default is MISSING and each.default_factory is MISSING]
    mistakes += [f"parameter {name!r} of {owner} must be given" for name in required if name not in params]
    values: dict[str, object] = {}
    for name in known.keys() & params.keys():
        try:
            values[name] = _coerce(params[name], hints[name])
        except (ValueError, TypeError, ZeroDivisionError):
            mistakes.append(f"parameter {name!r} of {owner} must be {_spelled(hints[name])}, but got {params[name]!r}")
    if mistakes:
        raise EvalError("; ".join(mistakes))
    try:
        return config(**values)
    except ValueError as error:
        raise EvalError(f"{owner}: {error}") from error


def plain_values(config: Any) -> dict[str, object]:
    """Return every field of a parameter object as plain values (tuples become lists), in the order of the fields."""
    return {field.name: _plain(getattr(config, field.name)) for field in fields(config)}


def nearest(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean ...?); known: ..." for a name that is not known."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{hint}; known: {', '.join(names)}"


def _plain(value: object) -> object:
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _coerce(value: object, hint: Any) -> object:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _coerce_optional(value, arguments)
    if origin is Literal:
        if value not in arguments:
            raise ValueError(value)
        return value
    if origin is tuple:
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise TypeError(value)
        return tuple(_coerce(each, arguments[0]) for each in value)
    return _coerce_scalar(value, hint)


def _coerce_optional(value: object, arguments: tuple[Any, ...]) -> object:
    if value is None and type(None) in arguments:
        return None
    inner = [argument for argument in arguments if argument is not type(None)]
    return _coerce(value, inner[0])


def _coerce_scalar(value: object, hint: Any) -> object:
    if hint is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        return float(Fraction(value)) if isinstance(value, str) else float(value)
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value) is not hint:
        raise TypeError(value)
    return value


def _spelled(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join("none" if argument is type(None) else _spelled(argument) for argument in arguments)
    if origin is Literal:
        return "one of " + ", ".join(map(repr, arguments))
    if origin is tuple:
        return f"a list of {_spelled(arguments[0])}"
    return {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}.get(hint, str(hint))
