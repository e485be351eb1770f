"""Labels of tables: which rows, columns and titles every format can print and a reader can distinguish.

A label is one line of visible text. Two labels look equal when they are the same after compatibility composition (Unicode NFKC),
with letters of other alphabets that are drawn as Latin ones and all dashes and quotation marks taken for one another, without
regard to case, and with runs of spaces taken for one. Plain Python.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

_UNSEEN: Final = frozenset(
    [
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
        *range(0x180B, 0x1810),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    ]
)
"""Characters that Python counts as printable and that draw nothing: fillers, joiners, variation selectors, empty Braille."""

_DRAWN_AS: Final[Mapping[int, str]] = {
    **dict(
        zip(
            map(ord, "АВЕЅІЈКМНОРСТУХаеѕіјорсухΑΒΕΖΗΙΚΜΝΟΡΤΥΧοιν"),
            "ABESIJKMHOPCTYXaesijopcyxABEZHIKMNOPTYXoiv",
            strict=True,
        )
    ),
    **dict.fromkeys(map(ord, "‐‑‒–—―−﹣－"), "-"),
    **dict.fromkeys(map(ord, "‘’‚′`´"), "'"),
    **dict.fromkeys(map(ord, "“”„″"), '"'),
}
"""Cyrillic and Greek letters, dashes and quotation marks -> what they are drawn as."""


def print_problem(text: str) -> str | None:
    """Return why a format cannot print a label, with the position of the character at fault (from 1), or None where all can."""
    at = next((n for n, character in enumerate(text) if not character.isprintable()), None)
    return None if at is None else _refusal(text, at)


def label_problem(text: str) -> str | None:
    """Return why a label is refused where people give it, or None: it must print, and every character must be seen."""
    if not text.strip():
        return f"a label must have visible characters, but {text!r} has none"
    if text[0] == " " or text[-1] == " ":
        where = "first" if text[0] == " " else "last"
        return f"a label must begin and end with a visible character, but the {where} one of {text!r} is a space"
    if text.isascii() and text.isprintable():
        return None
    at = next((n for n, character in enumerate(text) if not _is_visible(character)), None)
    return None if at is None else _refusal(text, at)


def _refusal(text: str, at: int) -> str:
    return (
        f"a label must be printable text on one line, all of it visible, but character {at + 1} of {text!r} is "
        f"{_name(text[at])}; write {'a plain space' if text[at].isspace() else 'it without'}"
    )


def look_of(text: str) -> str:
    """Return what a label looks like: equal for two labels that a reader takes for the same one."""
    if text.isascii() and text.isprintable():
        return " ".join(text.casefold().replace("`", "'").split())
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).translate(_DRAWN_AS).casefold())
    return " ".join("".join(c for c in plain if c == " " or _is_visible(c) or c.isspace()).split())


def look_alikes(labels: Iterable[str]) -> list[tuple[str, str]]:
    """Return the different labels that look equal, as pairs (the first one of that look, another), in order."""
    first: dict[str, str] = {}
    pairs: dict[tuple[str, str], None] = {}
    for label in labels:
        known = first.setdefault(look_of(label), label)
        if known != label:
            pairs[known, label] = None
    return list(pairs)


def difference(first: str, second: str) -> str:
    """Return where two labels that look equal differ: "character 2 is U+0430 (CYRILLIC SMALL LETTER A), not U+0061 (...)"."""
    at = next((n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second)))
    here, there = (_name(text[at]) if at < len(text) else "missing" for text in (second, first))
    return f"character {at + 1} is {here}, not {there}"


def check_labels(what: str, labels: Sequence[str]) -> None:
    """Refuse labels that a table cannot print, or that are one and the same."""
    problems = [problem for label in labels if (problem := print_problem(label)) is not None]
    repeated = [label for label, number in Counter(labels).items() if number > 1]
    problems += [f"{what} must differ from each other, but {repeated[0]!r} is listed twice"] if repeated else []
    if problems:
        raise ValueError("; ".join(problems))


def _is_visible(character: str) -> bool:
    return character.isprintable() and ord(character) not in _UNSEEN


def _name(character: str) -> str:
    known = {"\n": "LINE FEED", "\r": "CARRIAGE RETURN", "\t": "TABULATOR"}
    return f"U+{ord(character):04X} ({known.get(character) or unicodedata.name(character, 'a control character')})"
