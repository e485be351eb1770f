"""Settings that a size or an option forces over what a row sets itself.

A row must not carry the label of a value that did not run. A label names the values of its axes, for what names the row
where it sets that itself (its method and what belongs to it), for a setting that rows set differently, and for what it mentions:
nothing else may be forced on these. What else is changed of a row (how long it trains) is stated below the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from orchestration.sweeps.axes import Listed, same
from orchestration.sweeps.model import Setting, Settings, spoken_value
from orchestration.sweeps.schema import PARENT_FIELDS
from orchestration.sweeps.sweep_file import PointPatch
from orchestration.sweeps.yaml_reader import Path

NAMING_FIELDS: Final = ("method", "dataset", "model", "params", "mixing_set", "outliers", "released", "imported")
"""Fields that say what a row is about, wherever a row sets them itself."""

SHOWN_ROWS: Final = 5

Forced = Callable[[str], Mapping[str, Setting]]
"""Label of a row -> what is forced on its cells."""


def overruled_mistakes(listed: Sequence[Listed], forced: Forced) -> list[tuple[Path, str]]:
    """Return a mistake (place, text) for each forced setting that rows claim to be another."""
    if not any(forced(row) for row in dict.fromkeys(each.row for each in listed)):
        return []
    claims: dict[tuple[Path, str, str], dict[str, Any]] = {}
    varied = _varied_by_rows(listed)
    for each in listed:
        for path, item in forced(each.row).items():
            for known in _same_setting(path, each.settings):
                old = each.settings[known]
                if not same(old.value, item.value) and _is_claimed(each, known, old, varied):
                    claims.setdefault((item.origin, path, spoken_value(item.value)), {})[each.row] = old.value
        for path, item, old in _forced_on_parents(each, forced):
            claims.setdefault((item.origin, path, spoken_value(item.value)), {})[each.row] = old
    mistakes = [(origin, _refusal(path, value, rows)) for (origin, path, value), rows in claims.items()]
    # Only without the others: values forced on what labels name make rows collapse too, and one report is enough.
    return mistakes or _collapsed(listed, forced)


def overruled_notes(listed: Sequence[Listed], forced: Forced) -> tuple[str, ...]:
    """Return a line for each setting of rows themselves that a size or an option changes, for below the table."""
    changes: dict[str, dict[str, None]] = {}
    for each in listed:
        for path, item in forced(each.row).items():
            old = each.settings.get(path)
            if old is not None and old.origin[:1] == ("axes",) and not same(old.value, item.value):
                text = f"{path} {spoken_value(item.value)} instead of {spoken_value(old.value)}"
                changes.setdefault(text, {})[each.row] = None
    return tuple(f"Run with {text} of the row itself: {', '.join(rows)}." for text, rows in changes.items())


def _forced_on_parents(each: Listed, forced: Forced) -> Iterator[tuple[str, Setting, Any]]:
    """Yield what is forced on the cells that a row names to build on, over the method and parameters that it gives them."""
    for name in PARENT_FIELDS:
        parent = getattr(each.patch, name)
        own = {} if parent is None else {f"params.{key}": value for key, value in parent.params.items()}
        own |= {} if parent is None or parent.method is None else {"method": parent.method}
        for path, item in forced("").items() if own else ():
            if path in own and not same(own[path], item.value):
                yield path, item, own[path]


def _varied_by_rows(listed: Sequence[Listed]) -> frozenset[str]:
    """Return the settings that rows set themselves, and not all to one value."""
    first: dict[str, Any] = {}
    varied = set()
    for each in listed:
        for path, item in each.settings.items():
            if item.origin[:1] == ("axes",) and not same(first.setdefault(path, item.value), item.value):
                varied.add(path)
    return frozenset(varied)


def _same_setting(path: str, settings: Settings) -> list[str]:
    """Return the paths that set the same thing: `params.beta` and `params.pixmix.beta` may."""
    if not path.startswith("params."):
        return [path] if path in settings else []
    name = path.rpartition(".")[2]
    return [
        known
        for known in settings
        if known == path
        or (
            known.startswith("params.")
            and known.rpartition(".")[2] == name
            and "params" in (known.rpartition(".")[0], path.rpartition(".")[0])
        )
    ]


def _is_claimed(each: Listed, path: str, old: Setting, varied: frozenset[str]) -> bool:
    """Whether a row's label names the old value of a setting."""
    if old.origin[:1] == ("axes",):
        is_axis = old.origin[1:2] != ("cells",)
        if is_axis or path in varied or path.partition(".")[0] in NAMING_FIELDS:
            return True
    is_own = old.origin[:1] == ("axes",)
    return _mentions(each.row, path, old.value, is_own=is_own) or f"{{{path}}}" in each.pattern


def _mentions(label: str, path: str, value: Any, *, is_own: bool) -> bool:
    """Whether a label names a value: a word as such, a number next to the name of its setting or its initials ("wd 0.1").

    A number that the row itself sets needs no name next to it.
    """
    if isinstance(value, bool) or value is None or isinstance(value, list | dict):
        return False
    text = re.escape(str(value))
    # Not inside of another word or number: 0.1 is not mentioned by 0.15 or 10.1.
    if re.search(rf"(?<![\w.]){text}(?![\w.])", label, re.IGNORECASE) is None:
        return False
    if isinstance(value, str) or is_own:
        return True
    words = path.rpartition(".")[2].split("_")
    initials = "".join(word[0] for word in words if word)
    is_short = len(words) > 1 and re.search(rf"(?<![A-Za-z]){initials}(?![A-Za-z])", label, re.IGNORECASE) is not None
    return is_short or any(word.rstrip("s").casefold() in label.casefold() for word in words)


def _refusal(path: str, value: str, rows: Mapping[str, Any]) -> str:
    shown = ", ".join(f"'{row}' ({spoken_value(old)})" for row, old in list(rows.items())[:SHOWN_ROWS])
    more = f" and {len(rows) - SHOWN_ROWS} more" if len(rows) > SHOWN_ROWS else ""
    return (
        f"{path} {value} would run under the label{'s' if len(rows) > 1 else ''} of other values: {shown}{more}; change these "
        "rows in the sweep file, or leave the value out here"
    )


def _collapsed(listed: Sequence[Listed], forced: Forced) -> list[tuple[Path, str]]:
    """Return a mistake for rows that differ as listed and are one and the same once something is forced on them."""
    first: dict[object, Listed] = {}
    found: dict[tuple[Path, str], dict[str, None]] = {}
    for each in listed:
        own = forced(each.row)
        known = first.setdefault(_signature({**each.settings, **own}, each.patch), each)
        differing = [path for path in own if _differ(path, known.settings, each.settings)]
        for path in differing if known.row != each.row else ():
            found.setdefault((own[path].origin, path), {}).update(dict.fromkeys((known.row, each.row)))
    return [
        (
            origin,
            f"{path} is the difference between {', '.join(map(repr, rows))}, and this value would make them identical",
        )
        for (origin, path), rows in found.items()
    ]


def _differ(path: str, first: Settings, second: Settings) -> bool:
    if path not in first or path not in second:
        return (path in first) != (path in second)
    return not same(first[path].value, second[path].value)


def _signature(settings: Settings, patch: PointPatch) -> object:
    parents = (repr(patch.init_from), repr(patch.visualise))
    return (*sorted((path, repr(item.value)) for path, item in settings.items()), parents)
