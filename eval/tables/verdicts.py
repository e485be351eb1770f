"""Verdicts: is our mean the published number, better, worse, or not decided yet?

A published number is one draw of unknown spread, rounded. Ours counts as *reproduced* when two one-sided tests show that our
mean is within a tolerance of it: half of the last printed digit plus a declared floor for the spread between seeds
(`tolerances.yaml`). It is *better* or *worse* when our mean is shown to be beyond the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

import yaml

from augment.lookup.wording import count
from eval.tables.column import Column
from eval.tables.published.tables import PublishedValue
from eval.tables.statistics import FEWEST_TESTED, equivalence_p, mean_of, one_sided_p, sample_std, t_quantile

ALPHA: Final = 0.05
MOST_SEEDS: Final = 100
"""Estimates of needed seeds stop here."""

Outcome = Literal["reproduced", "better", "worse", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far a reproduced mean may be from a published number, and why."""

    tolerance: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the seeds so far say.

    Attributes:
        tolerance: The distance it was reached with, rounding included.
        more_seeds: About how many more seeds would decide it, or None when it is decided or too many.
    """

    outcome: Outcome
    tolerance: float
    more_seeds: int | None = None

    def __str__(self) -> str:
        if self.outcome != "undecided":
            return self.outcome
        if self.more_seeds is None:
            return "undecided"
        return f"undecided (about {count(self.more_seeds, 'more seed')})"


def tolerance_for(column: Column) -> Tolerance:
    """Return the tolerance of a column: that of `<benchmark>/<metric>`, else of the metric.

    Raises:
        KeyError: If the metric has none.
    """
    table = _tolerances()
    return table.get(f"{column.benchmark}/{column.metric}") or table[column.metric]


def alpha_of_look(planned_looks: int) -> float:
    """Return the level of each look where seeds are added until a verdict is reached (Bonferroni over the planned looks).

    Raises:
        ValueError: If no look is planned.
    """
    if planned_looks < 1:
        raise ValueError(f"at least one look must be planned, but got {planned_looks}")
    return ALPHA / planned_looks


def evaluate_values(
    values: Mapping[int, float],
    published: PublishedValue,
    tolerance: Tolerance,
    *,
    lower_is_better: bool,
    alpha: float = ALPHA,
) -> Verdict:
    """Return the verdict on some seeds.

    Args:
        values: Seed -> value, in the unit of the published number.
        tolerance: Declared floor for the spread between seeds.
    """
    width = tolerance.tolerance + published.half_step
    ours = [values[seed] for seed in sorted(values)]
    inside = equivalence_p(ours, published.value, width)
    below = one_sided_p(ours, published.value - width, above=False)
    above = one_sided_p(ours, published.value + width, above=True)
    if inside is not None and inside < alpha:
        return Verdict(outcome="reproduced", tolerance=width)
    if below is not None and below < alpha:
        return Verdict(outcome="better" if lower_is_better else "worse", tolerance=width)
    if above is not None and above < alpha:
        return Verdict(outcome="worse" if lower_is_better else "better", tolerance=width)
    return Verdict(outcome="undecided", tolerance=width, more_seeds=_more_seeds(ours, published.value, width, alpha))


def _more_seeds(ours: list[float], target: float, width: float, alpha: float) -> int | None:
    """Estimate how many more seeds would decide, if mean and spread stay; the spread is at least half the tolerance."""
    mean = mean_of(ours)
    spread = max(sample_std(ours) if len(ours) > 1 else 0.0, 0.5 * width)
    # To the nearer edge of the tolerance: a mean is decided on either side of it.
    distance = abs(abs(mean - target) - width)
    for n in range(max(FEWEST_TESTED, len(ours) + 1), MOST_SEEDS + 1):
        # One-sided, as the tests are.
        if t_quantile(1.0 - alpha, n - 1) * spread / math.sqrt(n) < distance:
            return n - len(ours)
    return None


@cache
def _tolerances() -> Mapping[str, Tolerance]:
    raw = yaml.safe_load(Path(__file__).with_name("tolerances.yaml").read_text(encoding="utf-8"))
    return {name: Tolerance(tolerance=float(each["tolerance"]), why=each["why"]) for name, each in raw.items()}
