"""The settings of resolved cells as a reader would compare them, by dotted path, and in what two cells differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestration.cells.identity import ResolvedCell
from orchestration.cells.keys import plain


def described(cell: ResolvedCell, *, without: Sequence[str] = ("seed",)) -> dict[str, Any]:
    """Return the settings of a cell that a reader would compare; a parent is named by its method."""
    config = {name: value for name, value in plain(cell.config).items() if name not in without}
    config["init_from"] = cell.parents[-1].config.method if cell.config.init_from else None
    mixing_set = config.get("mixing_set")
    if isinstance(mixing_set, dict) and mixing_set["params"].get("parents"):
        mixing_set["params"]["parents"] = "trained networks"
    return flat(config)


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return (path, our value, their value) of everything that differs, in the order of importance of the settings."""
    paths = sorted({*ours, *theirs}, key=lambda path: (_rank(path), path))
    return [(path, ours.get(path), theirs.get(path)) for path in paths if ours.get(path) != theirs.get(path)]


def differing_settings(first: ResolvedCell, second: ResolvedCell) -> list[str]:
    """Return "severity (1 and 3)" for everything in which two cells differ besides their seed, their parents included."""
    found = differences(described(first), described(second))
    lines = [f"{spoken(path)} ({shown(path, ours)} and {shown(path, theirs)})" for path, ours, theirs in found]
    for one, other in ((first.visualised, second.visualised), (first.parent, second.parent)):
        if one is None or other is None or one.train_key == other.train_key:
            continue
        if one.config.seed == other.config.seed:
            lines += [f"{line} of the cell that it builds on" for line in differing_settings(one, other)]
    return list(dict.fromkeys(lines)) or ["the data or the code in their keys"]


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested plain values by dotted path."""
    made: dict[str, Any] = {}
    for name, item in value.items():
        path = f"{prefix}{name}"
        made.update(flat(item, f"{path}.") if isinstance(item, Mapping) else {path: item})
    return made


def spoken(path: str) -> str:
    """Return a path as a reader says it."""
    return path.removeprefix("recipe.").removeprefix("method_params.").replace("_", " ")


def shown(path: str, value: Any) -> str:
    """Return a value as a reader says it."""
    if value is None:
        return "all" if path.endswith("train_images") else "none"
    return str(value)


def _rank(path: str) -> int:
    order = ("dataset", "model", "recipe.epochs", "recipe.train_images", "method", "init_from", "recipe.")
    return next((index for index, start in enumerate(order) if path == start or path.startswith(start)), len(order))
