"""Statistics of table entries: means with t intervals, tests paired by seed, and their correction for many tests.

Student's t comes from SciPy, which is loaded by the first test or interval: a printed table without tests needs neither.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from augment.heavy import scipy

CONFIDENCE: Final = 0.95
FEWEST_TESTED: Final = 3
"""Seeds below which nothing is tested: two leave one degree of freedom, where equal differences by chance look certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Some values of one quantity, one per seed.

    Attributes:
        mean: Their mean.
        n: How many they are; 0 where it is not known (of what another suite says).
        spread: Sample standard deviation (n - 1), or None for one value.
    """

    mean: float
    n: int
    spread: float | None

    @property
    def low(self) -> float | None:
        """Lower end of the 95 % t interval of the mean, or None where fewer than two values are known."""
        half = self._half_width()
        return None if half is None else self.mean - half

    @property
    def high(self) -> float | None:
        """Upper end of that interval."""
        half = self._half_width()
        return None if half is None else self.mean + half

    def _half_width(self) -> float | None:
        if self.n < 2 or self.spread is None:
            return None
        return t_quantile(0.5 + CONFIDENCE / 2, self.n - 1) * self.spread / math.sqrt(self.n)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """A paired-by-seed comparison of two rows.

    Attributes:
        difference: Mean of (ours - other) over common seeds.
        n: Common seeds.
        p_value: Two-sided p-value of the paired t test, or None below `FEWEST_TESTED` common seeds.
    """

    difference: float
    n: int
    p_value: float | None


def summarise(values: Sequence[float]) -> Summary:
    """Return mean and sample spread.

    Raises:
        ValueError: If there are no values, or one is not finite.
    """
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(f"a table entry needs at least one finite value, but got {list(values)}")
    return Summary(mean=mean_of(values), n=len(values), spread=sample_std(values) if len(values) > 1 else None)


def mean_of(values: Sequence[float]) -> float:
    """Return the mean, never outside the values: rounding would give three equal ones a spread, and a test of it any answer."""
    # `fsum` rounds once, so that the order of the seeds changes no digit.
    return min(max(math.fsum(values) / len(values), min(values)), max(values))


def sample_std(values: Sequence[float]) -> float:
    """Return the standard deviation with n - 1 in the denominator.

    Raises:
        ValueError: If there are fewer than two values.
    """
    if len(values) < 2:
        raise ValueError(f"a sample standard deviation needs at least two values, but got {len(values)}")
    mean = mean_of(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def t_cdf(t: float, df: int) -> float:
    """Return the probability that Student's t with so many degrees of freedom is at most t."""
    return float(scipy.special.stdtr(df, t))


@cache
def t_quantile(probability: float, df: int) -> float:
    """Return the t with that cumulative probability.

    Raises:
        ValueError: If the probability is not in (0, 1) or there is no degree of freedom.
    """
    if not 0.0 < probability < 1.0 or df < 1:
        raise ValueError(f"a t quantile needs 0 < p < 1 and df >= 1, but got p {probability} and df {df}")
    return float(scipy.special.stdtrit(df, probability))


def one_sided_p(values: Sequence[float], bound: float, *, above: bool) -> float | None:
    """Return the p-value of "the mean is not above (below) the bound", or None below `FEWEST_TESTED` values.

    Without any spread the answer is certain: 0 where the mean is beyond the bound, else 1.
    """
    if len(values) < FEWEST_TESTED:
        return None
    n, mean, spread = len(values), mean_of(values), sample_std(values)
    distance = (mean - bound) if above else (bound - mean)
    if spread == 0.0:
        return 0.0 if distance > 0.0 else 1.0
    return 1.0 - t_cdf(distance / (spread / math.sqrt(n)), n - 1)


def equivalence_p(values: Sequence[float], target: float, tolerance: float) -> float | None:
    """Return the p-value of the two one-sided tests that the mean is within `tolerance` of `target`, or None.

    It is None below `FEWEST_TESTED` values.

    Source: Schuirmann, "A comparison of the two one-sided tests procedure", J. Pharmacokinetics and Biopharmaceutics, 1987.

    Raises:
        ValueError: If the tolerance is not positive.
    """
    if tolerance <= 0.0:
        raise ValueError(f"a tolerance must be positive, but got {tolerance}")
    above = one_sided_p(values, target - tolerance, above=True)
    below = one_sided_p(values, target + tolerance, above=False)
    return None if above is None or below is None else max(above, below)


def paired_test(ours: Mapping[int, float], other: Mapping[int, float]) -> PairedTest | None:
    """Return the paired t test over common seeds, or None where no seed is common.

    Args:
        ours: Seed -> value of the row.
        other: Seed -> value of the row it is compared with.
    """
    seeds = sorted(ours.keys() & other.keys())
    if not seeds:
        return None
    differences = [ours[seed] - other[seed] for seed in seeds]
    mean = mean_of(differences)
    upper = one_sided_p(differences, 0.0, above=True)
    lower = one_sided_p(differences, 0.0, above=False)
    # Where all differences are zero both sides are 1, and twice that is no probability.
    p_value = None if upper is None or lower is None else min(1.0, 2.0 * min(upper, lower))
    return PairedTest(difference=mean, n=len(seeds), p_value=p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for testing all of them (Holm, "A simple sequentially rejective multiple test procedure", 1979).

    SciPy has corrections of the false discovery rate only, not this one. The order is kept; an adjusted value below alpha may be
    called significant.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for position, index in enumerate(order):
        # Step-down: a test counts only where all with smaller p-values do, so that adjusted values never fall.
        highest = max(highest, min(1.0, (len(p_values) - position) * p_values[index]))
        adjusted[index] = highest
    return adjusted
