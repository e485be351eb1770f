"""The settings of one point: their values, and the mistakes in them with the places that they came from."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from augment.errors import AugmentError
from eval.errors import EvalError
from orchestration.cells.catalogue import Catalogue
from orchestration.errors import Mistake
from orchestration.sweeps.model import Settings, Sweep
from orchestration.sweeps.yaml_reader import Path, mistake_in
from trainers.errors import TrainingError

T = TypeVar("T")
REFUSALS = (ValueError, TypeError, AugmentError, EvalError, TrainingError)
"""What the registries raise for a wrong name or value."""


@dataclass(slots=True)
class Resolver:
    """Resolves the points of one sweep; remembers what many points share."""

    catalogue: Catalogue
    mistakes: list[Mistake] = field(default_factory=list)
    _memory: dict[tuple[object, ...], Any] = field(default_factory=dict)

    def remember(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """Return what was made for a key before, or make it."""
        if key not in self._memory:
            self._memory[key] = make()
        return self._memory[key]  # type: ignore[no-any-return]


@dataclass(slots=True)
class PointSettings:
    """The settings of one point, by path; every mistake is noted with the resolver.

    Args:
        row: Label of its row; "" for a cell that a row builds on.
    """

    resolver: Resolver
    sweep: Sweep
    settings: Settings
    row: str
    origin: Path
    failed: bool = False
    ANY: ClassVar[str] = "give it under `base` or in the row"

    @property
    def catalogue(self) -> Catalogue:
        """What points may name."""
        return self.resolver.catalogue

    def word(self, name: str) -> str | None:
        """Return a setting that every cell needs, or None where it is missing or no word (noted)."""
        value = self.value(name)
        if isinstance(value, str):
            return value
        if value is None and any(path.startswith(("base", "axes")) for path in self.sweep.broken):
            self.failed = True  # it may be what was left out as mistaken
            return None
        if value is None and not any(name in point.settings for point in self.sweep.points):
            self.note(name, f"every cell needs a {name}; give it under `base`", at=("base",))
            return None
        rule = f"every cell needs a {name}" if value is None else f"{name} must be a word, but got {value!r}"
        self.note(name, f"row '{self.row}': {rule}; {self.ANY}")
        return None

    def value(self, path: str) -> Any:
        """Return the value of a path, or None where the point does not set it."""
        return self.settings[path].value if path in self.settings else None

    def group(self, head: str) -> dict[str, Any]:
        """Return what the point sets below a field: `params`, `train`, ..."""
        prefix = f"{head}."
        return {path[len(prefix) :]: item.value for path, item in self.settings.items() if path.startswith(prefix)}

    def attempt(self, path: str, make: Callable[..., T], *arguments: Any, **options: Any) -> T | None:
        """Return what a function makes, or None where it refuses (noted at a path) or its first argument is None."""
        if arguments[0] is None:
            return None
        return self._noted(path, attempt(make, *arguments, **options))

    def remembered(
        self, path: str, key: tuple[object, ...], make: Callable[..., T], *arguments: Any, **options: Any
    ) -> T | None:
        """Return what a function makes, once per key and sweep; a refusal is noted for each point that meets it."""
        made = self.resolver.remember((path, make, *key), lambda: attempt(make, *arguments, **options))
        return self._noted(path, made)

    def _noted(self, path: str, made: tuple[T | None, str | None]) -> T | None:
        value, problem = made
        if problem is not None:
            self.note(path, problem)
        return value

    def note(self, path: str, text: str, *, at: Path | None = None) -> None:
        """Note a mistake in a setting, at the place that it comes from."""
        self.failed = True
        self.resolver.mistakes.append(mistake_at(self.sweep, at or self.origin_of(path, text), text))

    def origin_of(self, path: str, text: str = "") -> Path:
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
    """Return what a function makes, or else the reason for which it refuses."""
    try:
        return make(*arguments, **options), None
    except REFUSALS as error:
        return None, str(error)


def mistake_at(sweep: Sweep, path: Path, text: str) -> Mistake:
    """Return a mistake with its place in the sweep's file, or with the option that brought it."""
    return mistake_in(sweep.document, path, text)
