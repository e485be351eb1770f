"""A column's value in what is recorded, and the reason where there is none."""

from __future__ import annotations

import pytest

from eval.report import BenchmarkOutcome, MetricReport, MetricValue
from eval.tables.column import Column
from orchestration.planning.column_values import ColumnValue, value_in

WHY = "outlier set 'folder:bad': at most 1% of the images may be unreadable, but 2 of 102 are"
OUTCOME = BenchmarkOutcome(
    metrics={"auroc": MetricValue(0.75, 320)},
    rows=({"set": "folder:good", "variant": "msp", "auroc": 0.75}, {"set": "mean", "variant": "msp", "auroc": 0.75}),
    notes={"variant": "msp", "refused_sets": {"folder:bad": WHY}},
)
REPORT = MetricReport(benchmark="ood", benchmark_key="k", semantics=2, outcome=OUTCOME)


@pytest.mark.parametrize("detail", ["folder:bad", "folder:bad:energy"])
def test_a_refused_outlier_set_is_undefined_with_its_reason(detail: str) -> None:
    assert value_in(Column.of(f"ood/auroc/{detail}"), REPORT) == ColumnValue(
        value=None, undefined=f"was refused: {WHY}"
    )


def test_the_other_sets_keep_their_numbers_and_the_mean_says_what_it_is_without() -> None:
    assert value_in(Column.of("ood/auroc/folder:good"), REPORT) == ColumnValue(value=0.75)
    for column in ("ood/auroc", "ood/auroc/mean"):
        assert value_in(Column.of(column), REPORT) == ColumnValue(value=0.75, marks=frozenset({"fewer-sets"}))


def test_a_set_that_nobody_evaluated_has_no_value() -> None:
    assert value_in(Column.of("ood/auroc/folder:other"), REPORT) is None
