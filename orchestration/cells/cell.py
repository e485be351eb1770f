"""Cells: the points of an ablation, in names and numbers only.

A cell says what is wanted; `orchestration.cells.resolve` turns it into a `JobConfig`, whose hash is the train key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from eval.benchmarks.contract import BenchmarkRequest
from eval.tables.column import Column
from trainers.config import JobConfig

TRAIN_KEY_DIGITS = 64
Scalar = str | int | float | bool | None
Mode = Literal["cached", "retry", "force", "read-only"]
"""Which cells of a plan run: what is missing; failed ones too; everything again; nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell in the words of its sweep; everything that is trained and evaluated is in its `JobConfig`.

    Attributes:
        row: Label of the row that it belongs to; "" for a cell that others build on. No part of any key.
        recipe: Name of the recipe that it is trained by, before the row changes it.
        imported: Name of another suite's results: the row shows them, and there is nothing to train or to evaluate; or None.
    """

    row: str = ""
    seed: int = 0
    recipe: str = ""
    params: Mapping[str, Scalar] = field(default_factory=dict)
    train: Mapping[str, object] = field(default_factory=dict)
    imported: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """A cell with its identity and what is still to do for it.

    Attributes:
        train_key: Full hexadecimal hash of everything that can change its weights.
        benchmarks: Benchmarks that the sweep wants of it.
        missing: Those of them that no record exists for.
        trained: Whether a complete checkpoint is recorded and, as far as it is needed and was looked at, stored whole.
        supporting: Whether it is only needed by other cells and is in no row.
        failed: The reason of its last recorded failure, or None.
        wanted_values: (column, benchmark key) of the values that tables show of it.
        sources: What identifies the code of the plug-ins that it uses (`trainers.sources`).
        retrained: Why a cell whose training is recorded is trained again, or "". What is recorded of its weights still counts.
        files: What identifies the files that it is trained on.
    """

    cell: Cell
    train_key: str
    config: JobConfig
    dataset_identity: str
    benchmarks: tuple[BenchmarkRequest, ...]
    missing: tuple[BenchmarkRequest, ...]
    trained: bool
    supporting: bool = False
    failed: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    wanted_values: tuple[tuple[Column, str], ...] = ()
    retrained: str = ""

    @property
    def cell_id(self) -> str:
        """The first 12 hexadecimal digits of the train key."""
        return self.train_key[:12]

    @property
    def parents(self) -> tuple[str, ...]:
        """Train keys of the cells that must be trained before this one: where it starts from, what its mixing set shows."""
        mixing_set = self.config.mixing_set
        shown = mixing_set.params.get("parents", ()) if mixing_set is not None else ()
        networks = (
            [str(key) for key in shown if len(str(key)) == TRAIN_KEY_DIGITS] if isinstance(shown, list | tuple) else []
        )
        return tuple(dict.fromkeys([*([self.config.init_from] if self.config.init_from else []), *networks]))

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self.trained and not self.missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a sweep wants and what of it is recorded; the cells are in the order of the sweep, parents before children.

    Attributes:
        cells: Every wanted and supporting cell, each once.
        duplicates: Groups of rows that are one and the same cells.
        missing_data: One line for each dataset that is not there.
        missing_benchmarks: One line for each collection of benchmark files that is not there; the others run without it.
        left_out: One line for each kind of file in a user's folder that is not read, with names.
    """

    sweep: str
    cells: tuple[PlannedCell, ...]
    mode: Mode = "cached"
    duplicates: tuple[tuple[str, ...], ...] = ()
    missing_data: tuple[str, ...] = ()
    missing_benchmarks: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def to_run(self) -> tuple[PlannedCell, ...]:
        """The cells that this plan runs: those with something left to do that its mode lets run."""
        if self.mode == "read-only":
            return ()
        failed_run = self.mode != "cached"
        return tuple(cell for cell in self.cells if not cell.is_done and (failed_run or cell.failed is None))

    @property
    def set_aside(self) -> tuple[PlannedCell, ...]:
        """The cells that failed before and that this plan's mode leaves alone."""
        if self.mode in ("retry", "force"):
            return ()
        return tuple(cell for cell in self.cells if not cell.is_done and cell.failed is not None)
