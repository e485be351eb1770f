"""The page of metrics names all of them, and is generated."""

from __future__ import annotations

from pathlib import Path

from benchmarks.metrics_page import document, line_for
from eval.metrics.contract import MetricSpec
from eval.metrics.registry import METRICS

PAGE = Path(__file__).parents[3] / "docs/reference/metrics.md"


def test_the_page_is_the_generated_one() -> None:
    assert PAGE.read_text() == document(), (
        "generate it again: python -m benchmarks.metrics_page > docs/reference/metrics.md"
    )


def test_every_metric_has_its_name_and_one_line() -> None:
    assert all(name == spec.name and line_for(spec) in document() for name, spec in METRICS.items())


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
    assert line_for(spec) == (
        "| `brier` | Brier | of the benchmark | fraction | lower | Squared gap. | Brier, 1950; needs 10 predictions in each set |"
    )
