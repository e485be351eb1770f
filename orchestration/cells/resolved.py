"""The value that travels: a sweep in one of its sizes with the resolved cell of each of its points."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestration.cells.catalogue import Catalogue
from orchestration.cells.identity import ResolvedCell
from orchestration.sweeps.model import Point, Sweep


@dataclass(frozen=True, slots=True)
class ResolvedPoint:
    """A point of a sweep and the cell that it comes to; several points may come to equal cells."""

    point: Point
    cell: ResolvedCell

    @property
    def row(self) -> str:
        """Label of its row."""
        return self.point.row

    @property
    def seed(self) -> int:
        """Its seed in the table; a released or imported network is the same cell for all seeds."""
        return self.point.seed


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedSweep:
    """A sweep whose points are resolved, once: what plan, run, status, table, report, claims and screening take.

    Attributes:
        points: Its points with their cells, row by row, seeds inside; part by part for a union.
        parts: The resolved sweeps that it is the union of.
        source: The name or path that it was loaded by; "" for one that was made.
    """

    sweep: Sweep
    points: tuple[ResolvedPoint, ...]
    catalogue: Catalogue = field(repr=False)
    parts: tuple[ResolvedSweep, ...] = ()
    source: str = ""

    @property
    def label(self) -> str:
        """Name under which results are shown, with the size."""
        return self.sweep.label

    @property
    def cells(self) -> tuple[ResolvedCell, ...]:
        """The cell of each point, in order; equal ones are repeated."""
        return tuple(each.cell for each in self.points)

    @property
    def leaves(self) -> tuple[ResolvedSweep, ...]:
        """The sweeps with a table of their own: the parts of a union, else the sweep itself."""
        return self.parts or (self,)

    def by_row(self) -> dict[str, ResolvedCell]:
        """Return the first cell of each row of the table, by label; in a matrix the rows are values of its first factor."""
        table = self.sweep.table
        axis = table.matrix.rows if table is not None and table.matrix is not None else None
        first: dict[str, ResolvedCell] = {}
        for each in self.points:
            settings = each.point.settings
            label = str(settings[axis].value) if axis is not None and axis in settings else each.row
            first.setdefault(label, each.cell)
        return first
