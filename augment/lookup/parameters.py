"""Plain values (YAML, JSON, the command line) to the typed fields of a dataclass, and the nearest known name for a wrong one.

The one copy for all kinds of things: methods, mixing sets, benchmarks, recipes. Light to import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from fractions import Fraction
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from augment.lookup.key_spellings import today

NAMES_SHOWN: Final = 30
SPELLED: Final[Mapping[Any, str]] = {
    int: "a whole number", float: "a number", str: "a text", bool: "true or false", NoneType: "null",
}  # fmt: skip

NO_FIT: Final = (ValueError, TypeError, ArithmeticError)
"""What `coerce` raises: of "1/0" a ZeroDivisionError, of "1e400" an OverflowError."""

PLURALS: Final[Mapping[Any, str]] = {int: "whole numbers", float: "numbers", str: "texts"}


MOST: Final = 10**9
"""What no option of a number exceeds, in either direction, unless it says less: nothing has a billion steps or images."""
_SHOWN: Final = 200
"""Letters of a value that a message shows."""


@dataclass(frozen=True, slots=True)
class AtMost:
    """The largest value of an option that costs memory or time, next to its type: `hidden: Annotated[int, AtMost(1024)] = 20`."""

    value: float


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" with the nearest known name, or "" where none is near; a renamed one is named."""
    renamed = today(name)
    if renamed is not None:
        return f" (it is now {renamed!r})"
    names = list(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5) or get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?); known: ..." for an unknown name, with at most 30 known names."""
    names = sorted(known)
    shown = ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
    return f"{did_you_mean(name, names)}; known: {shown or 'none'}"


def typed_values(
    config: type,
    given: Mapping[str, object],
    *,
    of: str = "",
    what: str = "parameter",
    error: Callable[[str], Exception] = ValueError,
    is_whole: bool = False,
) -> dict[str, Any]:
    """Return plain values as the types of a dataclass's fields.

    Whole numbers given for fractional fields become fractions, so that equal settings are equal; numbers may be written as
    fractions ("2/255"), and tuples as lists.

    Args:
        config: Dataclass whose fields are scalars, tuples of scalars, literals, or unions of these.
        given: Field -> plain value.
        of: What the fields belong to, for messages ("benchmark 'pgd'").
        error: Makes the exception of the calling package.
        is_whole: Whether every field without a default must be given.

    Raises:
        Exception: The caller's, if a field is unknown or lacking or a value does not fit; all mistakes at once.
    """
    hints, owner = _hints(config), f" of {of}" if of else ""
    lacking = [name for name in _required(config) if name not in given] if is_whole else []
    mistakes, values = [f"{what} {name!r}{owner} must be given" for name in lacking], {}
    for name, value in given.items():
        if name not in hints:
            mistakes.append(f"unknown {what} {name!r}{owner}{nearest(name, hints)}")
            continue
        try:
            values[name] = coerce(value, hints[name])
        except NO_FIT:
            rule = f"{name}{owner} must be {spelled(hints[name])}{_bound_of(value, hints[name])}"
            mistakes.append(f"{rule}, but got {cut(value)}{_fix(value, hints[name])}")
    if mistakes:
        raise error("; ".join(mistakes))
    return values


def build_config(
    config: type,
    given: Mapping[str, object],
    *,
    of: str,
    what: str = "parameter",
    error: Callable[[str], Exception] = ValueError,
) -> Any:
    """Return a dataclass made of plain values; left-out fields keep their defaults. Arguments as for `typed_values`.

    Raises:
        Exception: The caller's, if a field is unknown or lacking, a value does not fit, or the dataclass refuses it.
    """
    values = typed_values(config, given, of=of, what=what, error=error, is_whole=True)
    try:
        return config(**values)
    except ValueError as fault:
        raise error(f"{of}: {fault}") from fault


def field_names(config: type) -> tuple[str, ...]:
    """Return the names of a dataclass's fields; none of another class, such as the configuration of a compound."""
    return tuple(getattr(config, "__dataclass_fields__", {}))


def coerce(value: object, hint: Any) -> Any:
    """Return a plain value as a type.

    Raises:
        ValueError: If it does not fit.
        TypeError: If it does not fit.
        ArithmeticError: If it is written as a number that there is not, such as "1/0", or that is too large, such as "1e400".
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin is Annotated:
        return _bounded(coerce(value, arguments[0]), _largest(arguments))
    if origin in (Union, UnionType):
        return _first_that_fits(value, arguments)
    if origin is Literal:
        if not any(value == choice and type(value) is type(choice) for choice in arguments):
            raise ValueError(value)
        return value
    if origin is tuple:
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise TypeError(value)
        given = tuple(value)
        each = arguments[:1] * len(given) if arguments[-1] is Ellipsis else arguments
        return tuple(coerce(one, its) for one, its in zip(given, each, strict=True))
    if hint is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        return _bounded(float(Fraction(value)) if isinstance(value, str) else float(value), MOST)
    if hint is int and isinstance(value, float) and value.is_integer():
        return _bounded(int(value), MOST)
    if type(value) is not hint:
        raise TypeError(value)
    return _bounded(value, MOST) if hint is int else value


def _bounded(value: Any, largest: float) -> Any:
    """Return a number, or numbers, that are within a bound."""
    for each in value if isinstance(value, tuple) else (value,):
        if isinstance(each, int | float) and not -MOST <= each <= largest:
            raise ValueError(f"at most {largest:,}")
    return value


def _largest(arguments: tuple[Any, ...]) -> float:
    return min((each.value for each in arguments if isinstance(each, AtMost)), default=MOST)


def spelled(hint: Any) -> str:
    """Return a type in words: "a whole number or null", "one of 'l2', 'linf'", "a list of numbers"."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return spelled(arguments[0])
    if origin in (Union, UnionType):
        return " or ".join(map(spelled, arguments))
    if origin is Literal:
        return "one of " + ", ".join(map(repr, arguments))
    if origin is tuple:
        return f"a list of {PLURALS.get(arguments[0], spelled(arguments[0]))}"
    return SPELLED.get(hint, str(hint))


def _bound_of(value: object, hint: Any) -> str:
    """Return the bound that a number breaks, as the end of "must be a number", or "" for other values."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > _largest(get_args(hint)):
        return f" of at least -{MOST:,}" if isinstance(value, int | float) and value < -MOST else ""
    return f" of at most {_largest(get_args(hint)):,}"


def cut(value: object) -> str:
    """Return a value as a message shows it: its first letters."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of thousands of digits
        text = "a number with thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def reason_of(error: BaseException) -> str:
    """Return what an error of a library says as a message shows it: in one line, its first letters."""
    return " ".join(str(error).split())[:_SHOWN]


def first_line(text: object) -> str:
    """Return the first line with letters in it of what a library says, or nothing where it says nothing."""
    return next((line.strip() for line in str(text).splitlines() if line.strip()), "")


def _fix(value: object, hint: Any) -> str:
    if get_origin(hint) is tuple and isinstance(value, int | float | str) and value != "":
        return f"; write [{value}]" if _fits([value], hint) else ""
    if get_origin(hint) is Literal and isinstance(value, str):
        return did_you_mean(value, map(str, get_args(hint)))
    return ""


def _fits(value: object, hint: Any) -> bool:
    try:
        coerce(value, hint)
    except NO_FIT:
        return False
    return True


def _first_that_fits(value: object, hints: tuple[Any, ...]) -> Any:
    if type(value) in hints:  # so that the text "1/2" for `float | str` stays a text, and 1 for `float | int` whole
        return coerce(value, type(value))
    for hint in hints:
        try:
            return coerce(value, hint)
        except NO_FIT:
            continue
    raise TypeError(value)


@cache
def _hints(config: type) -> dict[str, Any]:
    hints = get_type_hints(config, include_extras=True)
    return {field.name: hints[field.name] for field in fields(config)}


@cache
def _required(config: type) -> tuple[str, ...]:
    return tuple(
        each.name
        for each in fields(config)
        if each.default is MISSING and each.default_factory is MISSING and each.init
    )
