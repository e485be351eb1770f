"""How far a run is and how long it will still take; pure, with the clock passed in.

Each cell has stages: "train", then its missing benchmarks. The plan estimates how long each takes, in seconds of some machine. A
finished stage teaches how many times as long stages of its name take here; where none of a name has finished yet, all that
finished teach it. Before the first one finishes, those that run do, as soon as they are well on their way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestration.cells.cell import PlannedCell
from orchestration.engine.observer import CellState
from orchestration.planning.costs.estimate import TRAIN_STAGE
from orchestration.planning.costs.units import duration

ESTIMATED_FROM = 0.25
"""Share of a running stage before which its time is no basis of an estimate: the first seconds go into warming up."""


@dataclass(slots=True)
class _CellProgress:
    stages: Mapping[str, float]
    state: CellState = "waiting"
    stage: str = ""
    share: float = 0.0
    stage_began: float = 0.0
    heard_at: float = 0.0
    finished: set[str] = field(default_factory=set)

    def remaining(self) -> list[tuple[str, float]]:
        """Return the stages that are left, each with the estimated seconds that are left of it."""
        if self.state in ("done", "failed", "skipped", "leased-elsewhere"):
            return []
        left = [(stage, seconds) for stage, seconds in self.stages.items() if stage not in self.finished]
        return [(stage, seconds * (1.0 - self.share if stage == self.stage else 1.0)) for stage, seconds in left]


class RunProgress:
    """The progress of a run, as its events report it.

    Args:
        estimates: Train key -> stage -> estimated seconds, of which only ratios count; without any, all stages count alike.
    """

    def __init__(
        self, cells: Sequence[PlannedCell], estimates: Mapping[str, Mapping[str, float]] | None = None
    ) -> None:
        known = estimates or {}
        typical = _typical(known)
        self._cells = {
            cell.train_key: _CellProgress(
                {stage: known.get(cell.train_key, {}).get(stage) or typical for stage in stages_of(cell)}
            )
            for cell in cells
        }
        self._took: dict[str, list[tuple[float, float]]] = {}

    def state(self, key: str, state: CellState, now: float) -> None:
        """A cell changed its state."""
        cell = self._cells.get(key)
        if cell is None:
            return
        if state == "running":
            cell.stage, cell.share, cell.stage_began, cell.heard_at = "", 0.0, now, now
        elif state == "done":
            self._finish_stage(cell, now)
        cell.state = state

    def progress(self, key: str, stage: str, done: int, total: int, now: float) -> None:
        """A running cell moved within a stage."""
        cell = self._cells.get(key)
        if cell is None:
            return
        if stage != cell.stage:
            began = cell.heard_at if done > 0 else now  # of a short stage one hears when some of it, or all, is done
            self._finish_stage(cell, began)
            cell.stage, cell.stage_began = stage, began
        cell.heard_at = now
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
        """Return the share of the estimated work that is done, in [0, 1]."""
        whole = sum(sum(cell.stages.values()) for cell in self._cells.values())
        left = sum(seconds for cell in self._cells.values() for _, seconds in cell.remaining())
        return max(0.0, 1.0 - left / whole) if whole else 1.0  # sums in another order differ in their last digit

    def eta_s(self, now: float) -> float | None:
        """Return the seconds that are left, or None before anything is known."""
        took = self._took or self._taking(now)
        if not took:
            return None
        factors = {stage: _factor(pairs) for stage, pairs in took.items()}
        overall = _factor([pair for pairs in took.values() for pair in pairs])
        left = sum(
            factors.get(stage, overall) * seconds
            for cell in self._cells.values()
            for stage, seconds in cell.remaining()
        )
        return left / max(1, sum(cell.state == "running" for cell in self._cells.values()))

    def _taking(self, now: float) -> dict[str, list[tuple[float, float]]]:
        """Return how long the running stages have taken, and the same share of their estimates."""
        taking: dict[str, list[tuple[float, float]]] = {}
        for cell in self._cells.values():
            if cell.state == "running" and cell.stage in cell.stages and cell.share >= ESTIMATED_FROM:
                pair = max(0.0, now - cell.stage_began), cell.share * cell.stages[cell.stage]
                taking.setdefault(cell.stage, []).append(pair)
        return taking

    def _finish_stage(self, cell: _CellProgress, now: float) -> None:
        if cell.stage:
            cell.finished.add(cell.stage)
            estimated = cell.stages.get(cell.stage)
            if estimated is not None:  # what no plan lists, such as a mixing set that is made once, teaches nothing
                self._took.setdefault(cell.stage, []).append((max(0.0, now - cell.stage_began), estimated))
        cell.stage, cell.share = "", 0.0


def _factor(pairs: Sequence[tuple[float, float]]) -> float:
    """Return how many times as long as estimated stages took."""
    return math.fsum(actual for actual, _ in pairs) / math.fsum(estimated for _, estimated in pairs)


def _typical(estimates: Mapping[str, Mapping[str, float]]) -> float:
    """Return the mean estimate of a stage, for those without one; 1 where there are none."""
    seconds = [value for stages in estimates.values() for value in stages.values() if value > 0]
    return math.fsum(seconds) / len(seconds) if seconds else 1.0


def stages_of(cell: PlannedCell) -> tuple[str, ...]:
    """Return the stages that a cell still has to go through."""
    return (*([] if cell.trained else [TRAIN_STAGE]), *(request.name for request in cell.missing))


def time_left(seconds: float | None) -> str:
    """Return "about 4 min left", or "estimating ..." before anything is known."""
    return "estimating ..." if seconds is None else f"about {duration(seconds)} left"
