"""How far a run is and how long it will still take; pure, with the clock passed in.

Each cell has stages: "train", then its missing benchmarks. A finished stage teaches how long stages of its name take; one that
nothing is known about yet is taken to be as long as the mean of the known ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestration.cells.cell import PlannedCell
from orchestration.engine.observer import CellState

TRAIN_STAGE = "train"
ESTIMATED_FROM = 0.05
"""Share of the work before which elapsed time is no basis of an estimate: the first seconds go into starting up."""


@dataclass(slots=True)
class _CellProgress:
    stages: tuple[str, ...]
    state: CellState = "waiting"
    stage: str = ""
    share: float = 0.0
    stage_began: float = 0.0
    finished: set[str] = field(default_factory=set)

    def remaining(self) -> list[tuple[str, float]]:
        """Return the stages that are left, each with the share of it that is left."""
        if self.state in ("done", "failed", "skipped", "leased-elsewhere"):
            return []
        left = [stage for stage in self.stages if stage not in self.finished]
        return [(stage, 1.0 - self.share if stage == self.stage else 1.0) for stage in left]


class RunProgress:
    """The progress of a run, as its events report it."""

    def __init__(self, cells: Sequence[PlannedCell]) -> None:
        self._cells = {cell.train_key: _CellProgress(stages_of(cell)) for cell in cells}
        self._seconds: dict[str, list[float]] = {}
        self._began: float | None = None

    def state(self, key: str, state: CellState, now: float) -> None:
        """A cell changed its state."""
        cell = self._cells.get(key)
        if cell is None:
            return
        if state == "running":
            self._began = now if self._began is None else self._began
            cell.stage, cell.share, cell.stage_began = "", 0.0, now
        elif state == "done":
            self._finish_stage(cell, now)
        cell.state = state

    def progress(self, key: str, stage: str, done: int, total: int, now: float) -> None:
        """A running cell moved within a stage."""
        cell = self._cells.get(key)
        if cell is None:
            return
        if stage != cell.stage:
            self._finish_stage(cell, now)
            cell.stage, cell.stage_began = stage, now
        cell.share = min(1.0, done / total) if total > 0 else 0.0

    def counts(self) -> dict[CellState, int]:
        """Return how many cells are in each state."""
        counts: dict[CellState, int] = {}
        for cell in self._cells.values():
            counts[cell.state] = counts.get(cell.state, 0) + 1
        return counts

    @property
    def total(self) -> int:
        """The number of cells."""
        return len(self._cells)

    def share_done(self) -> float:
        """Return the share of all stages that is done, in [0, 1]."""
        whole = sum(len(cell.stages) for cell in self._cells.values())
        left = sum(share for cell in self._cells.values() for _, share in cell.remaining())
        return 1.0 - left / whole if whole else 1.0

    def eta_s(self, now: float) -> float | None:
        """Return the seconds that are left, or None before anything is known."""
        known = {stage: sum(values) / len(values) for stage, values in self._seconds.items()}
        running = [cell for cell in self._cells.values() if cell.state == "running"]
        if not known:
            share = self.share_done()
            if self._began is None or share < ESTIMATED_FROM:
                return None
            return (now - self._began) * (1.0 - share) / share
        typical = sum(known.values()) / len(known)
        left = sum(
            known.get(stage, typical) * share for cell in self._cells.values() for stage, share in cell.remaining()
        )
        return left / max(1, len(running))

    def _finish_stage(self, cell: _CellProgress, now: float) -> None:
        if cell.stage:
            cell.finished.add(cell.stage)
            self._seconds.setdefault(cell.stage, []).append(max(0.0, now - cell.stage_began))
        cell.stage, cell.share = "", 0.0


def stages_of(cell: PlannedCell) -> tuple[str, ...]:
    """Return the stages that a cell still has to go through."""
    return (*([] if cell.trained else [TRAIN_STAGE]), *(request.name for request in cell.missing))


def time_left(seconds: float | None) -> str:
    """Return "about 4 min 10 s left", or "estimating ..." before anything is known."""
    return "estimating ..." if seconds is None else f"about {spoken_seconds(seconds)} left"


def spoken_seconds(seconds: float) -> str:
    """Return a duration for people: "3 s", "4 min 10 s", "2 h 5 min", "3 d 4 h"."""
    whole = max(0, round(seconds))
    for size, name, smaller_size, smaller in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size} {name} {rest} {smaller}" if rest else f"{whole // size} {name}"
    return f"{whole} s"
