"""Expansion: which cells a sweep file comes to, in which order, in each size, with overrides."""

from __future__ import annotations

import pytest

from eval.tables.column import Column
from orchestration.errors import InputError
from orchestration.sweeps.expand import expand
from orchestration.sweeps.model import Overrides, Sweep
from orchestration.sweeps.overrides import parse_overrides, parse_seeds
from orchestration.sweeps.schema import parse_document
from orchestration.sweeps.yaml_reader import read_yaml

BASE = """
name: s
title: S
base: {method: pixmix, dataset: digits, model: wrn-10-1, recipe: digits, mixing_set: fractals, train: {epochs: 9}}
table: {columns: [clean/error, c/error]}
"""


def expanded(axes: str, *, size: str = "full", overrides: Overrides | None = None, more: str = "") -> Sweep:
    document = read_yaml(f"{BASE}{more}\naxes:\n{axes}", subject="s")
    file, mistakes = parse_document(document)
    assert file is not None
    assert not mistakes
    sweep, found = expand(file, document, size=size, overrides=overrides)  # type: ignore[arg-type]
    assert not found, found
    return sweep


def told(axes: str, more: str = "", size: str = "full") -> str:
    document = read_yaml(f"{BASE}{more}\naxes:\n{axes}", subject="s")
    file, mistakes = parse_document(document)
    assert file is not None
    _, found = expand(file, document, size=size)  # type: ignore[arg-type]
    return "\n".join(map(str, [*mistakes, *found]))


def values(sweep: Sweep, path: str) -> list[object]:
    return [point.settings[path].value for point in sweep.points]


def test_a_grid_is_a_product_in_the_order_of_its_axes() -> None:
    sweep = expanded("  grid: {params.beta: [5, 4], params.max_rounds: [2, 3]}")

    assert list(zip(values(sweep, "params.beta"), values(sweep, "params.max_rounds"), strict=True)) == [
        (5, 2),
        (5, 3),
        (4, 2),
        (4, 3),
    ]
    assert sweep.rows == (
        "beta=5, max_rounds=2",
        "beta=5, max_rounds=3",
        "beta=4, max_rounds=2",
        "beta=4, max_rounds=3",
    )


def test_rows_of_a_grid_take_their_names_from_a_pattern() -> None:
    sweep = expanded("  grid: {params.beta: [5, 4]}\n  row: 'beta={params.beta} on {dataset}'")

    assert sweep.rows == ("beta=5 on digits", "beta=4 on digits")


def test_a_pattern_that_names_nothing_is_told() -> None:
    assert "'params.bata', which no cell sets (did you mean 'params.beta'?)" in told(
        "  grid: {params.beta: [5]}\n  row: 'b={params.bata}'"
    )


def test_one_at_a_time_varies_each_factor_alone_from_the_base() -> None:
    sweep = expanded("  one_at_a_time: {train.epochs: [1, 2], params.beta: [4]}")

    assert values(sweep, "train.epochs") == [9, 1, 2, 9]
    assert sweep.rows == ("default", "epochs=1", "epochs=2", "beta=4")


def test_excluded_combinations_are_left_out() -> None:
    sweep = expanded(
        "  grid: {params.beta: [5, 4], params.max_rounds: [2, 3]}\n  exclude: [{params.beta: 5, params.max_rounds: 3}]"
    )

    assert len(sweep.points) == 3


def test_each_point_has_every_seed() -> None:
    sweep = expanded("  cells: [{method: baseline}, {method: cutout}]", more="seeds: [3, 1]")

    assert [(point.row, point.seed) for point in sweep.points] == [
        ("baseline", 3),
        ("baseline", 1),
        ("cutout", 3),
        ("cutout", 1),
    ]


def test_settings_come_in_order_of_precedence() -> None:
    axes = "  cells: [{row: A, method: baseline, train: {epochs: 7, lr: 0.5}}, {row: B, method: baseline}]"
    more = "sizes: {smoke: {set: {train: {epochs: 2}}, rows: {B: {train: {epochs: 3}}}}}"

    assert values(expanded(axes, more=more), "train.epochs") == [7, 9]
    smoke = expanded(axes, more=more, size="smoke")
    assert values(smoke, "train.epochs") == [2, 3]
    assert smoke.points[0].settings["train.lr"].value == 0.5
    forced = expanded(axes, more=more, size="smoke", overrides=parse_overrides(["train.epochs=1"]))
    assert values(forced, "train.epochs") == [1, 1]


def test_a_size_changes_seeds_workers_columns_and_leaves_out_by_name() -> None:
    more = (
        "workers: 4\nsizes: {smoke: {seeds: [5], workers: 1, columns: {c/error: c-generated/error}, "
        "left_out: {clean/error: not here, B: too slow}}}"
    )
    axes = "  cells: [{row: A, method: baseline}, {row: B, method: cutout}]"

    smoke = expanded(axes, more=more, size="smoke")

    assert smoke.columns == (Column("c-generated", "error"),)
    assert smoke.stand_ins == {Column("c-generated", "error"): Column("c", "error")}
    assert smoke.left_out == {"clean/error": "not here", "B": "too slow"}
    assert [point.row for point in smoke.points] == ["A"]
    assert (smoke.points[0].seed, smoke.workers) == (5, 1)
    assert smoke.label == "s-smoke"


def test_wanted_benchmarks_are_those_of_shown_columns_and_those_that_stand_alone() -> None:
    more = "benchmarks: {c: {severities: [1]}, pgd: {steps: 3}}\nsizes: {smoke: {left_out: {c/error: x}}}"
    axes = "  cells: [{method: baseline}]"

    assert expanded(axes, more=more).benchmarks == {"clean": {}, "c": {"severities": [1]}, "pgd": {"steps": 3}}
    assert expanded(axes, more=more, size="smoke").benchmarks == {"clean": {}, "pgd": {"steps": 3}}


def test_a_parent_shares_the_base_but_not_what_its_childs_row_sets() -> None:
    sweep = expanded(
        "  cells: [{row: OE, method: oe, train: {epochs: 2}, params: {weight: 1}, init_from: {method: baseline}}]",
        overrides=parse_overrides(["model=wrn-16-2"]),
    )

    parent = sweep.points[0].parent
    assert parent is not None
    assert {path: item.value for path, item in parent.items()} == {
        "method": "baseline",
        "dataset": "digits",
        "model": "wrn-16-2",
        "recipe": "digits",
        "mixing_set": "fractals",
        "train.epochs": 9,
    }


def test_more_cells_than_stated_are_refused_before_they_are_made() -> None:
    axis = ", ".join(str(number) for number in range(300))

    assert "may have 20000 cells" in told(f"  grid: {{params.beta: [{axis}], params.max_rounds: [{axis}]}}")


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ("  grid: {params.beta: [1, 1]}", "twice"),
        ("  grid: {parms.beta: [1]}", "did you mean 'params'?"),
        ("  grid: {params: [1]}", "params.<name>"),
        ("  grid: {dataset.x: [1]}", "write 'dataset' alone"),
        ("  cells: [{method: baseline}]\n  exclude: [{}]", "no cell is left to run"),
    ],
)
def test_mistaken_axes_are_told(axes: str, expected: str) -> None:
    assert expected in told(axes)


def test_an_unknown_row_of_the_table_is_told_with_the_nearest_one() -> None:
    text = BASE.replace("[clean/error, c/error]}", "[clean/error], rows: [Basline]}")
    document = read_yaml(f"{text}\naxes: {{cells: [{{row: Baseline, method: baseline}}]}}", subject="s")
    file, _ = parse_document(document)
    assert file is not None

    _, found = expand(file, document)

    assert "did you mean 'Baseline'?" in str(found[0])


@pytest.mark.parametrize(("text", "seeds"), [("0", (0,)), ("0,1,2", (0, 1, 2)), ("0-3,7", (0, 1, 2, 3, 7))])
def test_seeds_are_read(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "3-1", "1,1", "0-99999", "-1", "1.5"])
def test_mistaken_seeds_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="seed"):
        parse_seeds(text)


def test_all_mistaken_options_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        parse_overrides(["train.epochs", "trian.lr=1", "benchmarks.pgd=3"], seeds="x", workers="0")

    assert len(caught.value.mistakes) == 5
    assert "did you mean 'train'?" in str(caught.value)


def test_an_option_that_is_given_twice_is_refused() -> None:
    """The last one won without a word."""
    twice = ["train.epochs=1", "benchmarks.pgd.steps=3", "train.epochs=2", "benchmarks.pgd.steps=3"]
    with pytest.raises(InputError) as caught:
        parse_overrides(twice)

    assert [mistake.where for mistake in caught.value.mistakes] == [f"--set {text}" for text in twice[2:]]
    assert "'train.epochs' is set twice, to 1 and 2; leave one out" in str(caught.value)


def test_options_have_the_type_of_what_is_written() -> None:
    made = parse_overrides(["train.epochs=5", "train.lr=1e-3", "dataset=mnist", "benchmarks.pgd.steps=7"])

    assert made.settings == {"train.epochs": 5, "train.lr": 0.001, "dataset": "mnist"}
    assert made.benchmarks == {"pgd": {"steps": 7}}
