"""Shades of heat maps: white within the noise between seeds, an absolute scale beyond it."""

from __future__ import annotations

import pytest

from eval.tables.column import Column
from eval.tables.grid import Observation, Table
from eval.tables.layouts import metric_table, pair_grid
from eval.tables.shades import FULL_AT, column_noise, noise_of, shade, table_shades
from eval.tables.statistics import summarise

ERROR, AUROC = Column.of("clean/error"), Column.of("ood-generated/auroc")


def table_of(values: dict[str, list[float]], column: Column = ERROR) -> Table:
    seen = [
        Observation(row=row, column=column, seed=seed, value=value)
        for row, by_seed in values.items()
        for seed, value in enumerate(by_seed)
    ]
    return metric_table("t", list(values), [column], seen)


def column_of(table: Table, baseline: str | None = None) -> dict[str, float | None]:
    return {row: shades[0] for row, shades in zip(table.rows, table_shades(table, baseline), strict=True)}


def test_noise_is_the_half_width_of_the_interval_of_a_difference() -> None:
    rows = [summarise([0.10, 0.12, 0.14]), summarise([0.20, 0.22, 0.24])]
    # the pooled standard deviation is 0.02, and t at 97.5 % with 4 degrees of freedom 2.776
    assert noise_of(rows, ERROR) == pytest.approx(2.7764 * 0.02 * (2 / 3) ** 0.5, rel=1e-4)


def test_a_difference_within_the_noise_is_white_and_one_far_beyond_it_is_full() -> None:
    table = table_of({"Baseline": [0.10, 0.12, 0.14], "near": [0.11, 0.13, 0.15], "far": [0.50, 0.52, 0.54]})
    found = column_of(table, "Baseline")
    assert (found["Baseline"], found["near"], found["far"]) == (0.0, 0.0, -1.0)


def test_blue_is_better_whichever_way_that_is() -> None:
    values = {"Baseline": [0.50, 0.51], "up": [0.90, 0.91]}
    assert column_of(table_of(values), "Baseline")["up"] == -1.0
    assert column_of(table_of(values, AUROC), "Baseline")["up"] == 1.0


@pytest.mark.parametrize("mark", ["imported", "limited", "fewer-sets"])
def test_what_is_never_ranked_next_to_the_others_has_no_colour_either(mark: str) -> None:
    values = {"Baseline": 0.5, "ours": 0.4, "other": 0.1}
    seen = [
        Observation(
            row=row, column=ERROR, seed=0, value=value, marks=frozenset({mark} if row == "other" else frozenset())
        )
        for row, value in values.items()
    ]
    found = column_of(metric_table("t", list(values), [ERROR], seen), "Baseline")
    assert (found["Baseline"], found["ours"], found["other"]) == (0.0, 1.0, None)


def test_a_shade_grows_from_the_noise_to_five_times_it() -> None:
    shades = [shade(0.2 - times * 0.01, 0.2, 0.01, lower_is_better=True) for times in (0.99, 3.0, FULL_AT, 9.0)]
    assert shades == [0.0, pytest.approx(0.5), pytest.approx(1.0), 1.0]


def test_a_third_row_changes_no_shade_of_the_others() -> None:
    """The best row is no darker for being the best: only differences and noise count."""
    two = {"Baseline": [0.300, 0.302], "a": [0.290, 0.292]}
    three = {**two, "b": [0.010, 0.012]}
    assert column_of(table_of(two), "Baseline")["a"] != 0.0
    noise = [column_noise(table_of(rows), 0) for rows in (two, three)]
    expected = shade(0.291, 0.301, noise[1] or 0.0, lower_is_better=True)
    assert column_of(table_of(three), "Baseline")["a"] == pytest.approx(expected)


def test_one_seed_has_the_declared_noise_of_its_column() -> None:
    assert noise_of([summarise([0.1]), summarise([0.2])], ERROR) == 0.004
    assert column_of(table_of({"Baseline": [0.100], "a": [0.103], "b": [0.2]}), "Baseline") == {
        "Baseline": 0.0,
        "a": 0.0,
        "b": -1.0,
    }


def test_what_prints_alike_is_white_however_small_the_noise_is() -> None:
    assert column_of(table_of({"Baseline": [0.1000, 0.1000], "a": [0.1003, 0.1003]}), "Baseline")["a"] == 0.0


def test_without_a_baseline_the_median_is_white() -> None:
    found = column_of(table_of({"a": [0.1, 0.101], "b": [0.3, 0.301], "c": [0.5, 0.501]}))
    assert found == {"a": 1.0, "b": 0.0, "c": -1.0}


def test_a_lone_entry_has_no_shade() -> None:
    assert column_of(table_of({"a": [0.1, 0.2]})) == {"a": None}


def test_a_grid_of_settings_is_compared_as_a_whole() -> None:
    seen = [
        Observation(row=row, across=across, column=ERROR, seed=seed, value=value + 0.001 * seed)
        for row, across, value in (("3", "2", 0.1), ("3", "4", 0.2), ("4", "2", 0.2), ("4", "4", 0.9))
        for seed in (0, 1)
    ]
    table = pair_grid("t", ["3", "4"], ["2", "4"], [ERROR], seen, corner="beta", across_name="k")
    assert table_shades(table, None) == ((1.0, 0.0), (0.0, -1.0))
