"""Verdicts beside published numbers, and rows beside the baseline row."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.benchmarks.registry import BENCHMARKS
from eval.errors import EvalError
from eval.tables.column import Column
from eval.tables.compare import Recipe, against_baseline, compare
from eval.tables.formats.registry import render
from eval.tables.grid import Observation
from eval.tables.layouts import metric_table, pair_grid, set_table
from eval.tables.published.tables import PublishedValue, published_table, published_tables
from eval.tables.verdicts import Tolerance, alpha_of_look, evaluate_values, tolerance_for

AS_PUBLISHED = Recipe(kind="published")
TOLERANCE = Tolerance(tolerance=0.0035, why="made up")
PRINTED = PublishedValue(value=0.203, half_step=0.0005)


def seeds(*values):
    return dict(enumerate(values))


def table_of(values, columns, rows=None):
    """{(row, column): values by seed} -> a metric table."""
    rows = rows or list(dict.fromkeys(row for row, _ in values))
    seen = [
        Observation(row=row, column=Column.of(column), seed=seed, value=value)
        for (row, column), each in values.items()
        for seed, value in enumerate(each)
    ]
    return metric_table("ours", rows, list(map(Column.of, columns)), seen)


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ((0.2031, 0.2029, 0.2033, 0.2028), "reproduced"),
        ((0.190, 0.191, 0.189), "better"),
        ((0.250, 0.252, 0.251), "worse"),
        ((0.2000, 0.2080, 0.2045), "undecided"),
        ((0.203,), "undecided"),
    ],
)
def test_a_verdict_needs_seeds_that_agree(values, outcome):
    verdict = evaluate_values(seeds(*values), PRINTED, TOLERANCE, lower_is_better=True)
    assert verdict.outcome == outcome
    assert verdict.tolerance == pytest.approx(0.004)


def test_where_higher_is_better_the_sides_change():
    values = seeds(0.250, 0.252, 0.251)
    assert evaluate_values(values, PRINTED, TOLERANCE, lower_is_better=False).outcome == "better"


def test_an_undecided_verdict_says_about_how_many_seeds_are_lacking():
    verdict = evaluate_values(seeds(0.2030, 0.2060), PRINTED, TOLERANCE, lower_is_better=True)
    assert verdict.outcome == "undecided"
    assert verdict.more_seeds >= 1
    assert f"about {verdict.more_seeds} more seed" in str(verdict)
    on_the_edge = evaluate_values(seeds(0.2069, 0.2071), PRINTED, TOLERANCE, lower_is_better=True)
    assert on_the_edge.more_seeds is None
    assert str(on_the_edge) == "undecided"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.1, 0.3), min_size=2, max_size=6), st.floats(0.001, 0.01))
def test_no_verdict_contradicts_the_mean(values, tolerance):
    verdict = evaluate_values(seeds(*values), PRINTED, Tolerance(tolerance=tolerance, why="x"), lower_is_better=True)
    gap = sum(values) / len(values) - PRINTED.value
    if verdict.outcome == "reproduced":
        assert abs(gap) < verdict.tolerance
    if verdict.outcome == "better":
        assert gap < -verdict.tolerance
    if verdict.outcome == "worse":
        assert gap > verdict.tolerance


def test_a_stricter_level_never_decides_more():
    values = seeds(0.2031, 0.2015, 0.2044)
    assert evaluate_values(values, PRINTED, TOLERANCE, lower_is_better=True).outcome == "reproduced"
    level = alpha_of_look(50)
    assert evaluate_values(values, PRINTED, TOLERANCE, lower_is_better=True, alpha=level).outcome == "undecided"
    with pytest.raises(ValueError, match="at least one look"):
        alpha_of_look(0)


def test_every_published_column_has_a_tolerance_with_a_reason():
    for name in published_tables():
        for column in published_table(name).columns:
            tolerance = tolerance_for(column)
            assert 0 < tolerance.tolerance <= 0.1
            assert len(tolerance.why) > 20
    for benchmark in BENCHMARKS.values():
        for metric in benchmark.metrics:
            assert tolerance_for(Column(benchmark.name, metric)).tolerance > 0


def test_a_table_gets_the_papers_numbers_and_verdicts():
    ours = table_of(
        {("PixMix", "clean/error"): [0.2031, 0.2030, 0.2029], ("Baseline", "clean/error"): [0.3, 0.301, 0.302]},
        ["clean/error"],
        rows=["Baseline", "PixMix", "Mine"],
    )
    beside = compare(ours, published_table("table-3"), lambda row: AS_PUBLISHED)
    assert beside.entry("PixMix", "clean/error").reference.verdict == "reproduced"
    assert beside.entry("Baseline", "clean/error").reference.verdict == "worse"
    assert beside.entry("Baseline", "clean/error").reference.value == pytest.approx(0.213)
    assert beside.entry("Mine", "clean/error") is None
    text = render(beside, "markdown")
    assert "(20.3: reproduced)" in text
    assert "supplement, Table 3" in text


@pytest.mark.parametrize("values", [{}, {("Baseline", "clean/error"): [0.3]}])
def test_published_numbers_stand_in_place_of_those_that_are_missing(values):
    ours = table_of(values, ["clean/error", "pgd/error"], rows=["Baseline", "PixMix", "Mine"])

    beside = compare(ours, published_table("table-3"), lambda row: AS_PUBLISHED)

    lines = [line.split(" | ") for line in render(beside, "markdown").splitlines()]
    cells = {line[0].strip("| "): [each.strip("| ") for each in line[1:]] for line in lines if len(line) == 3}
    assert cells["PixMix"] == ["– (20.3)", "– (92.9: not comparable)"]
    assert cells["Mine"] == ["–", "–"]
    assert ("Percent.  " in render(beside, "markdown")) == (not values)
    found = json.loads(render(beside, "json"))["expected"]
    assert {"row": "PixMix", "column": "clean/error", "value": 0.203, "verdict": "", "reason": ""} in found
    assert "PixMix,Clean,clean/error,Error,percent,lower,,,,,,,20.3," in render(beside, "csv").splitlines()


def test_an_undefined_entry_shows_the_published_number():
    column = Column.of("clean/error")
    seen = [Observation(row="PixMix", column=column, seed=0, value=None, undefined="is undefined for 9 predictions")]
    table = metric_table("t", ["PixMix"], [column], seen)

    text = render(compare(table, published_table("table-3"), lambda row: AS_PUBLISHED), "markdown")

    assert "| undefined (20.3) |" in text


def test_another_recipe_gets_the_number_but_no_verdict():
    ours = table_of({("PixMix", "clean/error"): [0.203, 0.203]}, ["clean/error"])
    other = Recipe(kind="not comparable", reasons=("epochs 2 instead of 100",))
    beside = compare(ours, published_table("table-3"), lambda row: other)
    reference = beside.entry("PixMix", "clean/error").reference
    assert (reference.verdict, reference.reason) == ("not comparable", "epochs 2 instead of 100")
    assert "Not comparable (all rows): epochs 2 instead of 100." in render(beside, "markdown")
    with pytest.raises(ValueError, match="must say why"):
        Recipe(kind="not comparable")


def test_unknowns_of_the_source_stand_beside_a_verdict():
    ours = table_of({("OE", "clean/error"): [0.2191, 0.2190, 0.2189]}, ["clean/error"])
    unknown = Recipe(kind="published up to unknowns", reasons=("fine-tuning epochs",))
    reference = compare(ours, published_table("table-3"), lambda row: unknown).entry("OE", "clean/error").reference
    assert reference.verdict == "reproduced"
    assert "unknown in the source: fine-tuning epochs" in reference.reason


@pytest.mark.parametrize(
    ("column", "why"),
    [
        ("c-generated/error", "generated images"),
        ("pgd/error", "reaches twice as far"),
        ("clean/rms", "leaves the last one out"),
        ("c-generated/rms", "generated images here, published files there; every bin counts"),
    ],
)
def test_a_column_that_measures_something_else_is_shown_but_not_evaluated(column, why):
    ours = table_of({("PixMix", column): [0.2, 0.2]}, [column])
    reference = compare(ours, published_table("table-3"), lambda row: AS_PUBLISHED).entry("PixMix", column).reference
    assert reference.verdict == "not comparable"
    assert why in reference.reason


def test_limited_and_doubtful_numbers_are_never_evaluated():
    limited = Observation(
        row="PixMix", column=Column.of("clean/error"), seed=0, value=0.2, marks=frozenset({"limited"})
    )
    table = metric_table("t", ["PixMix"], [Column.of("clean/error")], [limited])
    reference = (
        compare(table, published_table("table-3"), lambda row: AS_PUBLISHED).entry("PixMix", "clean/error").reference
    )
    assert "part of the test images" in reference.reason
    cutmix = table_of({("CutMix", "c/ce/fog"): [0.69, 0.69]}, ["c/ce/fog"])
    doubtful = compare(cutmix, published_table("table-11"), lambda row: AS_PUBLISHED).entry("CutMix", "c/ce/fog")
    assert doubtful.reference.verdict == "not comparable"
    assert "repeat the Baseline row" in doubtful.reference.reason


def test_a_grid_finds_its_published_cells():
    seen = [Observation(row="3", across="4", column=Column.of("clean/error"), seed=s, value=0.203) for s in range(3)]
    table = pair_grid("t", ["3"], ["4"], [Column.of("clean/error")], seen, corner="beta", across_name="max_rounds")
    reference = compare(table, published_table("table-10"), lambda row: AS_PUBLISHED).entries[0][0].reference
    assert (reference.value, reference.verdict) == (pytest.approx(0.203), "reproduced")


def test_outlier_sets_find_their_published_cells():
    seen = [Observation(row="PixMix", column=Column.of("ood/auroc/svhn"), seed=s, value=0.995) for s in range(3)]
    table = set_table("t", ["svhn"], ["PixMix"], [Column.of("ood/auroc")], seen)
    reference = compare(table, published_table("table-9"), lambda row: AS_PUBLISHED).entries[0][0].reference
    assert (reference.value, reference.verdict) == (pytest.approx(0.995), "reproduced")


def test_rows_are_tested_against_the_baseline_by_seed_and_corrected_for_their_number():
    columns = ["clean/error", "ood-generated/auroc"]
    values = {
        ("Baseline", columns[0]): [0.30, 0.31, 0.32, 0.30],
        ("PixMix", columns[0]): [0.25, 0.262, 0.27, 0.251],
        ("Noise", columns[0]): [0.31, 0.30, 0.33, 0.29],
        ("Baseline", columns[1]): [0.90, 0.91, 0.89, 0.90],
        ("PixMix", columns[1]): [0.80, 0.812, 0.79, 0.801],
        ("Noise", columns[1]): [0.90, 0.92, 0.88, 0.90],
    }
    table = against_baseline(table_of(values, columns), "Baseline")
    assert table.entry("PixMix", columns[0]).against.outcome == "better"
    assert table.entry("PixMix", columns[1]).against.outcome == "worse"
    assert table.entry("Noise", columns[0]).against.outcome == "no difference shown"
    assert table.entry("Baseline", columns[0]).against is None
    assert table.entry("PixMix", columns[0]).against.n == 4
    text = render(table, "markdown")
    assert "⁺" in text
    assert "Holm-corrected" in text
    assert r"$^{+}$" in render(table, "latex")
    assert json.loads(render(table, "json"))["entries"][1][0]["against_baseline"]["outcome"] == "better"


def test_the_correction_counts_every_test_of_the_table():
    rows = {("Baseline", "clean/error"): [0.30, 0.31, 0.325]}
    few = {**rows, ("A", "clean/error"): [0.28, 0.295, 0.30]}
    many = {**few, **{(f"B{i}", "clean/error"): [0.30 + i / 1000, 0.311, 0.32] for i in range(8)}}
    alone = against_baseline(table_of(few, ["clean/error"]), "Baseline").entry("A", "clean/error").against
    crowded = against_baseline(table_of(many, ["clean/error"]), "Baseline").entry("A", "clean/error").against
    assert crowded.adjusted_p > alone.adjusted_p


@pytest.mark.parametrize("seeds", [1, 2])
def test_two_seeds_get_no_mark_of_significance_however_equal_their_differences(seeds):
    values = {("Baseline", "clean/error"): [0.3, 0.31][:seeds], ("A", "clean/error"): [0.2, 0.21][:seeds]}
    table = against_baseline(table_of(values, ["clean/error"]), "Baseline")
    assert table.entry("A", "clean/error").against is None
    assert table.notes[-1] == "Differences from Baseline are tested from 3 common seeds on."


def test_a_row_on_a_part_is_not_tested_against_a_baseline_on_the_whole():
    def rows(marks):
        values = {"Baseline": [0.30, 0.31, 0.325], "A": [0.28, 0.295, 0.30]}
        return [
            Observation(
                row=row,
                column=Column.of("clean/error"),
                seed=seed,
                value=value,
                marks=marks if row == "A" else frozenset(),
            )
            for row, each in values.items()
            for seed, value in enumerate(each)
        ]

    def tested(marks):
        table = metric_table("t", ["Baseline", "A"], [Column.of("clean/error")], rows(marks))
        return against_baseline(table, "Baseline").entry("A", "clean/error").against is not None

    assert tested(frozenset())
    assert not tested(frozenset({"fewer-sets"}))
    assert not tested(frozenset({"limited"}))


def test_an_unknown_baseline_is_refused():
    table = table_of({("Baseline", "clean/error"): [0.3], ("A", "clean/error"): [0.2]}, ["clean/error"])
    with pytest.raises(EvalError, match="no row 'Base'"):
        against_baseline(table, "Base")
