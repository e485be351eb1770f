"""What the generated pages share: tables of Markdown, and the parameters of a dataclass with their descriptions."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from fractions import Fraction
from typing import Any, Final, get_args, get_type_hints

from augment.lookup.parameters import AtMost, spelled

GENERATED: Final = "This page is generated from the code by `python -m benchmarks.pages`."
_PARAMETERS: Final = ("parameter", "takes", "default", "meaning")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; bars inside of entries are escaped."""
    lines = [[*head], ["---"] * len(head), *([_entry(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _entry(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ").strip()


def code(text: object) -> str:
    """Return a text as code; "" stays empty."""
    return f"`{text}`" if str(text) else ""


def names(given: Iterable[str]) -> str:
    """Return names as code, with commas."""
    return ", ".join(code(name) for name in given)


def value_text(value: object) -> str:
    """Return a value as a sweep file has it: null, true, a list in brackets; floats in at most four digits."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(value_text, value))}]"
    return str(value)


def _number(value: float) -> str:
    """Return a number in four digits where these are all of it, else as a fraction of small numbers: 2/255, 1/3."""
    fraction = Fraction(value).limit_denominator(1000)
    is_exact = float(f"{value:.4g}") != value and float(fraction) == value
    return str(fraction) if is_exact else f"{value:.4g}"


def prose(text: str) -> str:
    """Return a description of the code as Markdown of one line: marks of it are escaped outside of code; None is null."""
    parts = " ".join(text.split()).split("`")
    parts[::2] = [re.sub(r"([*<\\])", r"\\\1", re.sub(r"\bNone\b", "null", part)) for part in parts[::2]]
    return "`".join(parts)


def described_fields(config: type) -> dict[str, str]:
    """Return field -> description, from the part "Attributes:" of a dataclass's docstring and of those that it inherits."""
    found: dict[str, str] = {}
    for each in reversed(config.__mro__):
        _, _, part = (inspect.cleandoc(each.__doc__) if each.__doc__ else "").partition("\nAttributes:\n")
        entries = re.split(r"^    (?=\w+: )", part.split("\n\n")[0], flags=re.MULTILINE)[1:]
        for entry in entries:
            name, _, text = entry.partition(": ")
            found[name] = " ".join(text.split())
    return found


def parameter_table(config: type, *, hidden: Iterable[str] = (), rules: Mapping[str, str] | None = None) -> str:
    """Return the table of a dataclass's fields: what each takes, its default and its meaning; or that there are none.

    Args:
        config: A dataclass whose docstring describes its fields.
        hidden: Fields that are left out.
        rules: Field -> the rule of its values, as the end of "must ...".
    """
    hints, texts = get_type_hints(config, include_extras=True), described_fields(config)
    left_out = {*hidden}
    rows = [
        (
            code(each.name),
            _takes(hints[each.name], (rules or {}).get(each.name, "")),
            code(_default(each)),
            prose(texts.get(each.name, "")),
        )
        for each in fields(config)
        if each.name not in left_out
    ]
    return table(_PARAMETERS, rows) if rows else "No parameters.\n"


def _takes(hint: Any, rule: str) -> str:
    bounds = [each.value for each in get_args(hint) if isinstance(each, AtMost)]
    text = spelled(hint)
    if rule and not text.startswith("one of"):
        text = f"{text.removesuffix(' or null')}, {rule.removeprefix('be ')}"
    return text + "".join(f", at most {bound:,}" for bound in bounds)


def _default(field: Field[Any]) -> str:
    if field.default is not MISSING:
        return value_text(field.default)
    return "required" if field.default_factory is MISSING else value_text(field.default_factory())


def changes(given: Mapping[str, object]) -> str:
    """Return "beta = 4, severity = 1"."""
    return ", ".join(f"{key} = {value_text(value)}" for key, value in given.items())
