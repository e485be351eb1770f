"""The confound guard: what differs beside the factor of the table is told."""

from __future__ import annotations

import pytest

from eval.errors import EvalError
from eval.tables.column import Column
from eval.tables.compare import against_baseline
from eval.tables.confounds import confounds, mark_confounds
from eval.tables.formats.render import render
from eval.tables.grid import Observation
from eval.tables.layouts import metric_table

BASE = {"method": "baseline", "model": "wrn-40-4", "train.epochs": 100, "params.alpha": 1.0}


def test_differences_in_the_varied_factors_are_no_confounds():
    rows = {"Baseline": BASE, "PixMix": {**BASE, "method": "pixmix", "params.beta": 3, "params.alpha": 0.5}}
    assert confounds(rows, "Baseline", ["method", "params"]) == {}


def test_any_other_difference_is_told_with_both_values():
    rows = {"Baseline": BASE, "A": {**BASE, "train.epochs": 10}, "B": {**BASE, "ema": True}}
    found = confounds(rows, "Baseline", ["method"])
    assert found == {"A": ("train.epochs 10 instead of 100",), "B": ("ema True instead of absent",)}


def test_a_factor_that_only_begins_alike_is_not_the_varied_one():
    rows = {"Baseline": BASE, "A": {**BASE, "params_extra": 1}}
    assert "A" in confounds(rows, "Baseline", ["params"])


def test_an_unknown_baseline_is_refused():
    with pytest.raises(EvalError, match="no row 'Base'"):
        confounds({"Baseline": BASE}, "Base", [])


def test_a_confounded_row_is_marked_and_not_tested():
    values = {"Baseline": (0.30, 0.31, 0.32), "A": (0.20, 0.212, 0.22), "B": (0.25, 0.262, 0.27)}
    seen = [
        Observation(row=row, column=Column.of("clean/error"), seed=seed, value=value)
        for row, by_seed in values.items()
        for seed, value in enumerate(by_seed)
    ]
    table = against_baseline(metric_table("t", list(values), [Column.of("clean/error")], seen), "Baseline")
    marked = mark_confounds(table, {"A": ("train.epochs 10 instead of 100",)}, "Baseline")
    assert marked.entry("A", "clean/error").marks == {"confounded"}
    assert marked.entry("A", "clean/error").against is None
    assert marked.entry("B", "clean/error").against.outcome == "better"
    text = render(marked, "markdown")
    assert "‖differs from the baseline row" in text
    assert "A differs from Baseline also in: train.epochs 10 instead of 100." in text
