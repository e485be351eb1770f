"""Normalised columns name what they are divided by."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from eval.benchmarks.contract import BenchmarkRequest
from eval.report import BenchmarkOutcome, MetricReport, MetricValue
from eval.tables.column import Column
from orchestration.results.notes import normalisation_notes


def cell_with(baseline: str | None, key: str = "t"):
    notes = {} if baseline is None else {"baseline": baseline}
    outcome = BenchmarkOutcome(metrics={"mce": MetricValue(0.7, 10)}, notes=notes)
    report = MetricReport(benchmark="c", benchmark_key="k", semantics=1, outcome=outcome)
    cell = SimpleNamespace(train_key=key, benchmarks=(BenchmarkRequest(name="c", params={}, key="k"),))
    return cell, SimpleNamespace(reports={"k": report})


def test_a_normalised_column_names_its_baseline() -> None:
    cell, result = cell_with("alexnet")
    assert normalisation_notes([Column.of("c/error"), Column.of("c/mce")], [cell], {"t": result}) == (
        "C mCE: divided by the errors of alexnet.",
    )


@pytest.mark.parametrize(("metric", "what"), [("mfr-normalised", "flip rates"), ("mt5d-normalised", "top-5 distances")])
def test_a_rate_of_sequences_is_not_said_to_be_divided_by_errors(metric: str, what: str) -> None:
    cell, result = cell_with("alexnet")
    cell.benchmarks = (BenchmarkRequest(name="p", params={}, key="k"),)
    (note,) = normalisation_notes([Column.of(f"p/{metric}")], [cell], {"t": result})
    assert note.endswith(f": divided by the {what} of alexnet.")


def test_two_baselines_in_one_column_are_both_named() -> None:
    (first, one), (second, two) = cell_with("alexnet"), cell_with("mine", key="u")
    (note,) = normalisation_notes([Column.of("c/mce")], [first, second], {"t": one, "u": two})
    assert note.endswith("alexnet and of mine.")


def test_raw_columns_and_columns_without_values_need_no_note() -> None:
    cell, result = cell_with("alexnet")
    assert normalisation_notes([Column.of("c/error"), Column.of("pgd/error")], [cell], {"t": result}) == ()
    assert normalisation_notes([Column.of("c/mce")], [cell], {}) == ()
