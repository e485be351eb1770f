"""What the axes of a sweep file list, before a size and options change it: a label, settings, and their place in the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augment.lookup.parameters import nearest
from orchestration.sweeps.model import Settings, quoted_value
from orchestration.sweeps.sweep_file import PointPatch
from orchestration.sweeps.yaml_reader import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One cell as the axes list it.

    Attributes:
        settings: The base's settings, and its own over them.
        patch: The part of the file that may name parents.
        label_at: Where its label is written.
        pattern: The pattern that its label is made from, or "".
    """

    row: str
    settings: Settings
    origin: Path
    patch: PointPatch
    label_at: Path
    pattern: str = ""


def same(first: Any, second: Any) -> bool:
    """Return whether two plain values are one and the same: 1 and 1.0 are, 1 and true or "1" are not."""
    return isinstance(first, bool) == isinstance(second, bool) and bool(first == second)


def exclusion_mistakes(rules: Sequence[Mapping[str, Any]], listed: Sequence[Listed]) -> list[tuple[Path, str]]:
    """Return a mistake (place, text) for each rule of `exclude` that excludes nothing, or everything because it is empty."""
    values = _values_by_path(listed) if rules else {}
    mistakes: list[tuple[Path, str]] = []
    for index, rule in enumerate(rules):
        place: Path = ("axes", "exclude", index)
        if not rule:
            mistakes.append(
                (place, "an empty rule excludes every cell, so no cell is left to run; name a setting and its value")
            )
            continue
        problems = [(path, text) for path, value in rule.items() if (text := _unmatched(path, value, values))]
        mistakes += [((*place, path), text) for path, text in problems]
        if not problems and not any(matches(rule, each.settings) for each in listed):
            spoken = ", ".join(f"{path} {quoted_value(value)}" for path, value in rule.items())
            mistakes.append((place, f"no cell has {spoken} at once, so the rule excludes nothing; leave it out"))
    return mistakes


def matches(rule: Mapping[str, Any], settings: Settings) -> bool:
    """Return whether a rule of `exclude` excludes a cell with some settings."""
    return all(path in settings and same(settings[path].value, value) for path, value in rule.items())


def _unmatched(path: str, value: Any, values: Mapping[str, list[Any]]) -> str | None:
    """Return why one condition of a rule matches no cell, or None where it matches some."""
    if path not in values:
        ends = [known for known in values if known.rpartition(".")[2] == path]
        hint = (
            f" (did you mean '{ends[0]}'?); known: {', '.join(sorted(values))}" if ends else nearest(path, list(values))
        )
        return f"no cell sets '{path}', so the rule excludes nothing{hint}"
    if any(same(known, value) for known in values[path]):
        return None
    shown = ", ".join(map(quoted_value, values[path][:30]))
    return f"no cell has {path} {quoted_value(value)}, so the rule excludes nothing; its values are {shown}"


def _values_by_path(listed: Sequence[Listed]) -> dict[str, list[Any]]:
    values: dict[str, list[Any]] = {}
    seen: set[tuple[str, int]] = set()
    for each in listed:
        for path, item in each.settings.items():
            if (path, id(item)) in seen:
                continue
            seen.add((path, id(item)))
            known = values.setdefault(path, [])
            if not any(same(value, item.value) for value in known):
                known.append(item.value)
    return values
