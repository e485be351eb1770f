"""Adding seeds where a verdict is undecided, look by look, within a budget.

Looking at the same verdict again and again would find differences that are not there. Each look is evaluated at the level divided
by the number of planned looks (Bonferroni), also the last one. Verdicts are those against published numbers; a sweep
that has none to be compared with (a smaller size, other data) is evaluated by the papers' claims instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from augment.lookup.wording import count
from eval.tables.grid import Table
from orchestration.cells.resolve import resolve_sweep
from orchestration.cells.resolved import ResolvedSweep
from orchestration.errors import InputError, Mistake
from orchestration.planning.costs.units import amount
from orchestration.results.claims import EvaluatedClaim
from orchestration.runs.run import SweepRun
from orchestration.sweeps.model import Point, Sweep

UNDECIDED: Final = "undecided"
NOT_COMPARABLE: Final = "not comparable"
ROW_FIELDS: Final = ("row", "over")
ROWS_FIELDS: Final = ("than", "to", "rows", "among")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidingOptions:
    """How far seeds are added.

    Attributes:
        looks: Planned looks, the first included; each is evaluated at the level divided by it.
        budget_hours: Device-hours that added seeds may cost by the estimate, or None for no limit.
    """

    max_seeds: int = 10
    looks: int = 5
    budget_hours: float | None = None

    def __post_init__(self) -> None:
        mistakes = [
            Mistake(where=f"--{name.replace('_', '-')}", text=f"{name} must be {rule}, but got {getattr(self, name)}")
            for name, rule, is_right in (
                ("max_seeds", "at least 2", self.max_seeds >= 2),
                ("looks", "at least 1", self.looks >= 1),
                ("budget_hours", "above 0", self.budget_hours is None or self.budget_hours > 0),
            )
            if not is_right
        ]
        if mistakes:
            raise InputError("options", mistakes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look: what is undecided, by row, and how many seeds each row has.

    Attributes:
        undecided: Row -> what is undecided of it.
        is_possible: Whether there is any verdict at all.
    """

    undecided: Mapping[str, tuple[str, ...]]
    seeds: Mapping[str, int]
    is_possible: bool


def look_at(tables: Sequence[Table], evaluated: Sequence[EvaluatedClaim], sweep: Sweep) -> Look:
    """Return what is undecided: entries against published numbers, or claims where no entry can be compared."""
    undecided: dict[str, list[str]] = {}
    verdicts = 0
    for table in tables:
        for row, entries in zip(table.rows, table.entries, strict=True):
            for spec, entry in zip(table.columns, entries, strict=True):
                reference = entry.reference if entry is not None else None
                if reference is None or reference.verdict == NOT_COMPARABLE:
                    continue
                verdicts += 1
                if reference.verdict.startswith(UNDECIDED):
                    undecided.setdefault(spec.label if table.rank_along == "row" else row, []).append(spec.key)
    if not verdicts:
        checked = [each for each in evaluated if each.ours.truth in ("pass", "fail", UNDECIDED)]
        verdicts = len(checked)
        for each in (one for one in checked if one.ours.truth == UNDECIDED):
            for row in rows_of_claim(each, sweep):
                undecided.setdefault(row, []).append(f"claim {each.claim.name}")
    return Look(
        undecided={row: tuple(found) for row, found in undecided.items()},
        seeds=seeds_by_row(sweep),
        is_possible=verdicts > 0,
    )


def rows_of_claim(evaluated: EvaluatedClaim, sweep: Sweep) -> tuple[str, ...]:
    """Return the rows of a sweep that a claim speaks of; all of them where it compares with every row."""
    rows = {row for part in sweep.leaves for row in part.rows}
    named: dict[str, None] = {}
    for test in evaluated.claim.holds:
        found = [test[name] for name in ROW_FIELDS if name in test]
        for name in ROWS_FIELDS:
            value = test.get(name, ())
            found += [value] if isinstance(value, str) else list(value)
        is_open = test["test"] in ("best", "stable", "undominated", "most-worse-somewhere") and "among" not in test
        named |= dict.fromkeys(sorted(rows) if is_open else found)
    return tuple(row for row in named if row in rows)


def seeds_by_row(sweep: Sweep) -> dict[str, int]:
    """Return how many seeds each row has; of a row that is in several tables, the most."""
    counts: dict[str, int] = {}
    for part in sweep.leaves:
        for row in part.rows:
            counts[row] = max(counts.get(row, 0), len({point.seed for point in part.points if point.row == row}))
    return counts


def with_more_seeds(sweep: Sweep, rows: Sequence[str], seeds: Mapping[str, int]) -> Sweep:
    """Return a sweep in which some rows have more seeds: the smallest numbers that they do not have."""
    if sweep.parts:
        return replace(sweep, parts=tuple(with_more_seeds(part, rows, seeds) for part in sweep.parts))
    points: list[Point] = []
    for row in sweep.rows:
        own = [point for point in sweep.points if point.row == row]
        points += own
        if row not in rows or not own:
            continue
        present = {point.seed for point in own}
        free = (seed for seed in range(len(present) + seeds[row] + 1) if seed not in present)
        fresh = [seed for seed, _ in zip(free, range(seeds[row] - len(present)), strict=False)]
        first = [point for point in own if point.seed == own[0].seed]
        points += [replace(point, seed=seed) for seed in fresh for point in first]
    return replace(sweep, points=tuple(points))


def next_seeds(look: Look, options: DecidingOptions) -> dict[str, int]:
    """Return row -> seeds that it is to have at the next look: half as many again, at least one more; {} where none may."""
    wanted = {row: min(options.max_seeds, max(look.seeds[row] + 1, look.seeds[row] * 3 // 2)) for row in look.undecided}
    return {row: number for row, number in wanted.items() if number > look.seeds[row]}


def run_until_decided(
    resolved: ResolvedSweep,
    run: Callable[[ResolvedSweep], SweepRun],
    evaluate: Callable[[SweepRun], Look],
    hours: Callable[[ResolvedSweep], float],
    *,
    options: DecidingOptions,
    notify: Callable[[str], None],
) -> SweepRun:
    """Run a sweep, and again with more seeds where a verdict is undecided, until all are decided or a limit is met.

    Returns:
        The last run, of the sweep with all added seeds.
    """
    made, spent = run(resolved), 0.0
    for number in range(1, options.looks + 1):
        look = evaluate(made)
        if made.outcome.status != "complete" or not look.is_possible or not look.undecided:
            notify(_ending(made, look, number))
            return made
        wanted = next_seeds(look, options)
        if number == options.looks or not wanted:
            limit = f"{options.looks} looks" if number == options.looks else f"{options.max_seeds} seeds a row"
            notify(f"still undecided after {limit}: {_listed(look)}")
            return made
        sweep = with_more_seeds(resolved.sweep, list(wanted), wanted)
        larger = resolve_sweep(sweep, resolved.catalogue, source=resolved.source)
        cost = hours(larger)
        if options.budget_hours is not None and spent + cost > options.budget_hours:
            notify(f"still undecided, and {amount(cost)} more device-hours would exceed the budget: {_listed(look)}")
            return made
        spent += cost
        notify(f"look {number} of {options.looks}: undecided: {_listed(look)}; adding seeds")
        resolved, made = larger, run(larger)
    return made


def _ending(made: SweepRun, look: Look, number: int) -> str:
    if made.outcome.status != "complete":
        return f"no more seeds are added: the run is {made.outcome.status}"
    if not look.is_possible:
        return "no verdict is possible here, so no seed is added"
    return f"every verdict is decided after look {number}"


def _listed(look: Look) -> str:
    return "; ".join(
        f"{row} ({count(len(found), 'verdict')}, {count(look.seeds[row], 'seed')})"
        for row, found in look.undecided.items()
    )
