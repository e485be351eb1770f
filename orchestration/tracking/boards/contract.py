"""A second tracker: what it is told of a sweep. Everything may be told twice, and then changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from orchestration.tracking.content.state import RunState
from orchestration.tracking.content.tracked_values import TrackedCell
from orchestration.tracking.contract import Point


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardPlace:
    """Which tracker shows a sweep, and where.

    Attributes:
        name: "wandb" or "tensorboard".
        folder: Folder in which it keeps its own.
        prefix: What the names of its projects begin with.
    """

    name: str
    folder: str
    prefix: str = ""

    def hello(self, store_uri: str) -> dict[str, Any]:
        """Return what its writer process is told first."""
        return {**asdict(self), "store": store_uri}

    @property
    def own_folder(self) -> Path:
        """The folder of this tracker."""
        return Path(self.folder) / self.name


class Board(Protocol):
    """One sweep on a second tracker."""

    def log_points(self, cell: TrackedCell, points: Sequence[Point]) -> None:
        """Write epochs of a cell that still runs; those that were written before are left out."""

    def show(self, cell: TrackedCell, state: RunState) -> bool:
        """Make the run of a cell look like this; return whether anything differed."""

    def describe(self, grid: Mapping[str, str]) -> None:
        """Write the rendered grid (file name -> text)."""

    def close(self) -> None:
        """Write what is still open."""


def curves(state: RunState) -> list[Point]:
    """Return the values of a state that belong to epochs."""
    return [point for point in state.points if point.key not in state.single]


def results(state: RunState) -> dict[str, float]:
    """Return the values of a state that a cell has once: results and costs."""
    return {point.key: point.value for point in state.points if point.key in state.single}
