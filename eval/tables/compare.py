"""Our table next to a published one, and each row next to the baseline row.

A verdict is given only where the recipe is the published one, wholly or up to stated unknowns; elsewhere the published number is
shown as not comparable, with the reason. Numbers whose source contradicts itself are shown and never evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from eval.errors import EvalError
from eval.tables.column import Column
from eval.tables.grid import MARKS, ColumnSpec, Entry, Reference, RowTest, Table, is_same_part
from eval.tables.published.tables import PublishedTable, PublishedValue
from eval.tables.statistics import FEWEST_TESTED, holm, paired_test
from eval.tables.verdicts import ALPHA, evaluate_values, tolerance_for

RecipeClass = Literal["published", "published up to unknowns", "not comparable"]

_GENERATED: Final = "generated images here, published files there"
STAND_INS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "c-generated": ("c", _GENERATED),
        "cbar-generated": ("cbar", _GENERATED),
        "p-generated": ("p", _GENERATED),
        "mnist-c-generated": ("mnist-c", _GENERATED),
        "ood-generated": ("ood", "drawn outliers only"),
        "pgd": ("pgd-reference", "strict attack here; the published script reaches twice as far"),
    }
)
"""Benchmark -> the published one whose number may be shown next to it, and why the two cannot be compared."""

_METRIC_STAND_INS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"rms": ("rms-reference", "every bin counts here; the published function leaves the last one out")}
)
_NOT_THE_SAME_QUANTITY: Final = ("limited", "small", "fewer-sets", "imported", "contradicted")
"""Marks of entries that a published number says nothing about."""
_AXIS_NAMES: Final[Mapping[str, str]] = MappingProxyType({"max_rounds": "k"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How near a row's recipe is to the published one.

    Attributes:
        reasons: The unknowns, or what differs ("epochs 2 instead of 100").
    """

    kind: RecipeClass
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind != "published" and not self.reasons:
            raise ValueError(f"a recipe that is {self.kind!r} must say why")


RecipeOf = Callable[[str], Recipe]
"""Row label of the sweep -> how near its recipe is."""
DiffersOf = Callable[[str, Column], Sequence[str]]
"""Row label of the sweep, column -> what of its evaluation is not as published ("severities 3 (of 1, 2, 3, 4, 5)")."""


def _nothing_differs(row: str, column: Column) -> Sequence[str]:
    return ()


def compare(
    table: Table,
    published: PublishedTable,
    recipe_of: RecipeOf,
    differs_of: DiffersOf = _nothing_differs,
    *,
    alpha: float = ALPHA,
) -> Table:
    """Return the table with the published numbers next to ours, with a verdict, and in place of those that are missing.

    Args:
        recipe_of: How near each row's recipe is to the published one.
        differs_of: What of the evaluation of a row is not as published, by column.
        alpha: Level of each test; see `eval.tables.verdicts.alpha_of_look` where seeds are added until a verdict is reached.
    """
    found = {
        (i, j): _reference(table, i, j, entry, published, recipe_of, differs_of, alpha)
        for i, row in enumerate(table.entries)
        for j, entry in enumerate(row)
    }
    entries = tuple(
        tuple(entry and replace(entry, reference=found[i, j]) for j, entry in enumerate(row))
        for i, row in enumerate(table.entries)
    )
    expected = {(i, j): each for (i, j), each in found.items() if each is not None and table.entries[i][j] is None}
    notes = (*table.notes, *_notes(table, published, recipe_of), *_evaluation_notes(table, differs_of))
    return replace(table, entries=entries, expected=expected, notes=notes)


def against_baseline(table: Table, baseline: str) -> Table:
    """Return the table with a paired-by-seed test of every row against the baseline row, Holm-corrected over the whole table.

    Entries with fewer than three seeds in common with the baseline are not tested and get no mark, nor are those of which
    only one side is on a part of the images or of the outlier sets.

    Raises:
        EvalError: If there is no such row, or rows are not what is compared in this layout.
    """
    if baseline not in table.rows or table.rank_along != "column":
        raise EvalError(f"no row {baseline!r} to compare with; rows: {list(table.rows)}")
    reference = table.entries[table.rows.index(baseline)]
    found, has_too_few = {}, False
    for i, row in enumerate(table.entries):
        for j, (entry, other) in enumerate(zip(row, reference, strict=True)):
            if entry is not None and other is not None and table.rows[i] != baseline and is_same_part(entry, other):
                test = paired_test(entry.values, other.values)
                if test is not None and test.p_value is not None:
                    found[i, j] = test
                else:
                    has_too_few = True
    adjusted = dict(zip(found, holm([test.p_value or 0.0 for test in found.values()]), strict=True))
    tests = {
        place: RowTest(
            difference=test.difference,
            n=test.n,
            adjusted_p=adjusted[place],
            outcome=_outcome(test.difference, adjusted[place], table.columns[place[1]], ALPHA),
        )
        for place, test in found.items()
    }
    entries = tuple(
        tuple(entry and replace(entry, against=tests.get((i, j))) for j, entry in enumerate(row))
        for i, row in enumerate(table.entries)
    )
    notes = []
    if tests:
        notes.append(
            f"⁺ better, ⁻ worse than {baseline}: paired by seed, Holm-corrected over the table, level {ALPHA:g}."
        )
    if has_too_few:
        notes.append(f"Differences from {baseline} are tested from {FEWEST_TESTED} common seeds on.")
    return replace(table, entries=entries, notes=(*table.notes, *notes))


def find_published(table: Table, i: int, j: int, published: PublishedTable) -> tuple[PublishedValue, str | None] | None:
    """Return the printed number for an entry and, where it measures something else, why it cannot be compared; or None."""
    row, column = _place(table, i, j)
    exact = published.lookup(row, column)
    if exact is not None:
        return exact, None
    there, why_benchmark = STAND_INS.get(column.benchmark, (column.benchmark, None))
    for metric, why_metric in ((column.metric, None), _METRIC_STAND_INS.get(column.metric, (column.metric, None))):
        value = published.lookup(row, replace(column, benchmark=there, metric=metric))
        if value is not None:
            return value, "; ".join(why for why in (why_benchmark, why_metric) if why) or None
    return None


def _reference(
    table: Table,
    i: int,
    j: int,
    entry: Entry | None,
    published: PublishedTable,
    recipe_of: RecipeOf,
    differs_of: DiffersOf,
    alpha: float,
) -> Reference | None:
    found = find_published(table, i, j, published)
    if found is None:
        return None
    value, difference = found
    recipe = recipe_of(_row_label(table, i, j))
    obstacles = [reason for reason in (difference, value.doubt and f"doubtful source: {value.doubt}") if reason]
    obstacles += [MARKS[mark] for mark in _NOT_THE_SAME_QUANTITY if entry is not None and mark in entry.marks]
    obstacles += differs_of(_row_label(table, i, j), _column_of(table, i, j))
    if recipe.kind == "not comparable":
        obstacles.extend(recipe.reasons)
    if obstacles:
        return Reference(value=value.value, verdict="not comparable", reason="; ".join(obstacles))
    if entry is None:
        return Reference(value=value.value, verdict="")
    spec = table.columns[j]
    tolerance = tolerance_for(spec.column)
    verdict = evaluate_values(entry.values, value, tolerance, lower_is_better=spec.lower_is_better, alpha=alpha)
    reason = f"within {verdict.tolerance:g}: {tolerance.why}"
    if recipe.reasons:
        reason += f"; unknown in the source: {', '.join(recipe.reasons)}"
    return Reference(value=value.value, verdict=str(verdict), reason=reason)


def _place(table: Table, i: int, j: int) -> tuple[str, Column]:
    """Return the published row label and column that an entry belongs to, by layout."""
    spec = table.columns[j]
    if table.rank_along == "row":
        return spec.label, _column_of(table, i, j)
    if table.rank_along == "grid":
        axis = _AXIS_NAMES.get(table.across_name, table.across_name)
        return f"{table.corner}={table.rows[i]},{axis}={spec.across}", spec.column
    return table.rows[i], spec.column


def _column_of(table: Table, i: int, j: int) -> Column:
    """Return the column that an entry's values come from: where fine rows are the rows of a table, that of its row."""
    column = table.columns[j].column
    return column.of_row(table.rows[i]) if table.rank_along == "row" else column


def _row_label(table: Table, i: int, j: int) -> str:
    return table.columns[j].label if table.rank_along == "row" else table.rows[i]


def _notes(table: Table, published: PublishedTable, recipe_of: RecipeOf) -> tuple[str, ...]:
    labels = [spec.label for spec in table.columns] if table.rank_along == "row" else list(table.rows)
    recipes = {label: recipe_of(label) for label in dict.fromkeys(labels)}
    notes = [f"In brackets: {published.source}."]
    grouped: dict[Recipe, list[str]] = {}
    for label, recipe in recipes.items():
        grouped.setdefault(recipe, []).append(label)
    for recipe, members in grouped.items():
        if recipe.kind != "published":
            who = "all rows" if len(members) == len(recipes) else ", ".join(members)
            notes.append(f"{recipe.kind[0].upper()}{recipe.kind[1:]} ({who}): {'; '.join(recipe.reasons)}.")
    return (*notes, *(f"{note}." for note in published.notes))


def _evaluation_notes(table: Table, differs_of: DiffersOf) -> tuple[str, ...]:
    """Return a line for each benchmark of which an evaluation is not as published."""
    found: dict[str, None] = {}
    for i, row in enumerate(table.entries):
        for j, entry in enumerate(row):
            column = _column_of(table, i, j)
            differences = differs_of(_row_label(table, i, j), column) if entry is not None else ()
            if differences:
                found[f"Not comparable ({column.heading}): {'; '.join(differences)}."] = None
    return tuple(found)


def _outcome(
    difference: float, adjusted_p: float, spec: ColumnSpec, alpha: float
) -> Literal["better", "worse", "no difference shown"]:
    if adjusted_p >= alpha or difference == 0.0:
        return "no difference shown"
    return "better" if (difference < 0.0) == spec.lower_is_better else "worse"
