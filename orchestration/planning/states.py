"""What the state of a planned cell is called, in `plan`, `status` and `watch` alike, and how many cells are in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal

from augment.lookup.wording import count
from orchestration.cells.cell import PlannedCell

State = Literal["done", "running", "failed", "damaged", "trained", "waiting"]

STATES: Final[tuple[State, ...]] = ("done", "running", "failed", "damaged", "trained", "waiting")
"""done: everything wanted is recorded; running: a driver holds it; failed: given up, until `--mode retry`; damaged: its
checkpoint is, so that it is trained again; trained: benchmarks are missing; waiting: nothing is recorded."""


def state_of(cell: PlannedCell, holder: str | None) -> State:
    """Return the state of a cell.

    Args:
        holder: The driver that runs it, or None.
    """
    if cell.is_done:
        return "done"
    if holder is not None:
        return "running"
    if cell.failed is not None:
        return "failed"
    return "damaged" if cell.retrained else "trained" if cell.trained else "waiting"


def to_do_text(cell: PlannedCell) -> str:
    """Return what is left to do for a cell: "train, clean, pgd"; "-" for nothing."""
    stages = [] if cell.trained else ["train"]
    return ", ".join([*stages, *(request.name for request in cell.missing)]) or "-"


def counts_text(cells: Sequence[PlannedCell], states: Sequence[State]) -> str:
    """Return "10 cells, 9 of them in the table: 2 done, 8 waiting"; the numbers of the states add up to the first."""
    supporting = sum(cell.supporting for cell in cells)
    counts = Counter(states)
    parts = [f"{counts[state]} {state}" for state in STATES if counts[state]]
    within = f", {len(cells) - supporting} of them in the table" if supporting else ""
    return f"{count(len(cells), 'cell')}{within}: {', '.join(parts) or 'none'}"
