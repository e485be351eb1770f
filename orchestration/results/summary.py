"""What a table says, in two plain sentences: which row improves most on the baseline row, and where it does not.

A difference counts where the test of the table says so (`eval.tables.compare.against_baseline`), or where it exceeds the noise
between seeds (`eval.tables.shades`); any other is called within the noise, however large it looks. Numbers are those that the
table prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from augment.lookup.wording import count
from eval.tables.grid import MARKS, ColumnSpec, Entry, Table, is_same_part, shown_value
from eval.tables.shades import column_noise, shade
from eval.tables.statistics import FEWEST_TESTED

MOST_NAMED: Final = 4
"""Columns of one kind that a sentence names; more are counted."""
_DECIMALS: Final = 1

ONE_SEED_OF_A_PART: Final = (
    "One seed on a part of the test images shows that everything runs, not which row is better: "
    "a single image may be a point."
)

Evidence = Literal["test", "noise", "none", "unknown"]
"""test: the table's test says so; noise: it exceeds the noise between seeds; none: it does not; unknown: that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An entry next to that of the baseline row, in one column.

    Attributes:
        row: Position of its row.
        size: How far beyond the noise it is, from 0 to 1 (`eval.tables.shades.shade`).
    """

    row: int
    spec: ColumnSpec
    ours: Entry
    baseline: Entry
    evidence: Evidence
    size: float

    @property
    def counts(self) -> bool:
        """Whether it is shown to be more than noise."""
        return self.evidence in ("test", "noise")

    @property
    def difference(self) -> float:
        """The entry's mean minus the baseline's."""
        return self.ours.summary.mean - self.baseline.summary.mean

    @property
    def is_better(self) -> bool:
        """Whether the difference, if it counts, is for the better."""
        return (self.difference < 0.0) == self.spec.lower_is_better

    @property
    def num_seeds(self) -> int:
        """Seeds of the entry that has fewer."""
        return min(self.ours.summary.n, self.baseline.summary.n)

    @property
    def numbers(self) -> str:
        """Return "17.2 to 2.9 %", or "2.5 % in both"."""
        unit = " %" if self.spec.is_percent else ""
        before, after = (
            f"{shown_value(entry.summary.mean, self.spec, _DECIMALS):.{_DECIMALS}f}"
            for entry in (self.baseline, self.ours)
        )
        return f"{before}{unit} in both" if before == after else f"{before} to {after}{unit}"


def summary_of(table: Table, baseline: str | None) -> tuple[str, ...]:
    """Return two sentences on a table whose rows are compared with a baseline row; one where nothing can be compared
    yet, or where the numbers are not meant to be.

    Args:
        baseline: Label of that row. Without it, and for tables that do not compare rows, there is nothing to say: ().
    """
    if baseline not in table.rows or table.rank_along != "column" or len(table.rows) == 1:
        return ()
    changes = _changes(table, table.rows.index(baseline))
    if not changes:
        return (f"Nothing can be compared with {baseline} yet.",)
    if all(each.num_seeds == 1 and "limited" in each.ours.marks for each in changes):
        return (ONE_SEED_OF_A_PART,)
    gains = [each for each in changes if each.counts and each.is_better]
    if not gains:
        return _without_gains(table, baseline, changes)
    best = _strongest_row(gains)
    own = [each for each in gains if each.row == best]
    name, num_rows = table.rows[best], len(table.rows) - 1
    who = f"Of the {num_rows} other rows, {name} improves most on" if num_rows > 1 else f"{name} improves on"
    first = f"{who} {baseline}: it {_moves(own, 'improves')} ({_evidence(own)})."
    return first, _elsewhere(table, [each for each in changes if each.row == best])


def _changes(table: Table, at: int) -> list[Change]:
    """Return what can be compared with the row at a position, row by row."""
    found = []
    for j, spec in enumerate(table.columns):
        noise, other = column_noise(table, j), table.entries[at][j]
        for i, row in enumerate(table.entries):
            entry = row[j]
            if i != at and entry is not None and other is not None and _is_comparable(entry, other):
                found.append(_change(i, spec, entry, other, noise))
    return found


def _is_comparable(entry: Entry, other: Entry) -> bool:
    # Other suites define the numbers that are imported from them otherwise.
    return is_same_part(entry, other) and "imported" not in entry.marks | other.marks


def _change(row: int, spec: ColumnSpec, entry: Entry, other: Entry, noise: float | None) -> Change:
    ours, theirs = entry.summary.mean, other.summary.mean
    size = 0.0 if noise is None else abs(shade(ours, theirs, noise, lower_is_better=spec.lower_is_better))
    evidence: Evidence = "none"
    if shown_value(ours, spec, _DECIMALS) != shown_value(theirs, spec, _DECIMALS):
        is_tested = entry.against is not None and entry.against.outcome != "no difference shown"
        evidence = "test" if is_tested else "unknown" if noise is None else "noise" if size > 0.0 else "none"
    return Change(row=row, spec=spec, ours=entry, baseline=other, evidence=evidence, size=size)


def _strongest_row(changes: Sequence[Change]) -> int:
    """Return the row with the largest changes, added up over columns; the upper one of equal ones."""

    def strength(row: int) -> tuple[float, float]:
        own = [each for each in changes if each.row == row]
        # Differences of columns have no common unit; they only tell rows apart that are equally far beyond the noise.
        return sum(each.size for each in own), sum(abs(each.difference) for each in own)

    return max(sorted({each.row for each in changes}), key=strength)


def _without_gains(table: Table, baseline: str, changes: Sequence[Change]) -> tuple[str, str]:
    first = f"No row is shown to improve on {baseline} in any column ({_evidence(changes)})."
    losses = [each for each in changes if each.counts]
    if losses:
        worst = _strongest_row(losses)
        moves = _moves([each for each in losses if each.row == worst], "changes")
        return first, f"{table.rows[worst]} gets worse the most: it {moves}."
    if any(each.evidence == "unknown" for each in changes):
        return first, "Of some columns the noise is not known; elsewhere every difference is within it."
    return first, "Every difference is within the noise."


def _elsewhere(table: Table, changes: Sequence[Change]) -> str:
    """Return the sentence on the columns in which a row, of which these are the changes, does not improve on the baseline row."""
    worse = [each for each in changes if each.counts and not each.is_better]
    noise = [each for each in changes if each.evidence == "none"]
    unknown = [each for each in changes if each.evidence == "unknown"]
    compared = {each.spec.key for each in changes}
    missing = [_name(spec) for spec in table.columns if spec.key not in compared]
    clauses = []
    if worse:
        clauses.append(f"it {_moves(worse, 'changes')}, which is worse")
    if noise:
        clauses.append(f"{_listed(_pairs(noise))} {'is' if len(noise) == 1 else 'are'} within the noise")
    if unknown:
        clauses.append(f"the noise of {_listed(_pairs(unknown))} is not known")
    if missing:
        clauses.append(f"{_listed(missing)} cannot be compared")
    text = "; ".join(clauses) or "it is worse in no column of this table"
    return f"{text[0].upper()}{text[1:]}."


def _moves(changes: Sequence[Change], verb: str) -> str:
    """Return what the largest changes lower and raise, and how many more there are.

    Args:
        verb: What those that are not named do: "improves" or "changes".
    """
    strongest = sorted(changes, key=lambda each: -each.size)[:MOST_NAMED]
    clauses = []
    for says, is_lower in (("lowers", True), ("raises", False)):
        named = [each for each in changes if each in strongest and (each.difference < 0.0) == is_lower]
        if named:
            clauses.append(f"{says} {_listed([f'{_name(each.spec)} from {each.numbers}' for each in named])}")
    more = len(changes) - len(strongest)
    if more:
        clauses.append(f"{verb} {count(more, 'more column')}")
    return clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])}, and {clauses[-1]}"


def _evidence(changes: Sequence[Change]) -> str:
    """Return how well changes are supported, and what marks say of their numbers beyond what the headings say."""
    seeds = min(each.num_seeds for each in changes)
    counting = [each for each in changes if each.counts] or changes
    tested = [each for each in counting if each.evidence == "test"]
    if len(tested) == len(counting):
        text = "tested: paired by seed, corrected for the whole table"
    elif tested:
        text = f"tested: {_listed([_name(each.spec) for each in tested])}; else by the noise between {seeds} seeds"
    elif seeds >= FEWEST_TESTED:
        text = f"by the noise between {seeds} seeds; the test, corrected for the whole table, shows none of it"
    elif seeds > 1:
        text = f"by the noise between {seeds} seeds, too few for a test"
    elif any(entry.summary.n > 1 for each in changes for entry in (each.ours, each.baseline)):
        text = "by the noise between seeds, of which some rows have only one"
    else:
        text = "by more than the usual noise between seeds; one seed is weak evidence"
    marks = {mark for each in changes for mark in each.ours.marks | each.baseline.marks}
    # Headings say what is generated.
    said = [says for mark, says in MARKS.items() if mark in marks and mark != "generated"]
    return "; ".join([text, *said])


def _name(spec: ColumnSpec) -> str:
    return f"{spec.group} {spec.label}"


def _pairs(changes: Sequence[Change]) -> list[str]:
    return [f"{_name(each.spec)} ({each.numbers})" for each in changes]


def _listed(texts: Sequence[str]) -> str:
    """Return "a", "a and b" or "a, b and c"; beyond a few, how many more there are."""
    named = list(texts[:MOST_NAMED])
    if len(texts) > MOST_NAMED:
        named.append(f"{len(texts) - MOST_NAMED} more")
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
