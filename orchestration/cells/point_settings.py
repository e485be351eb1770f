"""The settings of one point: their values, and the mistakes in them with the places that they came from."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from augment.errors import AugmentError
from eval.errors import EvalError
from orchestration.cells.identity import Resolver
from orchestration.errors import Mistake
from orchestration.sweeps.model import Settings, Sweep
from orchestration.sweeps.yaml_reader import mistake_in
from trainers.errors import TrainingError

T = TypeVar("T")


class PointSettings:
    """The settings of one point, by path; every mistake is noted with the resolver."""

    def __init__(
        self, resolver: Resolver, sweep: Sweep, settings: Settings, row: str, origin: tuple[str | int, ...]
    ) -> None:
        self.resolver = resolver
        self.catalogue = resolver.catalogue
        self.sweep = sweep
        self.settings = settings
        self.row = row
        self.origin = origin
        self.failed = False

    def _name(self, name: str) -> str | None:
        value = self._value(name)
        if isinstance(value, str):
            return value
        if value is None and any(path.startswith(("base", "axes")) for path in self.sweep.broken):
            self.failed = True  # it may be what was left out as mistaken
            return None
        if value is None and not any(name in point.settings for point in self.sweep.points):
            self._note(name, f"every cell needs a {name}; give it under `base`", at=("base",))
            return None
        rule = f"every cell needs a {name}" if value is None else f"{name} must be a word, but got {value!r}"
        self._note(name, f"row '{self.row}': {rule}; give it under `base` or in the row")
        return None

    def _value(self, path: str) -> Any:
        return self.settings[path].value if path in self.settings else None

    def _group(self, head: str) -> dict[str, Any]:
        prefix = f"{head}."
        return {path[len(prefix) :]: item.value for path, item in self.settings.items() if path.startswith(prefix)}

    def _try(self, path: str, make: Callable[..., T], *arguments: Any) -> T | None:
        if arguments[0] is None:
            return None
        return self._unpack(path, attempt(make, *arguments))

    def _unpack(self, path: str, made: tuple[T | None, str | None]) -> T | None:
        value, problem = made
        if problem is not None:
            self._note(path, problem)
        return value

    def _note(self, path: str, text: str, *, at: tuple[str | int, ...] | None = None) -> None:
        self.failed = True
        origin = at or self._origin_of(path, text)
        self.resolver.mistakes.append(mistake_at(self.sweep, origin, text))

    def _origin_of(self, path: str, text: str = "") -> tuple[str | int, ...]:
        """Return where a setting comes from; of a group of settings, the one that a text names first, else the group."""
        if path in self.settings:
            return self.settings[path].origin
        if path.startswith("benchmarks."):
            given = [each.partition("=")[0] for each in self.sweep.overrides if each.startswith(f"{path}.")]
            named = [each for each in given if re.search(rf"\b{re.escape(each.removeprefix(f'{path}.'))}\b", text)]
            return (f"--set {named[0]}",) if named else tuple(path.split(".", 1))
        inside = {name: item.origin for name, item in self.settings.items() if name.startswith(f"{path}.")}
        if not inside:
            return self.origin
        mentions = {name: re.search(rf"\b{re.escape(name.rpartition('.')[2])}\b", text) for name in inside}
        places = {found.start(): inside[name] for name, found in mentions.items() if found is not None}
        if places:
            return places[min(places)]
        last = list(inside.values())[-1]
        return last[:-1] or last


def attempt(make: Callable[..., T], *arguments: Any, **options: Any) -> tuple[T | None, str | None]:
    """Return what a function makes, or what it says against it."""

    try:
        return make(*arguments, **options), None
    except (ValueError, TypeError, AugmentError, EvalError, TrainingError) as error:
        return None, str(error)


def mistake_at(sweep: Sweep, path: tuple[str | int, ...], text: str) -> Mistake:
    """Return a mistake with its place in the sweep's file, or with the option that brought it."""
    return mistake_in(sweep.document, path, text)
