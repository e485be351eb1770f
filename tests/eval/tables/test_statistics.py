"""Statistics against SciPy's own tests and against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.tables.statistics import (
    equivalence_p,
    holm,
    one_sided_p,
    paired_test,
    sample_std,
    summarise,
    t_cdf,
    t_quantile,
)

SETTINGS = settings(max_examples=60, deadline=None)
numbers = st.floats(-100, 100)


@pytest.mark.parametrize(
    ("t", "df", "probability"),
    [
        (0.3, 2, 0.6037571695799111),
        (1.0, 1, 0.75),
        (-2.5, 4, 0.03338327240599406),
        (2.0, 9, 0.9617235881146495),
        (-6.3, 2, 0.012140679868769728),
        (0.001, 30, 0.5003956321167574),
        (8.25, 7, 0.9999625746194727),
        (-1.7, 200, 0.04534273974574082),
    ],
)
def test_the_t_distribution_keeps_the_digits_of_the_continued_fraction(t, df, probability):
    """Values of the incomplete beta function by the continued fraction of Lentz (Numerical Recipes, section 6.4)."""
    assert t_cdf(t, df) == pytest.approx(probability, abs=1e-15)


@pytest.mark.parametrize(
    ("probability", "df", "quantile"),
    [
        (0.975, 1, 12.706204736174659),
        (0.975, 2, 4.302652729749456),
        (0.95, 3, 2.353363434801821),
        (0.975, 4, 2.7764451051977908),
        (0.9, 9, 1.3830287383966375),
        (0.01, 29, -2.462021360150408),
        (0.999, 1000, 3.098402163912958),
    ],
)
def test_t_quantiles_keep_the_digits_of_bisection(probability, df, quantile):
    assert t_quantile(probability, df) == pytest.approx(quantile, rel=1e-12)


@pytest.mark.parametrize(("probability", "df"), [(0.0, 3), (1.0, 3), (0.5, 0)])
def test_quantiles_outside_the_distribution_are_refused(probability, df):
    with pytest.raises(ValueError, match="a t quantile needs"):
        t_quantile(probability, df)


def test_the_interval_of_three_seeds_by_hand():
    summary = summarise([0.20, 0.21, 0.22])
    half = 4.302652729911275 * 0.01 / math.sqrt(3)
    assert summary.mean == pytest.approx(0.21)
    assert summary.spread == pytest.approx(0.01)
    assert (summary.low, summary.high) == pytest.approx((0.21 - half, 0.21 + half))
    assert summary.n == 3


def test_one_seed_has_no_spread_and_no_interval():
    summary = summarise([0.5])
    assert (summary.spread, summary.low, summary.high, summary.n) == (None, None, None, 1)


@pytest.mark.parametrize("values", [[], [0.1, float("nan")], [float("inf")]])
def test_nothing_and_no_numbers_cannot_be_summarised(values):
    with pytest.raises(ValueError, match="at least one finite value"):
        summarise(values)


@SETTINGS
@given(st.lists(numbers, min_size=2, max_size=12))
def test_spread_is_the_sample_standard_deviation(values):
    assert sample_std(values) == pytest.approx(np.std(values, ddof=1), abs=1e-9)


@SETTINGS
@given(st.lists(numbers, min_size=3, max_size=8), st.lists(numbers, min_size=3, max_size=8))
def test_the_paired_test_agrees_with_scipy(ours, other):
    from scipy.stats import ttest_rel

    n = min(len(ours), len(other))
    found = paired_test(dict(enumerate(ours)), dict(enumerate(other)))
    differences = np.array(ours[:n]) - np.array(other[:n])
    assert found.n == n
    if np.ptp(differences) > 1e-6:
        assert found.p_value == pytest.approx(ttest_rel(ours[:n], other[:n]).pvalue, abs=1e-9)


def test_the_paired_test_uses_common_seeds_only():
    found = paired_test({0: 1.0, 1: 2.0, 2: 3.0, 7: 100.0}, {0: 0.0, 1: 1.0, 2: 2.0, 8: 5.0})
    assert (found.n, found.difference, found.p_value) == (3, 1.0, 0.0)
    assert paired_test({0: 1.0}, {1: 1.0}) is None


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_prove_nothing(seeds):
    found = paired_test(dict.fromkeys(range(seeds), 1.0), dict.fromkeys(range(seeds), 0.0))
    assert (found.difference, found.n, found.p_value) == (1.0, seeds, None)
    assert one_sided_p([1.0] * seeds, 0.0, above=True) is None
    assert equivalence_p([1.0] * seeds, 1.0, 0.5) is None


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@SETTINGS
@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_only_raises_p_values_and_keeps_their_order(p_values):
    adjusted = holm(p_values)
    assert all(raw <= new <= 1.0 for raw, new in zip(p_values, adjusted, strict=True))
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)


def test_equivalence_agrees_with_two_one_sided_tests_of_scipy():
    from scipy.stats import ttest_1samp

    values = [0.301, 0.305, 0.299, 0.303]
    above = ttest_1samp(values, 0.305 - 0.01, alternative="greater").pvalue
    below = ttest_1samp(values, 0.305 + 0.01, alternative="less").pvalue
    assert equivalence_p(values, 0.305, 0.01) == pytest.approx(max(above, below), abs=1e-10)
    assert equivalence_p([0.3], 0.305, 0.01) is None
    with pytest.raises(ValueError, match="tolerance must be positive"):
        equivalence_p(values, 0.3, 0.0)


def test_values_without_spread_are_certain():
    assert one_sided_p([0.2] * 3, 0.1, above=True) == 0.0
    assert one_sided_p([0.2] * 3, 0.2, above=True) == 1.0
    assert equivalence_p([0.2] * 3, 0.205, 0.01) == 0.0
