"""The two mixings follow their closed formulas to 1e-6, whatever the operands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats

from augment.kernels.mixings import ADD, MULTIPLY, coefficients, mix


def by_formula(
    image: NDArray[np.float32], partner: NDArray[np.uint8], mixing: int, a: float, b: float
) -> NDArray[np.float64]:
    """Return the published mixing in float64."""
    x, m = image.astype(np.float64), partner / 255.0
    added = (a * (2 * x - 1) + b * (2 * m - 1) + 1) / 2
    multiplied = (2 * x) ** a * np.maximum(2 * m, 1e-37) ** b / 2
    return np.clip(added if mixing == ADD else multiplied, 0.0, 1.0)


PIXELS = st.one_of(st.just(0.0), st.floats(2.0**-100, 1.0, width=32))


@pytest.mark.parametrize("mixing", [ADD, MULTIPLY])
@settings(max_examples=150, deadline=None)
@given(
    image=arrays(np.float32, 33, elements=PIXELS),
    partner=arrays(np.uint8, 33),
    a=st.floats(0.015625, 2.0, width=32),
    b=st.floats(-1.0, 1.0, width=32, allow_subnormal=False),
)
def test_a_mixing_equals_its_formula(
    mixing: int, image: NDArray[np.float32], partner: NDArray[np.uint8], a: float, b: float
) -> None:
    ours = mix(image, partner, mixing=mixing, a=a, b=b)
    assert np.abs(ours - by_formula(image, partner, mixing, a, b)).max() <= 1e-6


@pytest.mark.parametrize("mixing", [ADD, MULTIPLY])
@pytest.mark.parametrize("beta", [3.0, 4.0, 5.0])
def test_a_mixing_equals_its_formula_for_coefficients_as_drawn(mixing: int, beta: float) -> None:
    source = np.random.default_rng(0)
    for _ in range(50):
        image = (source.random(4000) ** source.choice([1, 4, 12])).astype(np.float32)
        image[source.random(4000) < 0.05] = 0.0
        partner = source.integers(0, 256, 4000, dtype=np.uint8)
        drawn = source.random((3, 1))
        a, b = coefficients(drawn[0] < 0.5, drawn[1], drawn[2], beta)
        ours = mix(image, partner, mixing=mixing, a=a[0], b=b[0])
        assert np.abs(ours - by_formula(image, partner, mixing, float(a[0]), float(b[0]))).max() <= 1e-6


@pytest.mark.parametrize("mixing", [ADD, MULTIPLY])
def test_coefficients_one_and_zero_return_the_image(mixing: int) -> None:
    image = np.linspace(0.0, 1.0, 256, dtype=np.float32)
    partner = np.arange(256, dtype=np.uint8)
    assert mix(image, partner, mixing=mixing, a=1.0, b=0.0) == pytest.approx(image, abs=3e-7)


def test_a_black_partner_with_a_negative_exponent_gives_no_nan() -> None:
    image = np.array([0.0, 1 / 255, 0.5, 1.0], dtype=np.float32)
    mixed = mix(image, np.zeros(4, dtype=np.uint8), mixing=MULTIPLY, a=1.0, b=-0.999)
    assert mixed.tolist() == [0.0, 1.0, 1.0, 1.0]


def test_a_black_background_stays_black_under_multiplication_only() -> None:
    black, partner = np.zeros(8, dtype=np.float32), np.full(8, 255, dtype=np.uint8)
    assert not mix(black, partner, mixing=MULTIPLY, a=0.7, b=0.3).any()
    assert mix(black, partner, mixing=ADD, a=0.7, b=0.3).all()


def test_mixing_leaves_its_operands_alone() -> None:
    image, partner = np.full(5, 0.25, dtype=np.float32), np.full(5, 9, dtype=np.uint8)
    mix(image, partner, mixing=MULTIPLY, a=0.5, b=0.5)
    assert (image == 0.25).all()
    assert (partner == 9).all()


@pytest.mark.parametrize(
    ("beta", "kept", "extrapolated", "other"), [(3, 0.75, 1.25, 0.25), (4, 0.8, 1.2, 0.2), (5, 0.833, 1.167, 0.167)]
)
def test_coefficient_means_are_the_published_ones(beta: float, kept: float, extrapolated: float, other: float) -> None:
    draws = np.random.default_rng(1).random((2, 200_000))
    a, b = coefficients(np.zeros(200_000, dtype=bool), *draws, beta)
    assert (a.mean(), b.mean()) == (pytest.approx(kept, abs=5e-3), pytest.approx(other, abs=5e-3))
    a, b = coefficients(np.ones(200_000, dtype=bool), *draws, beta)
    assert (a.mean(), b.mean()) == (pytest.approx(extrapolated, abs=5e-3), pytest.approx(-other, abs=5e-3))


def test_coefficients_follow_the_beta_distributions() -> None:
    draws = np.random.default_rng(2).random((2, 20_000))
    a, b = coefficients(np.zeros(20_000, dtype=bool), *draws, 3.0)
    assert stats.kstest(a, stats.beta(3, 1).cdf).pvalue > 1e-3
    assert stats.kstest(b, stats.beta(1, 3).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03
