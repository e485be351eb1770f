"""The papers' claims: what they say of the papers' own numbers, and how seeds decide."""

from __future__ import annotations

import dataclasses

import pytest

from eval.claims.comparing import all_hold, is_better, is_near, some_hold
from eval.claims.evaluate import _mistakes, claims, evaluate, evaluate_printed, measures
from eval.claims.evidence import Measure, Missing, PrintedEvidence, Sample, averaged
from eval.claims.predicates import TESTS
from eval.tables.published.tables import published_table, published_tables

PRINTED = [(claim.name, table) for claim in claims() for table in claim.tables if table in published_tables()]
NOT_PRINTED = {
    ("better-adversaries", "table-5"),
    ("low-overhead", "table-3"),
    ("low-overhead", "table-4"),
    ("low-overhead", "table-5"),
    ("iterative-slower", "table-1"),
    ("least-volatile-elsewhere", "table-8"),
}
CONTRADICTED = {("noise-methods-gain-on-noise", "table-8")}
"""Noise2Net's flip rate on Gaussian and shot noise falls less than on the rest in the paper's own table."""


def named(name):
    return next(claim for claim in claims() if claim.name == name)


def ours(*values, floor=0.004):
    return Sample(values=dict(enumerate(values)), floor=floor)


def printed(value, rounding=0.0005):
    return Sample(values={0: value}, rounding=rounding, is_printed=True)


class Table:
    """Evidence from {row: {measure: values by seed}}."""

    def __init__(self, rows, seconds=None):
        self._rows = rows
        self._seconds = seconds or {}

    @property
    def rows(self):
        return tuple(self._rows)

    def sample(self, row, measure):
        known = {name for values in self._rows.values() for name in values}
        if measure.name not in known:
            return Missing(f"no {measure.name}", is_absent=True)
        values = self._rows.get(row, {}).get(measure.name)
        return Missing(f"{measure.name} of {row} is not recorded") if values is None else ours(*values)

    def seconds(self, row):
        found = self._seconds.get(row)
        return Missing("no time") if found is None else dict(enumerate(found))


@pytest.mark.parametrize(("name", "table"), PRINTED)
def test_what_the_papers_say_follows_from_their_tables(name, table):
    expected = "not checkable" if (name, table) in NOT_PRINTED else "fail" if (name, table) in CONTRADICTED else "pass"

    verdict = evaluate_printed(named(name), table)

    assert verdict.truth == expected, verdict.reason
    assert bool(verdict.reason) == (expected != "pass")


def test_every_published_table_but_the_two_of_single_corruptions_bears_a_claim():
    spoken_of = {table for claim in claims() for table in claim.tables}
    assert set(published_tables()) - spoken_of == {"table-11", "table-12"}


@pytest.mark.parametrize("table", ["table-3", "table-4", "table-5"])
def test_a_claim_fails_on_numbers_that_speak_against_it(table):
    real = published_table(table)
    swapped = {
        (({"PixMix": "Baseline", "Baseline": "PixMix"}.get(row, row)), column): value
        for (row, column), value in real.values.items()
    }
    evidence = PrintedEvidence((dataclasses.replace(real, values=swapped),))

    for name in ("better-corruption", "better-consistency", "better-calibration", "better-anomaly", "best-robustness"):
        assert evaluate(named(name), evidence, table=table, is_printed=True).truth == "fail"


@pytest.mark.parametrize(
    ("row", "other", "by", "truth"),
    [
        (printed(0.199), printed(0.203), 0.0, "pass"),
        (printed(0.203), printed(0.199), 0.0, "fail"),
        (printed(0.203), printed(0.203), 0.0, "undecided"),
        (printed(0.202), printed(0.203), 0.0, "pass"),
        (ours(0.10, 0.11, 0.12), ours(0.20, 0.21, 0.22), 0.0, "pass"),
        (ours(0.20, 0.21, 0.22), ours(0.10, 0.11, 0.12), 0.0, "fail"),
        (ours(0.10, 0.21, 0.15), ours(0.12, 0.18, 0.16), 0.0, "undecided"),
        (ours(0.10, 0.11, 0.12), ours(0.20, 0.21, 0.22), 0.15, "fail"),
        (ours(0.200), ours(0.220), 0.0, "pass"),
        (ours(0.200), ours(0.202), 0.0, "undecided"),
        (ours(0.200, floor=0.0), ours(0.300, floor=0.0), 0.0, "undecided"),
    ],
)
def test_a_difference_is_told_from_rounding_and_from_seeds(row, other, by, truth):
    assert is_better(row, other, by=by, text="").truth() == truth


@pytest.mark.parametrize(
    ("row", "other", "within", "truth"),
    [
        (printed(0.203), printed(0.203), 0.0, "pass"),
        (printed(0.204), printed(0.203), 0.0, "fail"),
        (printed(0.2135), printed(0.203), 0.01, "undecided"),
        (printed(0.209), printed(0.203), 0.0, "fail"),
        (printed(0.209), printed(0.203), 0.01, "pass"),
        (ours(0.205, 0.206, 0.207), ours(0.200, 0.201, 0.202), 0.01, "pass"),
        (ours(0.225, 0.226, 0.227), ours(0.200, 0.201, 0.202), 0.01, "fail"),
    ],
)
def test_near_gives_equal_numbers_the_benefit_of_the_doubt(row, other, within, truth):
    assert is_near(row, other, within=within, text="").truth() == truth


def test_seeds_that_are_not_shared_are_compared_without_pairing():
    row = Sample(values={0: 0.10, 1: 0.11, 2: 0.12})
    other = Sample(values={7: 0.20, 8: 0.21, 9: 0.22})

    assert is_better(row, other, text="").truth() == "pass"
    assert is_better(other, row, text="").truth() == "fail"


def test_one_wrong_comparison_of_many_must_be_clearer_than_a_single_one():
    shaky = is_better(ours(0.2030, 0.2060, 0.2041), ours(0.2000, 0.2010, 0.2005), text="")

    assert shaky.truth() == "fail"
    assert all_hold([shaky]) == "fail"
    assert all_hold([shaky] * 20) == "undecided"


def test_one_right_comparison_of_many_must_be_clearer_than_a_single_one():
    shaky = is_better(ours(0.2000, 0.2010, 0.2005), ours(0.2030, 0.2060, 0.2041), text="")
    wrong = is_better(ours(0.3, 0.31, 0.32), ours(0.1, 0.11, 0.12), text="")

    assert some_hold([shaky]) == "pass"
    assert some_hold([shaky] + [wrong] * 20) == "undecided"
    assert some_hold([wrong, wrong]) == "fail"


def test_a_mean_of_measures_is_taken_seed_by_seed_over_shared_seeds():
    made = averaged([Sample(values={0: 0.1, 1: 0.2}, floor=0.1), Sample(values={1: 0.4, 2: 0.5}, rounding=0.01)])

    assert made.values == {1: pytest.approx(0.3)}
    assert made.floor == 0.1
    assert made.rounding == pytest.approx(0.005)


def test_a_row_that_is_not_recorded_makes_a_claim_not_checkable():
    evidence = Table({"PixMix": {"clean": [0.2, 0.21]}, "Baseline": {}})

    verdict = evaluate(named("clean-kept"), evidence, table="table-3")

    assert verdict.truth == "not checkable"
    assert verdict.reason == "clean of Baseline is not recorded"


def test_a_measure_that_the_table_lacks_is_left_out_by_name():
    rows = {"PixMix": {"corruption": [0.1, 0.11, 0.1]}, "Baseline": {"corruption": [0.3, 0.31, 0.32]}}

    verdict = evaluate(named("better-corruption"), Table(rows), table="table-3")

    assert verdict.truth == "pass"
    assert set(verdict.left_out) == {"corruption-bar", "renditions"}


@pytest.mark.parametrize(
    ("seconds", "truth"),
    [
        ({"PixMix": [1.05, 1.06, 1.04], "Baseline": [1.0, 1.01, 1.0]}, "pass"),
        ({"PixMix": [2.05, 2.06, 2.04], "Baseline": [1.0, 1.01, 1.0]}, "fail"),
        ({"PixMix": [1.3], "Baseline": [1.0]}, "undecided"),
        ({"PixMix": [1.3]}, "not checkable"),
    ],
)
def test_overhead_is_a_ratio_of_device_seconds(seconds, truth):
    assert (
        evaluate(named("low-overhead"), Table({"PixMix": {}, "Baseline": {}}, seconds), table="table-3").truth == truth
    )


def test_stable_means_that_no_two_rows_lie_far_apart():
    flat = {f"beta={beta}": {"clean": [0.20, 0.2001, 0.2002], "corruption": [0.30, 0.3, 0.3]} for beta in range(3)}
    steep = {**flat, "beta=9": {"clean": [0.25, 0.2501, 0.2502], "corruption": [0.30, 0.3, 0.3]}}

    assert evaluate(named("stable-hyperparameters"), Table(flat), table="table-10").truth == "pass"
    assert evaluate(named("stable-hyperparameters"), Table(steep), table="table-10").truth == "fail"


def test_a_row_that_another_beats_everywhere_is_dominated():
    close = {"clean": [0.20, 0.21, 0.2], "corruption": [0.3, 0.31, 0.3]}
    better = {"clean": [0.10, 0.11, 0.1], "corruption": [0.2, 0.21, 0.2]}
    mixed = {"clean": [0.10, 0.11, 0.1], "corruption": [0.5, 0.51, 0.5]}

    assert evaluate(named("near-pareto"), Table({"PixMix": close, "A": better}), table="table-3").truth == "fail"
    assert evaluate(named("near-pareto"), Table({"PixMix": close, "A": mixed}), table="table-3").truth == "pass"


def test_mistakes_of_the_claims_file_are_named():
    wrong = dataclasses.replace(
        named("clean-kept"),
        holds=({"test": "beter"}, {"test": "near", "row": "a", "measures": ["claen"], "on": 1}),
        beside=("table-99",),
    )

    text = " ".join(_mistakes(wrong, measures()))

    for part in (
        "did you mean 'better'",
        "needs 'to'",
        "needs 'within'",
        "has no parameter 'on'",
        "'clean'",
        "table-99",
    ):
        assert part in text


def test_every_kind_of_test_is_described():
    from eval.claims import predicates

    assert all(kind.split("-")[0] in str(predicates.__doc__) for kind in TESTS)


def test_measures_name_known_columns():
    assert all(isinstance(measure, Measure) and measure.parts for measure in measures().values())
