"""What the plan refuses so that no table shows one thing under another's name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestration.cells.load import load_sweep
from orchestration.cells.resolved import ResolvedSweep
from orchestration.errors import InputError
from orchestration.results.table import sweep_tables
from orchestration.sweeps.overrides import parse_overrides

BASE = {"dataset": "digits", "model": "wrn-10-1", "recipe": "noop", "method": "baseline"}
PIXMIX = {**BASE, "method": "pixmix", "mixing_set": "fractals", "mixing_set_params": {"num_images": 16}}


def planned(folder: Path, axes: dict[str, Any], *given: str, size: str = "full", **more: Any) -> ResolvedSweep:
    """Write, load and resolve a sweep."""
    values = {"name": "mine", "title": "Mine", "base": BASE, "table": {"columns": ["clean/error"]}, **more}
    path = folder / "mine.yaml"
    path.write_text(json.dumps({**values, "axes": axes}), encoding="utf-8")
    options = parse_overrides(
        [text for text in given if "=" in text], seeds=next((t for t in given if "=" not in t), None)
    )
    return load_sweep(str(path), size=size, overrides=options)  # type: ignore[arg-type]


def refused(folder: Path, axes: dict[str, Any], *given: str, size: str = "full", **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        planned(folder, axes, *given, size=size, **more)
    return str(caught.value)


DECAYS = {"grid": {"train.weight_decay": [0.1, 0.01]}}
METHODS = {"cells": [{"row": "Base", "method": "baseline"}, {"row": "Cut", "method": "cutout"}]}
DATASETS = {"cells": [{"row": "A", "dataset": "digits"}, {"row": "B", "dataset": "mnist"}]}
EPOCHS = {"cells": [{"row": "short", "train": {"epochs": 0}}, {"row": "long", "train": {"epochs": 9}}]}
ROUNDS = {"grid": {"params.max_rounds": [2, 3]}}


@pytest.mark.parametrize(
    ("axes", "given", "rows"),
    [
        (DECAYS, "train.weight_decay=0.001", "'weight_decay=0.1' (0.1), 'weight_decay=0.01' (0.01)"),
        (DECAYS, "train.weight_decay=0.01", "the label of other values: 'weight_decay=0.1' (0.1)"),
        ({"one_at_a_time": {"train.weight_decay": [0.1]}}, "train.weight_decay=0.2", "'weight_decay=0.1' (0.1)"),
        (METHODS, "method=mixup", "'Base' (baseline), 'Cut' (cutout)"),
        (METHODS, "method=cutout", "'Base' (baseline)"),
        (DATASETS, "dataset=digits", "'B' (mnist)"),
        (EPOCHS, "train.epochs=5", "'short' (0), 'long' (9)"),
        ({"cells": [{"row": "wrn-10-1, no decay"}]}, "model=small-cnn", "'wrn-10-1, no decay' (wrn-10-1)"),
        ({**DECAYS, "row": "{train.weight_decay} on {dataset}"}, "dataset=mnist", "(digits)"),
        ({"cells": [{"row": "Strong: 0.1", "train": {"weight_decay": 0.1}}]}, "train.weight_decay=0.2", "(0.1)"),
    ],
)
def test_an_option_may_not_force_a_value_that_a_label_says_is_another(
    tmp_path: Path, axes: dict[str, Any], given: str, rows: str
) -> None:
    told = refused(tmp_path, axes, given)

    assert f"--set {given.partition('=')[0]}: " in told
    assert rows in told
    assert "leave the value out" in told


@pytest.mark.parametrize(
    ("axes", "size", "rows"),
    [
        (ROUNDS, {"set": {"params": {"max_rounds": 1}}}, "'max_rounds=2' (2), 'max_rounds=3' (3)"),
        (ROUNDS, {"rows": {"max_rounds=3": {"params": {"max_rounds": 4}}}}, "'max_rounds=3' (3)"),
        (METHODS, {"set": {"method": "mixup"}}, "'Base' (baseline)"),
        (EPOCHS, {"set": {"train": {"epochs": 1}}}, "'short' (0), 'long' (9)"),
    ],
)
def test_a_size_follows_the_same_rule_in_every_size_that_is_looked_at(
    tmp_path: Path, axes: dict[str, Any], size: dict[str, Any], rows: str
) -> None:
    base = PIXMIX if axes is ROUNDS else BASE

    assert rows in refused(tmp_path, axes, base=base, sizes={"smoke": size}, size="smoke")
    assert rows in refused(tmp_path, axes, base=base, sizes={"smoke": size})


def test_rows_that_would_become_one_and_the_same_are_refused(tmp_path: Path) -> None:
    axes = {"cells": [{"row": "Plain"}, {"row": "More", "train": {"epochs": 9}}]}

    assert "train.epochs is the difference between 'Plain', 'More'" in refused(tmp_path, axes, "train.epochs=3")


def test_what_else_an_option_changes_of_a_row_stands_below_the_table_and_in_its_title(tmp_path: Path) -> None:
    axes = {"cells": [{"row": "Base", "train": {"epochs": 9}}, {"row": "Cut", "method": "cutout"}]}
    sweep = planned(tmp_path, axes, "train.epochs=1", "0-1")

    (table,) = sweep_tables(sweep, {})

    assert table.title == "Mine, with train.epochs=1"
    assert "Run with train.epochs 1 instead of 9 of the row itself: Base." in table.notes


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("seed=3", "'seed' is no setting of a cell; write `seeds` in the file, or --seeds"),
        ("workers=3", "--workers 2"),
        ("mixing_set=fractals", "no cell of the sweep takes a mixing set"),
        ("mixing_set_params.num_images=4", "no cell of the sweep takes a mixing set"),
        ("outliers=digits", "no cell of the sweep takes outliers"),
    ],
)
def test_an_option_that_reaches_no_cell_is_refused(tmp_path: Path, given: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        planned(tmp_path, METHODS, given)

    assert told in str(caught.value)


def test_initials_beside_a_number_say_what_it_is_of(tmp_path: Path) -> None:
    base = {**BASE, "train": {"weight_decay": 0.1}}
    assert "'WD 0.1' (0.1)" in refused(tmp_path, {"cells": [{"row": "WD 0.1"}]}, "train.weight_decay=0.2", base=base)


@pytest.mark.parametrize("name", ["mixing_set", "outliers"])
def test_a_set_that_no_method_of_its_rows_takes_is_refused(tmp_path: Path, name: str) -> None:
    """Otherwise one network stands in two rows, each under the name of another set."""
    first, second = {"mixing_set": ("fractals", "fractaldb"), "outliers": ("mnist", "fashion-mnist")}[name]
    rows = {"cells": [{"row": "A", name: first}, {"row": "B", name: second}]}
    assert f"axes.cells.1.{name}: no method that gets it takes" in refused(tmp_path, rows)
    crossed = {"grid": {"method": ["baseline", "pixmix"], "mixing_set": ["fractals", "fractaldb"]}}
    planned(tmp_path, crossed)


def test_an_option_may_not_force_another_method_on_the_cell_that_a_row_builds_on(tmp_path: Path) -> None:
    rows = {"cells": [{"row": "From cutout", "init_from": {"method": "cutout"}}]}
    assert "'From cutout' (cutout)" in refused(tmp_path, rows, "method=mixup")
    planned(tmp_path, rows, "train.weight_decay=0.1")


def test_a_column_that_stands_in_for_one_that_the_table_has_is_refused(tmp_path: Path) -> None:
    """Otherwise a column vanishes, and the other is said to stand in for it."""
    table = {"columns": ["clean/error", "clean/rms"]}
    for first, second in (("clean/error", "clean/rms"), ("clean/rms", "clean/error")):
        sizes = {"smoke": {"columns": {first: second}}}
        told = refused(tmp_path, {"cells": [{"row": "A"}]}, table=table, sizes=sizes, size="smoke")
        assert f"column '{second}' would be in the table twice" in told


def test_a_baseline_row_that_the_table_does_not_show_is_refused(tmp_path: Path) -> None:
    table = {"columns": ["clean/error"], "rows": ["Cut"], "baseline": "Base"}
    cells = {"cells": [{"row": "Base"}, {"row": "Cut", "method": "cutout"}]}
    assert "the row 'Base' is not in `rows`" in refused(tmp_path, cells, table=table)


def test_a_mistake_of_a_benchmark_names_the_option_that_brought_it(tmp_path: Path) -> None:
    axes = {"cells": [{"row": "Base"}]}
    assert "--set benchmarks.clean.max_images: " in refused(tmp_path, axes, "benchmarks.clean.max_images=0")


def test_a_label_that_says_another_value_than_runs_is_refused(tmp_path: Path) -> None:
    assert "says epochs=5, but its cells run with epochs 6" in refused(
        tmp_path, {"cells": [{"row": "epochs=5", "train": {"epochs": 6}}]}
    )
    assert "says beta=5" in refused(tmp_path, {"cells": [{"row": "beta: 5", "params": {"beta": 3}}]}, base=PIXMIX)
    assert "says lr=0.2, but its cells run with lr 0.1" in refused(tmp_path, {"cells": [{"row": "Plain, lr=0.2"}]})
    for label in ("Plain, seed=0", "Seed 0", "Plain (seed 0)", "Plain, seed: 0"):
        assert "says seed=0" in refused(tmp_path, {"cells": [{"row": label}]}, "3")
    planned(tmp_path, {"cells": [{"row": "Plain, 3 seeds"}, {"row": "linseed 5", "method": "cutout"}]}, "0-2")
    planned(tmp_path, {"cells": [{"row": "k=9, epochs=0, dataset=Digits, seed=0"}]})


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (
            [{"row": "A"}, {"row": "A", "train": {"epochs": 7}}],
            "cells that differ in more than their seed: epochs (0 and 7)",
        ),
        ([{"params": {"max_rounds": 1}}, {"params": {"max_rounds": 2}}], "max rounds (1 and 2)"),
        (
            [{"row": "A", "init_from": {"method": "baseline"}}, {"row": "A", "init_from": {"method": "cutout"}}],
            "init from (baseline and cutout)",
        ),
        (
            [{"row": "A", "init_from": {"train": {"epochs": 1}}}, {"row": "A", "init_from": {"train": {"epochs": 2}}}],
            "epochs (1 and 2) of the cell that it builds on",
        ),
    ],
)
def test_one_label_for_different_settings_is_refused_with_the_setting(
    tmp_path: Path, cells: list[dict[str, Any]], told: str
) -> None:
    assert told in refused(tmp_path, {"cells": cells}, base=PIXMIX)


def test_a_matrix_over_three_factors_is_refused_with_the_third(tmp_path: Path) -> None:
    axes = {"grid": {"params.beta": [3, 4], "params.max_rounds": [2, 4], "params.severity": [1, 3]}}
    factors = {"rows": "params.beta", "columns": "params.max_rounds"}
    matrix = {"columns": ["clean/error"], "layout": "matrix", "matrix": factors}

    told = refused(tmp_path, axes, base=PIXMIX, table=matrix)

    assert "which differ in severity (1 and 3)" in told
    third_excluded = {**axes, "exclude": [{"params.severity": 3}]}
    assert len(planned(tmp_path, third_excluded, base=PIXMIX, table=matrix).sweep.points) == 4
    unknown = {**matrix, "matrix": {"rows": "params.bet", "columns": "params.max_rounds"}}
    assert "no cell sets the factor 'params.bet' (did you mean 'params.beta'?)" in refused(
        tmp_path, third_excluded, base=PIXMIX, table=unknown
    )


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("Baseline (k\u00a0=\u00a04)", "character 12 of 'Baseline (k\\xa0=\\xa04)' is U+00A0 (NO-BREAK SPACE)"),
        ("a\tb", "character 2 of 'a\\tb' is U+0009 (TABULATOR)"),
        ("a\nb", "U+000A (LINE FEED)"),
        ("ab\u200b", "character 3 of 'ab\\u200b' is U+200B (ZERO WIDTH SPACE); write it without"),
        ("a\ufe0f", "VARIATION SELECTOR-16"),
        ("\u3164", "HANGUL FILLER"),
        ("a\u202eb", "RIGHT-TO-LEFT OVERRIDE"),
        ("ab ", "the last one of 'ab ' is a space"),
        (" ", "has none"),
    ],
)
def test_labels_and_titles_that_cannot_be_seen_are_refused_with_the_position(
    tmp_path: Path, label: str, told: str
) -> None:
    row = refused(tmp_path, {"cells": [{"row": "fine"}, {"row": label, "method": "cutout"}]})

    assert "axes.cells.1.row" in row
    assert told in row
    assert "1 mistake\n" in row
    assert told in refused(tmp_path, {"cells": [{}]}, title=label)
    assert "axes.grid.method.1: a label must" in refused(tmp_path, {"grid": {"method": ["baseline", label]}})


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (
            "PixMix",
            "\u0420ixMix",
            "character 1 is U+0420 (CYRILLIC CAPITAL LETTER ER), not U+0050 (LATIN CAPITAL LETTER P)",
        ),
        ("fine", "\ufb01ne", "LATIN SMALL LIGATURE FI"),
        ("a b", "a  b", "character 3 is U+0020 (SPACE)"),
        ("PixMix", "pixmix", "LATIN SMALL LETTER P"),
        ("k-4", "k\u20134", "EN DASH"),
        ("e\u0301", "\u00e9", "LATIN SMALL LETTER E WITH ACUTE"),
    ],
)
def test_two_labels_that_look_equal_are_refused_with_where_they_differ(
    tmp_path: Path, first: str, second: str, told: str
) -> None:
    found = refused(tmp_path, {"cells": [{"row": first}, {"row": second, "method": "cutout"}]})

    assert "axes.cells.1.row" in found
    assert "look equal" in found
    assert told in found


def test_labels_with_accents_and_letters_of_other_alphabets_are_fine(tmp_path: Path) -> None:
    labels = ["Café β=3", "Эксперимент", "基线", "a/b|c_d*", "B", "β"]

    cells = [{"row": label, "train": {"weight_decay": 0.1 * n}} for n, label in enumerate(labels)]
    assert planned(tmp_path, {"cells": cells}).sweep.rows == tuple(labels)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (
            {"params.maxrounds": 2},
            "no cell sets 'params.maxrounds', so the rule excludes nothing (did you mean 'params.max",
        ),
        ({"max_rounds": 2}, "(did you mean 'params.max_rounds'?)"),
        ({"params": {"max_rounds": 2}}, "no cell sets 'params'"),
        (
            {"params.max_rounds": "2"},
            "no cell has params.max_rounds '2', so the rule excludes nothing; its values are 2, 3",
        ),
        ({"params.max_rounds": 4}, "its values are 2, 3"),
        ({"params.max_rounds": 2, "method": "mixup"}, "no cell has method 'mixup'"),
        ({}, "an empty rule excludes every cell"),
    ],
)
def test_a_rule_that_excludes_nothing_is_refused(tmp_path: Path, rule: dict[str, Any], told: str) -> None:
    assert told in refused(tmp_path, {**ROUNDS, "exclude": [rule]}, base=PIXMIX)


def test_conditions_that_no_cell_meets_at_once_are_refused(tmp_path: Path) -> None:
    cells = [{"row": "A", "train": {"epochs": 1}}, {"row": "B", "method": "cutout"}]
    rule = {"train.epochs": 1, "method": "cutout"}

    assert "no cell has train.epochs 1, method 'cutout' at once" in refused(
        tmp_path, {"cells": cells, "exclude": [rule]}
    )


def test_axes_of_one_last_name_are_told_apart_in_labels(tmp_path: Path) -> None:
    axes = {"grid": {"mixing_set_params.seed": [1, 2], "mixing_set_params.num_images": [4]}}
    assert planned(tmp_path, axes, base=PIXMIX).sweep.rows == ("seed=1, num_images=4", "seed=2, num_images=4")
    axes = {"grid": {"model_params.dropout": [0.1], "params.beta": [3]}}
    assert planned(tmp_path, axes, base=PIXMIX).sweep.rows == ("dropout=0.1, beta=3",)
