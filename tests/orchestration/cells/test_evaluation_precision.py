"""`evaluation.precision`: from the sweep file or an option into the keys of benchmarks, and into what a table says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.evaluated_in import evaluated_in
from orchestration.cells.load import load_sweep, sweep_json_schema
from orchestration.cells.resolved import ResolvedSweep
from orchestration.errors import InputError
from orchestration.results.notes import table_notes
from orchestration.sweeps.overrides import parse_overrides

FILE = """
name: precisions
title: Precisions
base: {dataset: digits, model: wrn-10-1, recipe: digits, method: baseline}
axes:
  cells:
    - {row: Coarse, train: {precision: bf16}}
    - {row: Plain}
table: {columns: [clean/error, pgd/error]}
"""


def sweep(tmp_path: Path, text: str = "", *options: str, row: str = FILE) -> ResolvedSweep:
    path = tmp_path / "precisions.yaml"
    path.write_text(row + text)
    return load_sweep(str(path), overrides=parse_overrides(options), catalogue=builtin_catalogue(tmp_path))


def keys(resolved: ResolvedSweep) -> dict[str, list[str]]:
    return {cell.cell.row: [each.key for each in cell.benchmarks] for cell in resolved.cells}


def test_networks_are_evaluated_in_fp32_whatever_they_were_trained_in(tmp_path: Path) -> None:
    for cell in sweep(tmp_path).cells:
        assert {each.precision for each in cell.benchmarks} == {"fp32"}


def test_only_rows_trained_in_bf16_get_other_keys_than_before(tmp_path: Path) -> None:
    """Their records under the earlier keys were evaluated in bf16, all others in fp32."""
    now, coarse = keys(sweep(tmp_path)), keys(sweep(tmp_path, "evaluation: {precision: bf16}"))
    before = now["Plain"]  # the keys without a word on precision, which did not depend on the recipe
    assert now["Coarse"] != before
    assert coarse["Coarse"] == before, "what is recorded as evaluated in bf16 is found under its earlier key"
    assert coarse["Plain"] != before
    assert len({*now["Coarse"], *now["Plain"], *coarse["Plain"]}) == 6


def test_train_keys_do_not_depend_on_it(tmp_path: Path) -> None:
    plain, coarse = sweep(tmp_path), sweep(tmp_path, "evaluation: {precision: tf32}")
    assert [cell.train_key for cell in plain.cells] == [cell.train_key for cell in coarse.cells]


def test_naming_the_default_changes_nothing(tmp_path: Path) -> None:
    assert keys(sweep(tmp_path, "evaluation: {precision: fp32}")) == keys(sweep(tmp_path))
    assert keys(sweep(tmp_path, "evaluation: {}")) == keys(sweep(tmp_path))


def test_an_option_is_stronger_than_the_file(tmp_path: Path) -> None:
    by_file = keys(sweep(tmp_path, "evaluation: {precision: tf32}"))
    by_option = sweep(tmp_path, "evaluation: {precision: bf16}", "evaluation.precision=tf32")
    assert keys(by_option) == by_file
    assert by_option.sweep.overrides == ("evaluation.precision=tf32",)


def test_options_reach_the_parts_of_a_union(tmp_path: Path) -> None:
    text = "name: both\ntitle: Both\ninclude: [table-3]\n"
    found = sweep(tmp_path, "", "evaluation.precision=bf16", row=text)
    assert {each.precision for cell in found.cells for each in cell.benchmarks} == {"bf16"}


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("evaluation.precision=fp16", "evaluation.precision must be one of fp32, tf32, bf16, but got 'fp16'"),
        ("evaluation.precision=16", "must be one of fp32, tf32, bf16, but got 16"),
        ("evaluation.speed=1", "of the evaluation only `evaluation.precision` can be set, but got 'evaluation.speed'"),
        ("evaluation=bf16", "of the evaluation only `evaluation.precision` can be set, but got 'evaluation'"),
    ],
)
def test_mistaken_options_are_refused_with_the_rule(option: str, expected: str) -> None:
    with pytest.raises(InputError, match="--set evaluation") as caught:
        parse_overrides([option])
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("evaluation: {precision: fp16}", "fp32"),
        ("evaluation: {precison: bf16}", "unknown key 'precison' (did you mean 'precision'?)"),
    ],
)
def test_mistakes_in_the_file_are_reported_with_their_line(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        sweep(tmp_path, text)
    (mistake,) = caught.value.mistakes
    assert mistake.line == 10
    assert expected in mistake.text


def test_a_union_leaves_it_to_its_parts(tmp_path: Path) -> None:
    text = "name: both\ntitle: Both\ninclude: [table-3]\nevaluation: {precision: bf16}\n"
    with pytest.raises(InputError, match="leave `evaluation` out"):
        sweep(tmp_path, "", row=text)


@pytest.mark.parametrize(("text", "count"), [("", 0), ("evaluation: {precision: bf16}", 1)])
def test_a_table_says_in_which_precision_its_networks_were_evaluated(tmp_path: Path, text: str, count: int) -> None:
    resolved = sweep(tmp_path, text)
    notes = table_notes(resolved, resolved.sweep.columns, {})
    assert notes.count("Networks are evaluated in bf16 instead of fp32.") == count


def test_editors_know_it() -> None:
    schema: dict[str, Any] = sweep_json_schema()
    assert schema["$defs"]["EvaluationSpec"]["properties"]["precision"]["enum"] == ["fp32", "tf32", "bf16"]


@pytest.mark.parametrize(
    ("notes", "trained_in", "expected"),
    [
        ({}, "fp32", "fp32"),
        ({}, "bf16", "bf16"),
        ({"evaluated_in": "fp32"}, "bf16", "fp32"),
        ({"evaluated_in": "bf16"}, "tf32", "bf16"),
        ({"evaluated_in": "tf32"}, "", "tf32"),
    ],
)
def test_records_without_a_precision_are_of_the_time_before(
    notes: dict[str, str], trained_in: str, expected: str
) -> None:
    assert evaluated_in(notes, {"recipe": {"precision": trained_in}}) == expected
    if not trained_in:
        assert evaluated_in(notes, {}) == expected
