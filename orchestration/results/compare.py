"""Our table next to the published one: how near a row's recipe is to the published one, and what else differs between rows.

A sweep in its full size without overrides *is* the published recipe, up to what the papers leave unstated (`unstated` of
methods, datasets and mixing sets). Any other edition is compared setting by setting with the full size of the same row, and each
difference is a reason against comparing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from augment.compound import method_for
from augment.mixing_sets.registry import mixing_set_for
from eval.tables.compare import Recipe, against_baseline, compare
from eval.tables.grid import Table
from eval.tables.published.tables import published_table
from eval.tables.verdicts import ALPHA
from orchestration.cells.checks.settings import described, differences, shown, spoken
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.resolved import ResolvedSweep
from trainers.datasets.registry import dataset_for

SHOWN_DIFFERENCES: Final = 6
FACTORS_OF_A_ROW: Final = ("method", "method_params", "mixing_set", "outliers", "seed")


def compared(
    tables: Sequence[Table], ours: ResolvedSweep, full: ResolvedSweep, *, alpha: float = ALPHA
) -> tuple[Table, ...]:
    """Return the tables of a sweep with the published numbers and verdicts next to ours.

    Args:
        tables: One table, or one for each part of a union.
        ours: The sweep in the size and with the overrides that were run.
        full: The same sweep in its full size without overrides.
        alpha: Level of each verdict; less where seeds are added until verdicts are decided.
    """
    made: list[Table] = []
    for table, mine, whole in zip(tables, ours.leaves, full.leaves, strict=True):
        published = mine.sweep.table.published if mine.sweep.table is not None else None
        if published is None:
            made.append(table)
        else:
            made.append(compare(table, published_table(published), recipes(mine, whole), alpha=alpha))
    return tuple(made)


def tested(table: Table, ours: ResolvedSweep) -> Table:
    """Return a table with each row tested against the baseline row, and notes on rows that differ from it in more."""
    spec = ours.sweep.table
    if spec is None or spec.baseline not in table.rows or table.rank_along != "column":
        return table
    evaluated = against_baseline(table, str(spec.baseline))
    return replace(evaluated, notes=(*evaluated.notes, *confounds(ours, str(spec.baseline))))


def recipes(ours: ResolvedSweep, full: ResolvedSweep) -> Callable[[str], Recipe]:
    """Return the function that says how near a row's recipe is to the published one."""
    mine, published = ours.by_row(), full.by_row()

    def recipe_of(row: str) -> Recipe:
        if row in mine and mine[row].cell.imported is not None:
            return Recipe(kind="not comparable", reasons=("how it was trained is not known here",))
        if row not in mine or row not in published:
            return Recipe(kind="not comparable", reasons=("the published table has no such row",))
        own = [f"own files of the {name}" for name in mine[row].own_files]
        if own:
            return Recipe(kind="not comparable", reasons=tuple(own))
        differences = _differences(described(mine[row]), described(published[row]))
        if differences:
            return Recipe(kind="not comparable", reasons=tuple(differences[:SHOWN_DIFFERENCES]))
        unsaid = unstated(mine[row])
        return Recipe(kind="published up to unknowns", reasons=unsaid) if unsaid else Recipe(kind="published")

    return recipe_of


def unstated(cell: ResolvedCell) -> tuple[str, ...]:
    """Return what the sources leave unsaid about a cell."""
    config = cell.config
    method = method_for(config.method)
    methods = [each.unstated for each in (method, *method.singles)]
    sets = [mixing_set_for(config.mixing_set.name).unstated] if config.mixing_set else []
    return tuple(dict.fromkeys(text for text in (*methods, dataset_for(config.dataset).unstated, *sets) if text))


def confounds(ours: ResolvedSweep, baseline: str) -> tuple[str, ...]:
    """Return one note per group of rows that differ from the baseline row in more than method, mixing set and outliers."""
    first = {row: cell for row, cell in ours.by_row().items() if cell.cell.imported is None}  # theirs is not known
    if baseline not in first:
        return ()
    ground = described(first[baseline], without=FACTORS_OF_A_ROW)
    groups: dict[tuple[str, ...], list[str]] = {}
    for row, cell in first.items():
        differences = tuple(_differences(described(cell, without=FACTORS_OF_A_ROW), ground))
        if differences:
            groups.setdefault(differences, []).append(row)
    return tuple(
        f"Confounded with more than the row's own factor ({', '.join(rows)} against {baseline}): "
        f"{'; '.join(differences[:SHOWN_DIFFERENCES])}."
        for differences, rows in groups.items()
    )


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Return "epochs 2 instead of 100" for everything that differs, in the order of importance of the settings."""
    return [
        f"{spoken(path)} {shown(path, mine)} instead of {shown(path, other)}"
        for path, mine, other in differences(ours, theirs)
    ]
