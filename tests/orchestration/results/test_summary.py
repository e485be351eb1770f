"""The two sentences on a table: what improves on the baseline and what does not, no more than the numbers carry."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from eval.benchmarks.registry import BENCHMARKS
from eval.tables.column import Column
from eval.tables.compare import against_baseline
from eval.tables.grid import Observation, Table
from eval.tables.layouts import metric_table, pair_grid
from eval.tables.shades import column_noise
from orchestration.results.summary import summary_of

ERROR, RMS, PGD, AUROC = "clean/error", "clean/rms", "pgd/error", "ood-generated/auroc"
Values = Mapping[str, Mapping[str, Sequence[float]]]


def table_of(values: Values, *, marks: frozenset[str] = frozenset()) -> Table:
    """Return the tested table of row -> column -> values by seed."""
    columns = dict.fromkeys(column for row in values.values() for column in row)
    seen = [
        Observation(row=row, column=Column.of(column), seed=seed, value=value, marks=marks)
        for row, by_column in values.items()
        for column, by_seed in by_column.items()
        for seed, value in enumerate(by_seed)
    ]
    table = metric_table("t", list(values), [Column.of(column) for column in columns], seen)
    return against_baseline(table, "Baseline") if "Baseline" in values else table


def said(values: Values, baseline: str | None = "Baseline") -> tuple[str, ...]:
    return summary_of(table_of(values), baseline)


def test_the_row_that_improves_most_is_named_with_its_numbers_and_where_it_does_not() -> None:
    values = {
        "Baseline": {ERROR: [0.10, 0.11], RMS: [0.010, 0.012], AUROC: [0.50, 0.51], PGD: [0.30, 0.32]},
        "Mixup": {ERROR: [0.09, 0.10], RMS: [0.012, 0.010], AUROC: [0.60, 0.61], PGD: [0.31, 0.31]},
        "PixMix": {ERROR: [0.02, 0.03], RMS: [0.050, 0.052], AUROC: [0.90, 0.91], PGD: [0.31, 0.29]},
    }

    assert said(values) == (
        "Of the 2 other rows, PixMix improves most on Baseline: it lowers Clean Error from 10.5 to 2.5 %, and raises"
        " OOD (generated) AUROC from 50.5 to 90.5 % (by the noise between 2 seeds, too few for a test).",
        "It raises Clean RMS from 1.1 to 5.1 %, which is worse; PGD Error (31.0 to 30.0 %) is within the noise.",
    )


def test_what_the_test_of_the_table_shows_is_called_tested() -> None:
    errors = {"Baseline": [0.10, 0.11, 0.12], "PixMix": [0.05, 0.06, 0.07]}
    both = {"Baseline": [0.50, 0.70, 0.60], "PixMix": [0.80, 0.90, 0.99]}
    tested = {row: {ERROR: errors[row]} for row in errors}
    partly = {row: {ERROR: errors[row], AUROC: both[row]} for row in errors}
    partly["Other"] = {ERROR: [0.1, 0.2, 0.1], AUROC: [0.5, 0.6, 0.6]}

    assert said(tested)[0] == (
        "PixMix improves on Baseline: it lowers Clean Error from 11.0 to 6.0 %"
        " (tested: paired by seed, corrected for the whole table)."
    )
    assert said(partly)[0] == (
        "Of the 2 other rows, PixMix improves most on Baseline: it lowers Clean Error from 11.0 to 6.0 %, and raises"
        " OOD (generated) AUROC from 60.0 to 89.7 % (tested: Clean Error; else by the noise between 3 seeds)."
    )


def test_three_seeds_that_no_test_supports_say_so() -> None:
    values = {"Baseline": {ERROR: [0.10, 0.14, 0.12]}, "PixMix": {ERROR: [0.05, 0.02, 0.04]}}

    assert said(values)[0].endswith(
        "(by the noise between 3 seeds; the test, corrected for the whole table, shows none of it)."
    )


def test_one_seed_is_compared_with_the_usual_noise() -> None:
    first, second = said({"Baseline": {ERROR: [0.2], RMS: [0.1]}, "PixMix": {ERROR: [0.1], RMS: [0.1]}})

    assert first.endswith("(by more than the usual noise between seeds; one seed is weak evidence).")
    assert second == "Clean RMS (10.0 % in both) is within the noise."


def test_where_all_is_noise_nothing_is_claimed() -> None:
    assert said({"Baseline": {ERROR: [0.1, 0.2]}, "A": {ERROR: [0.12, 0.17]}, "B": {ERROR: [0.2, 0.13]}}) == (
        "No row is shown to improve on Baseline in any column (by the noise between 2 seeds, too few for a test).",
        "Every difference is within the noise.",
    )


def test_where_rows_only_get_worse_the_worst_is_named() -> None:
    first, second = said({"Baseline": {ERROR: [0.1, 0.1]}, "A": {ERROR: [0.3, 0.3]}, "B": {ERROR: [0.5, 0.5]}})

    assert first.startswith("No row is shown to improve on Baseline")
    assert second == "B gets worse the most: it raises Clean Error from 10.0 to 50.0 %."


def test_of_rows_that_tie_the_upper_one_is_named() -> None:
    values = {"Baseline": {ERROR: [0.5, 0.5]}, "B": {ERROR: [0.1, 0.1]}, "A": {ERROR: [0.1, 0.1]}}

    assert said(values)[0].startswith("Of the 2 other rows, B improves most")


def test_values_that_are_missing_are_not_compared() -> None:
    values = {"Baseline": {ERROR: [0.5, 0.5], RMS: [0.1, 0.1]}, "A": {ERROR: [0.1, 0.1], PGD: [0.5, 0.5]}}

    assert said(values)[1] == "Clean RMS and PGD Error cannot be compared."
    assert said({"Baseline": {ERROR: [0.5]}, "A": {RMS: [0.1]}}) == ("Nothing can be compared with Baseline yet.",)
    assert said({"Baseline": {}, "A": {ERROR: [0.1]}}) == ("Nothing can be compared with Baseline yet.",)


def test_without_a_baseline_or_another_row_there_is_nothing_to_say() -> None:
    values = {"A": {ERROR: [0.5, 0.5]}, "B": {ERROR: [0.1, 0.1]}}

    assert said(values, None) == said(values, "Baseline") == ()
    assert said({"Baseline": {ERROR: [0.5]}}) == ()
    grid = pair_grid("t", ["1", "2"], ["3"], [Column.of(ERROR)], [], corner="k", across_name="beta")
    assert summary_of(grid, "1") == ()


def test_imported_values_and_parts_of_the_images_are_not_compared_with_ours() -> None:
    values = {"Baseline": {ERROR: [0.5, 0.5]}, "A": {ERROR: [0.1, 0.1]}}
    table = table_of(values)
    for mark in ("imported", "limited"):
        entry = table.entries[1][0]
        assert entry is not None
        marked = replace(table, entries=(table.entries[0], (replace(entry, marks=frozenset({mark})),)))
        assert summary_of(marked, "Baseline") == ("Nothing can be compared with Baseline yet.",)


def test_marks_of_what_is_compared_are_said() -> None:
    table = table_of(
        {"Baseline": {ERROR: [0.5, 0.5]}, "A": {ERROR: [0.1, 0.1]}}, marks=frozenset({"limited", "generated"})
    )

    assert summary_of(table, "Baseline")[0].endswith("too few for a test; on a part of the test images).")


def test_of_one_seed_on_a_part_of_the_images_nothing_is_claimed() -> None:
    table = table_of({"Baseline": {ERROR: [0.84]}, "A": {ERROR: [0.83]}}, marks=frozenset({"limited"}))

    (sentence,) = summary_of(table, "Baseline")
    assert sentence.startswith(
        "One seed on a part of the test images shows that everything runs, not which row is better"
    )


def test_headings_say_what_is_generated() -> None:
    assert all("(generated)" in each.title for each in BENCHMARKS.values() if each.origin == "generated")


def test_more_columns_than_a_sentence_holds_are_counted() -> None:
    kinds = ["fog", "snow", "frost", "contrast", "pixelate", "brightness"]
    columns = [f"c-generated/error/{kind}" for kind in kinds]
    rows = {row: {column: [error, error] for column in columns} for row, error in (("Baseline", 0.5), ("A", 0.1))}

    assert ", and improves 2 more columns (" in said(rows)[0]


ROWS = st.dictionaries(
    st.sampled_from(["Baseline", "A", "B", "C"]),
    st.dictionaries(
        st.sampled_from([ERROR, RMS, PGD, AUROC]), st.lists(st.floats(0, 1), min_size=1, max_size=4), max_size=4
    ),
    min_size=2,
)


@given(ROWS)
def test_every_number_is_in_the_table_and_every_claim_goes_the_way_it_says(values: Values) -> None:
    if not any(values.values()):
        return
    table = table_of(values)
    sentences = summary_of(table, "Baseline")

    assert sentences == summary_of(table, "Baseline")
    assert len(sentences) == 0 or "Baseline" in sentences[0]
    printed = {f"{100 * entry.summary.mean:.1f}" for row in table.entries for entry in row if entry}
    for sentence in sentences:
        assert set(re.findall(r"\d+\.\d", sentence)) <= printed
        for verb, before, after in re.findall(r"(lowers|raises) [^.]*? from (\d+\.\d) to (\d+\.\d) %", sentence):
            assert (float(after) < float(before)) == (verb == "lowers")


@given(ROWS)
def test_no_improvement_is_claimed_within_the_noise(values: Values) -> None:
    if "Baseline" not in values or not any(values.values()):
        return
    table = table_of(values)
    sentences = summary_of(table, "Baseline")
    found = re.match(r"(?:Of \d rows, )?(\w+) improves", sentences[0]) if sentences else None
    if found is None:
        return
    for j, spec in enumerate(table.columns):
        entry, other = (table.entry(row, spec.key) for row in (found[1], "Baseline"))
        if f"{spec.group} {spec.label} from" in sentences[0]:
            assert entry is not None
            assert other is not None
            difference = entry.summary.mean - other.summary.mean
            assert (difference < 0) == spec.lower_is_better
            is_tested = entry.against is not None and entry.against.outcome == "better"
            assert is_tested or abs(difference) > (column_noise(table, j) or 0.0)
