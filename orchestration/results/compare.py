"""Our table next to the published one: how near a row's recipe is to the published one, and what else differs between rows.

A built-in sweep in its full size without overrides *is* the published recipe, up to what the papers leave unstated (`unstated` of
methods, datasets and mixing sets). Any other edition, and any file of the user's, is compared setting by setting with the same
row of that one, and each difference is a reason against comparing. So is each parameter of a benchmark that changes its numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from augment.compound import method_for
from augment.mixing_sets.registry import mixing_set_for
from eval.benchmarks.contract import BenchmarkRequest
from eval.metrics.scores import detail_parts
from eval.tables.column import MEAN, Column
from eval.tables.compare import Recipe, against_baseline, compare
from eval.tables.grid import Table
from eval.tables.published.tables import PublishedTable, published_table
from eval.tables.verdicts import ALPHA
from orchestration.cells.checks.settings import described, differences, shown, spoken
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.keys import plain
from orchestration.cells.resolved import ResolvedSweep
from orchestration.results.notes import changed_parameter
from trainers.datasets.registry import dataset_for

SHOWN_DIFFERENCES: Final = 6
FACTORS_OF_A_ROW: Final = ("method", "method_params", "mixing_set", "outliers", "seed")
_TOLD_BY_MARKS: Final = frozenset({"max_images", "keep_logits"})
"""Parameters of a benchmark that a mark of the entry tells, or that change no number."""


def compared(
    tables: Sequence[Table], ours: ResolvedSweep, full: ResolvedSweep, *, alpha: float = ALPHA
) -> tuple[Table, ...]:
    """Return the tables of a sweep with the published numbers and verdicts next to ours.

    Args:
        tables: One table, or one for each part of a union.
        ours: The sweep in the size and with the overrides that were run.
        full: The sweep of the published recipes and evaluations (`orchestration.cells.load.full_size`).
        alpha: Level of each verdict; less where seeds are added until verdicts are decided.
    """
    made: list[Table] = []
    for table, mine, whole in zip(tables, ours.leaves, full.leaves, strict=True):
        published = mine.sweep.table.published if mine.sweep.table is not None else None
        if published is None:
            made.append(table)
        else:
            printed = published_table(published)
            rows = {row: cell for row in mine.by_row() if (cell := _published_row(row, whole, printed)) is not None}
            made.append(compare(table, printed, recipes(mine, rows), evaluations(mine, rows), alpha=alpha))
    return tuple(made)


def tested(table: Table, ours: ResolvedSweep) -> Table:
    """Return a table with each row tested against the baseline row, and notes on rows that differ from it in more."""
    spec = ours.sweep.table
    if spec is None or spec.baseline not in table.rows or table.rank_along != "column":
        return table
    evaluated = against_baseline(table, str(spec.baseline))
    return replace(evaluated, notes=(*evaluated.notes, *confounds(ours, str(spec.baseline))))


def _published_row(row: str, full: ResolvedSweep, printed: PublishedTable) -> ResolvedCell | None:
    """Return a cell of the row that is published under a label, whatever its case, or None where there is none."""
    known = full.by_row()
    return known.get(row) or known.get(printed.row_named(row) or "")


def recipes(ours: ResolvedSweep, published: Mapping[str, ResolvedCell]) -> Callable[[str], Recipe]:
    """Return the function that says how near a row's recipe is to the published one.

    Args:
        published: Label of a row of ours -> a cell of the published row.
    """
    mine = ours.by_row()

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


def evaluations(ours: ResolvedSweep, published: Mapping[str, ResolvedCell]) -> Callable[[str, Column], tuple[str, ...]]:
    """Return the function that says what of a row's evaluation in a column is not as published.

    Args:
        published: Label of a row of ours -> a cell of the published row.
    """
    mine = ours.by_row()

    def differs_of(row: str, column: Column) -> tuple[str, ...]:
        pairs = [
            (request, other)
            for request in (mine[row].benchmarks if row in mine else ())
            for other in (published[row].benchmarks if row in published else ())
            if request.name == other.name == column.benchmark and request.is_own == column.is_own
        ]
        return tuple(text for request, other in pairs for text in _evaluated_otherwise(request, other, column))

    return differs_of


def _evaluated_otherwise(ours: BenchmarkRequest, theirs: BenchmarkRequest, column: Column) -> Iterator[str]:
    """Yield in what two evaluations differ that changes the numbers of a column; a limit on images is a mark of its own."""
    if ours.precision != theirs.precision:
        yield f"evaluated in {ours.precision} instead of {theirs.precision}"
    name = None if column.detail in (None, MEAN) else detail_parts(column.detail)[0]
    for path, mine, other in differences(plain(ours.params), plain(theirs.params)):
        is_of_others = all(isinstance(each, list) and name in each for each in (mine, other))
        is_unused = path == "baseline" and column.spec.unit != "ratio"
        if path not in _TOLD_BY_MARKS and not is_of_others and not is_unused:
            yield changed_parameter(path, mine, other)


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
