"""Rules between the keys of a sweep file, and repairing a mistaken one so that the rest of it can still be checked.

The rules look at the values as the file has them, so that one mistake does not lead to another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from orchestration.sweeps.yaml_reader import Path

ANY_COLUMN: Final = "clean/error"
_NEUTRAL: Final[Mapping[str, Any]] = {"columns": ANY_COLUMN, "cells": {}, "exclude": {}, "seeds": 0}
"""List -> what replaces a mistaken item of it, so that the others keep their places."""


def rule_mistakes(value: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield a mistake (place, text) for each rule between keys that a file breaks."""
    yield from _parts_mistakes(value)
    for place, seeds in (
        (("seeds",), value.get("seeds")),
        *((("sizes", name, "seeds"), _of(size, "seeds")) for name, size in _mapping(value.get("sizes")).items()),
    ):
        yield from _repeated(place, seeds, "seeds")
    yield from _repeated(("include",), value.get("include"), "parts")
    axes, table = value.get("axes"), value.get("table")
    listing = ("cells", "grid", "one_at_a_time")
    if isinstance(axes, dict) and not any(axes.get(name) or _is_misspelt(name, axes) for name in listing):
        text = "at least one of `cells`, `grid` and `one_at_a_time` must list something, or no cell is left to run"
        yield ("axes",), text
    if isinstance(table, dict):
        yield from _table_mistakes(table)


def without(value: Any, paths: Sequence[Path], *, inside: str = "") -> Any:
    """Return a value without the parts at some paths; items of lists are replaced, so that the others keep their places."""
    drop = {path[0] for path in paths if len(path) == 1}
    deeper: dict[str | int, list[Path]] = {}
    for path in paths:
        if len(path) > 1 and path[0] not in drop:
            deeper.setdefault(path[0], []).append(path[1:])
    if isinstance(value, dict):
        # A list loses its items one by one only where a neutral item can replace them; else its numbering would shift.
        lists = {k for k, below in deeper.items() if isinstance(value.get(k), list) and str(k) not in _NEUTRAL}
        gone = drop | {k for k in lists if any(len(path) == 1 for path in deeper[k])}
        return {
            k: without(v, deeper[k], inside=str(k)) if k in deeper else v for k, v in value.items() if k not in gone
        }
    if isinstance(value, list):
        return [
            _NEUTRAL[inside] if i in drop else without(v, deeper[i]) if i in deeper else v for i, v in enumerate(value)
        ]
    return value


def with_parts(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a file's values with axes and a table in place of those that it lacks wholly, which `rule_mistakes` reports."""
    if value.get("include"):
        return dict(value)
    parts = {"axes": {"cells": [{}]}, "table": {"columns": [ANY_COLUMN]}}
    return {**value, **{name: part for name, part in parts.items() if value.get(name) is None}}


def completed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a file's values with something in place of what it must have and has not."""
    made = dict(value)
    made.setdefault("name", "unnamed")
    made.setdefault("title", "Untitled")
    if made.get("include"):
        return made
    axes, table = dict(_mapping(made.get("axes"))), dict(_mapping(made.get("table")))
    if not any(axes.get(name) for name in ("cells", "grid", "one_at_a_time")):
        axes["cells"] = [{}]
    if not table.get("columns"):
        table["columns"] = [ANY_COLUMN]
    return {**made, "axes": axes, "table": table}


def _parts_mistakes(value: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    own = [name for name in ("axes", "table") if name in value]
    if not value.get("include"):
        for name in ("axes", "table"):
            if value.get(name) is None and not _is_misspelt(name, value):
                yield (
                    (name,),
                    f"a sweep needs `{name}`, or `include` (the built-in sweeps that it is the union of); add it",
                )
        return
    for name in (*own, *(name for name in ("sizes", "benchmarks", "evaluation") if value.get(name))):
        text = "a union of sweeps has only `name`, `title`, `description` and `include`; the rest is in its parts"
        yield (name,), f"{text}: leave `{name}` out"


def _table_mistakes(table: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    yield from _repeated(("table", "columns"), table.get("columns"), "columns")
    for layout, key, what in (("matrix", "matrix", "its two factors"), ("sets", "details", "its fine rows")):
        if (table.get("layout") == layout) != bool(table.get(key)):
            text = f"layout '{layout}' and the key `{key}` ({what}) belong together; give both or neither"
            yield ("table", "layout" if table.get("layout") == layout else key), text
    factors = _mapping(table.get("matrix"))
    if factors.get("rows") is not None and factors.get("rows") == factors.get("columns"):
        yield ("table", "matrix", "columns"), f"the two factors must differ, but both are '{factors['rows']}'"


def _repeated(place: Path, values: Any, what: str) -> Iterator[tuple[Path, str]]:
    for index, value in enumerate(values if isinstance(values, list) else ()):
        if isinstance(value, str | int) and value in values[:index]:  # what is of another kind is a mistake by itself
            yield (*place, index), f"{what} must differ from each other, but {value} is listed twice; leave one out"


def _is_misspelt(name: str, value: Mapping[str, Any]) -> bool:
    """Whether a key is missing and one that looks much like it is there: that one is reported as unknown."""
    return name not in value and bool(get_close_matches(name, [*value], n=1, cutoff=0.7))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _of(value: Any, key: str) -> Any:
    return _mapping(value).get(key)
