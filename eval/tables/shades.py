"""How far entries are from a reference, in units of the noise between seeds: what colours of heat maps are made of.

A shade is 0 within the noise, and grows from there to 1 (better) or -1 (worse) at `FULL_AT` times the noise. It says what a
difference is worth, whichever entry happens to be the best or the worst.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from eval.tables.column import Column
from eval.tables.grid import Table, ranked_labels
from eval.tables.statistics import CONFIDENCE, Summary, t_quantile
from eval.tables.verdicts import tolerance_for

FULL_AT: Final = 5.0
"""Times the noise at which a shade is full."""
_PRINTED: Final[Mapping[bool, float]] = {True: 0.0005, False: 0.05}
"""Whether a column is in percent -> half of the last digit that is printed: what prints alike is not told apart by a colour."""

Shades = tuple[tuple[float | None, ...], ...]


def noise_of(summaries: Sequence[Summary], column: Column) -> float | None:
    """Return the difference of two means that chance alone seldom exceeds, in the unit of the column; or None if it is not known.

    It is the half-width of the 95 % t interval of a difference of two rows with as many seeds as the row that has fewest, their
    spread pooled over all rows; where no row has two seeds, the declared spread between seeds (`tolerances.yaml`).
    """
    repeated = [each for each in summaries if each.n > 1 and each.spread is not None]
    floor = _PRINTED[column.spec.is_percent]
    if not repeated:
        try:
            return max(tolerance_for(column).tolerance, floor)
        except KeyError:
            return None
    df = sum(each.n - 1 for each in repeated)
    variance = math.fsum((each.n - 1) * (each.spread or 0.0) ** 2 for each in repeated) / df
    fewest = min(each.n for each in repeated)
    return max(t_quantile(0.5 + CONFIDENCE / 2, df) * math.sqrt(2.0 * variance / fewest), floor)


def shade(value: float, reference: float, noise: float, *, lower_is_better: bool) -> float:
    """Return the shade of a value in [-1, 1]; above 0 is better than the reference."""
    size = (abs(value - reference) / noise - 1.0) / (FULL_AT - 1.0)
    if size <= 0.0:
        return 0.0
    return math.copysign(min(size, 1.0), (reference - value) if lower_is_better else (value - reference))


def shades_of(
    summaries: Mapping[str, Summary], column: Column, baseline: str | None, *, lower_is_better: bool
) -> dict[str, float | None]:
    """Return the shade of each of some entries that are compared with each other, by label; None where noise is not known.

    Args:
        baseline: Label of the entry that the others are compared with; without it they are compared with their median.
    """
    noise = noise_of(list(summaries.values()), column)
    if noise is None or len(summaries) < 2:
        return dict.fromkeys(summaries)
    means = sorted(each.mean for each in summaries.values())
    middle = (means[(len(means) - 1) // 2] + means[len(means) // 2]) / 2
    reference = summaries[baseline].mean if baseline is not None and baseline in summaries else middle
    return {
        label: shade(each.mean, reference, noise, lower_is_better=lower_is_better) for label, each in summaries.items()
    }


def table_shades(table: Table, baseline: str | None) -> Shades:
    """Return the shade of each entry of a table, among the entries that it seeks the best of; None where there is none.

    An entry that is never ranked next to the others has none: of another suite, or on a part of what the others are on.

    Args:
        baseline: Row that each other is compared with, where a table compares rows; None for the median.
    """
    found: dict[tuple[int, int], float | None] = {}
    for members in _groups(table):
        spec = table.columns[members[0][1]]
        labels = {f"{i}/{j}": (i, j) for i, j in members}
        recorded = {label: entry for label, (i, j) in labels.items() if (entry := table.entries[i][j]) is not None}
        ranked = ranked_labels({label: entry.marks for label, entry in recorded.items()})
        by_label = {label: recorded[label].summary for label in ranked}
        reference = f"{table.rows.index(baseline)}/{members[0][1]}" if baseline in table.rows else None
        found |= {
            labels[label]: value
            for label, value in shades_of(
                by_label, spec.column, reference, lower_is_better=spec.lower_is_better
            ).items()
        }
    return tuple(tuple(found.get((i, j)) for j in range(len(table.columns))) for i in range(len(table.rows)))


def column_noise(table: Table, j: int) -> float | None:
    """Return the noise of a column of a table, or None where it is not known or nothing is recorded."""
    summaries = [entry.summary for row in table.entries if (entry := row[j]) is not None]
    return noise_of(summaries, table.columns[j].column) if summaries else None


def _groups(table: Table) -> Iterator[list[tuple[int, int]]]:
    """Yield the positions of entries that are compared with each other: a column, a row's group, or the whole grid."""
    groups: dict[object, list[tuple[int, int]]] = {}
    for i in range(len(table.rows)):
        for j, spec in enumerate(table.columns):
            keys = {"column": j, "row": (i, spec.column), "grid": spec.column}
            groups.setdefault(keys[table.rank_along], []).append((i, j))
    yield from groups.values()
