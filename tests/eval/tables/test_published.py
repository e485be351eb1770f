"""The published numbers: their checks against themselves, and how they are looked up."""

from __future__ import annotations

import pytest

from eval.errors import EvalError
from eval.tables.column import Column, check_column
from eval.tables.published.tables import published_table, published_tables

KINDS = {"table-8": ("p/mfr-normalised", 10), "table-11": ("c/ce", 15), "table-12": ("cbar/error", 10)}
MEANS = {"table-8": "p/mfr-normalised", "table-11": "c/mce", "table-12": "cbar/error"}


def test_all_fifteen_tables_are_there_with_their_sources():
    assert set(published_tables()) == {
        *(f"table-{number}" for number in range(1, 13)),
        "mixing-sets",
        "mnist-robustness",
        "mnist-ood",
    }
    for name in published_tables():
        table = published_table(name)
        assert table.source
        assert table.title
        assert set(table.values) == {(row, column) for row in table.rows for column in table.columns}


def test_percent_becomes_a_fraction_and_rank_distances_stay():
    table = published_table("table-3")
    assert table.lookup("PixMix", Column.of("clean/error")).value == pytest.approx(0.203)
    assert table.lookup("PixMix", Column.of("clean/error")).half_step == pytest.approx(0.0005)
    assert table.lookup("PixMix", Column.of("p/mt5d")).value == 1.6
    assert table.lookup("PixMix", Column.of("p/mt5d")).half_step == pytest.approx(0.05)


def test_accuracies_become_errors():
    assert published_table("mnist-robustness").lookup("S&P", Column.of("mnist-c/error")).value == pytest.approx(0.27)
    assert published_table("mnist-robustness").lookup("Base", Column.of("clean/error")).half_step == pytest.approx(
        0.005
    )


def test_rows_are_found_whatever_their_case_and_spaces():
    table = published_table("table-2")
    assert table.row_named("pixmix+cutmix") == "PixMix + CutMix"
    assert table.lookup("Mixup", Column.of("clean/error")) is None
    assert table.lookup("PixMix", Column.of("pgd/error")) is None


def test_a_table_is_also_known_by_its_long_name():
    assert published_table("s10_hyperparameters") is published_table("table-10")
    with pytest.raises(EvalError, match=r"unknown published table 'table-13' \(did you mean 'table-"):
        published_table("table-13")


def test_the_pixmix_row_agrees_between_the_tables_that_share_it():
    whole = published_table("table-3")
    for name, row in (("table-1", "PixMix Original"), ("table-2", "PixMix"), ("mixing-sets", "Fractals + FVis")):
        table = published_table(name)
        for column in table.columns:
            assert table.lookup(row, column).value == whole.lookup("PixMix", column).value
    ten = published_table("table-10")
    assert ten.lookup("beta=3,k=4", Column.of("c/error")).value == whole.lookup("PixMix", Column.of("c/error")).value


@pytest.mark.parametrize("name", KINDS)
def test_means_of_the_printed_parts_agree_with_the_printed_mean_unless_listed_as_doubtful(name):
    table, (prefix, count) = published_table(name), KINDS[name]
    for row in table.rows:
        parts = [
            table.values[row, column]
            for column in table.columns
            if f"{column.benchmark}/{column.metric}" == prefix and column.detail
        ]
        assert len(parts) == count
        mean = table.values[row, Column.of(MEANS[name])]
        gap = abs(sum(part.value for part in parts) / count - mean.value)
        doubted = all(part.doubt for part in parts) or mean.doubt
        assert gap < 0.002 or doubted, (row, gap)


def test_entries_whose_source_contradicts_itself_carry_the_reason():
    eleven, seven = published_table("table-11"), published_table("table-7")
    assert "repeat the Baseline row" in eleven.lookup("CutMix", Column.of("c/ce/fog")).doubt
    assert eleven.lookup("CutMix", Column.of("c/mce")).doubt is None
    for row in ("ANT", "Speckle"):
        assert seven.lookup(row, Column.of("cbar/error")).value == seven.lookup(row, Column.of("r/error")).value
        assert "copied" in seven.lookup(row, Column.of("cbar/error")).doubt
    assert eleven.lookup("PixMix", Column.of("c/ce/fog")).doubt is None


def test_the_average_of_the_outlier_sets_is_the_mean_of_its_parts():
    nine = published_table("table-9")
    for row in nine.rows:
        for metric in ("auroc", "aupr"):
            parts = [
                nine.values[row, column].value
                for column in nine.columns
                if (column.benchmark, column.metric) == ("ood", metric) and column.detail != "mean"
            ]
            assert sum(parts) / len(parts) == pytest.approx(
                nine.values[row, Column("ood", metric, "mean")].value, abs=1.1e-3
            )


def test_published_columns_of_known_benchmarks_are_columns_here():
    from eval.benchmarks.registry import BENCHMARKS

    for name in published_tables():
        for column in published_table(name).columns:
            if column.benchmark in BENCHMARKS:
                check_column(column)
                assert Column.of(str(column)) == column
