"""Statistics of table entries in plain Python: a warm table loads no NumPy and no SciPy.

Student's t distribution comes from the regularised incomplete beta function (continued fraction of Lentz; Press et al.,
"Numerical Recipes", section 6.4), exact to about 1e-12.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

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
        low: Lower end of the 95 % t interval of the mean, or None for one value.
        high: Upper end.
    """

    mean: float
    n: int
    spread: float | None
    low: float | None
    high: float | None


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
    """Return mean, sample spread and 95 % t interval.

    Raises:
        ValueError: If there are no values, or one is not finite.
    """
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(f"a table entry needs at least one finite value, but got {list(values)}")
    n, mean = len(values), mean_of(values)
    if n == 1:
        return Summary(mean=mean, n=1, spread=None, low=None, high=None)
    spread = sample_std(values)
    half = t_quantile(0.5 + CONFIDENCE / 2, n - 1) * spread / math.sqrt(n)
    return Summary(mean=mean, n=n, spread=spread, low=mean - half, high=mean + half)


def mean_of(values: Sequence[float]) -> float:
    """Return the mean, never outside the values: rounding would give three equal ones a spread, and a test of it any answer."""
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
    if t * t < df:  # near the middle the tail would lose its digits
        middle = 0.5 * _incomplete_beta(0.5, 0.5 * df, t * t / (df + t * t))
        return 0.5 + math.copysign(middle, t)
    tail = 0.5 * _incomplete_beta(0.5 * df, 0.5, df / (df + t * t))
    return 1.0 - tail if t > 0.0 else tail


@cache
def t_quantile(probability: float, df: int) -> float:
    """Return the t with that cumulative probability, by bisection.

    Raises:
        ValueError: If the probability is not in (0, 1) or there is no degree of freedom.
    """
    if not 0.0 < probability < 1.0 or df < 1:
        raise ValueError(f"a t quantile needs 0 < p < 1 and df >= 1, but got p {probability} and df {df}")
    if probability < 0.5:
        return -t_quantile(1.0 - probability, df)
    low, high = 0.0, 1.0
    while t_cdf(high, df) < probability:
        high *= 2.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        low, high = (middle, high) if t_cdf(middle, df) < probability else (low, middle)
    return 0.5 * (low + high)


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
    """Return the p-value of the two one-sided tests that the mean lies within `tolerance` of `target`, or None.

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
    p_value = None if upper is None or lower is None else min(1.0, 2.0 * min(upper, lower))
    return PairedTest(difference=mean, n=len(seeds), p_value=p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for testing all of them (Holm, "A simple sequentially rejective multiple test procedure", 1979).

    The order is kept; an adjusted value below alpha may be called significant.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for position, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - position) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b)."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1.0) / (a + b + 2.0):
        return math.exp(log_front) * _beta_fraction(a, b, x) / a
    return 1.0 - math.exp(log_front) * _beta_fraction(b, a, 1.0 - x) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0), tiny)
    result = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for term in (even, odd):
            d = 1.0 / _away_from_zero(1.0 + term * d, tiny)
            c = _away_from_zero(1.0 + term / c, tiny)
            result *= c * d
        if abs(c * d - 1.0) < 1e-16:
            break
    return result


def _away_from_zero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
