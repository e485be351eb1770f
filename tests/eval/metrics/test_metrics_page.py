"""The page of metrics names all of them, with their formulas."""

from __future__ import annotations

import pytest
from latex2mathml.converter import convert

from benchmarks.pages.metrics import document, row_for
from eval.metrics.contract import MetricSpec
from eval.metrics.registry import METRICS


def test_every_metric_has_its_name_and_one_line() -> None:
    assert all(name == spec.name and " | ".join(row_for(spec)) in document() for name, spec in METRICS.items())


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_a_formula_that_browsers_can_draw(name: str) -> None:
    drawn = convert(METRICS[name].formula, display="block")

    assert f"$$\n{METRICS[name].formula}\n$$" in document()
    assert drawn.startswith("<math")
    assert "\\" not in drawn  # a command that the converter does not know stays as it is


def test_a_metric_of_a_package_has_a_line_like_the_others() -> None:
    spec = MetricSpec(
        name="brier",
        label="Brier",
        unit="fraction",
        lower_is_better=True,
        description="Squared gap.",
        source="Brier, 1950",
        min_samples=10,
    )
    assert row_for(spec) == (
        "`brier`",
        "Brier",
        "of the benchmark",
        "fraction",
        "lower",
        "Squared gap.",
        "Brier, 1950; needs 10 predictions in each set",
    )
