"""Sweep files: everything wrong with one is told at once, with its line and the nearest known name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.load import SWEEPS, load_sweep, load_sweep_file, sweep_json_schema
from orchestration.errors import InputError
from orchestration.sweeps.sweep_file import SweepFile

GOOD = """
name: mine
title: Mine
base: {dataset: digits, model: wrn-10-1, recipe: digits, mixing_set: fractals}
axes:
  cells:
    - {row: Baseline, method: baseline}
    - {row: PixMix, method: pixmix}
table: {columns: [clean/error]}
sizes:
  smoke: {set: {train: {epochs: 1}}}
"""


@pytest.fixture
def written(tmp_path: Path):  # type: ignore[no-untyped-def]
    def write(text: str) -> str:
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return str(path)

    return write


def mistakes_of(path: str, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        load_sweep(path, catalogue=builtin_catalogue(), **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_good_file_loads_in_each_of_its_sizes(written) -> None:  # type: ignore[no-untyped-def]
    assert len(load_sweep(written(GOOD)).points) == 2
    assert load_sweep(written(GOOD), size="smoke").points[0].point.settings["train.epochs"].value == 1


def test_a_size_that_the_file_lacks_is_refused_with_those_it_has(written) -> None:  # type: ignore[no-untyped-def]
    assert "it has: full, smoke" in mistakes_of(written(GOOD), size="small")


def test_all_mistakes_of_shape_are_told_at_once_with_line_and_nearest_key(written) -> None:  # type: ignore[no-untyped-def]
    text = (
        GOOD.replace("title: Mine", "titel: Mine")
        .replace("recipe: digits", "recipy: digits")
        .replace("columns: [clean/error]", "columns: []")
        .replace("{epochs: 1}", "1")
    )

    told = mistakes_of(written(text))

    assert "line 3, titel: unknown key 'titel' (did you mean 'title'?)" in told
    assert "unknown key 'recipy' (did you mean 'recipe'?)" in told
    assert "table.columns" in told
    assert "sizes.smoke.set.train" in told


def test_mistakes_of_shape_and_of_names_are_told_together(written) -> None:  # type: ignore[no-untyped-def]
    text = GOOD.replace("title: Mine", "title: Mine\nseedz: [1]").replace("method: pixmix", "method: pixmx")

    told = mistakes_of(written(text))

    assert "did you mean 'seeds'?" in told
    assert "unknown method 'pixmx' (did you mean 'pixmix'?)" in told


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("[clean/error]", "[clean/eror]", "eror"),
        ("[clean/error]", "[cleen/error]", "cleen"),
        ("[clean/error]", "[clean/error, clean/error]", "differ"),
        ("name: mine", "name: My Sweep", "name"),
        ("name: mine", "name: mine\nseeds: [1, 1]", "seeds must differ"),
        ("name: mine", "name: mine\nseeds: []", "seeds"),
        ("name: mine", "name: mine\nseeds: [-1]", "seeds"),
        ("name: mine", "name: mine\nseeds: [true]", "seeds"),
        ("name: mine", "name: mine\nworkers: 0", "workers"),
        ("name: mine", "name: mine\nleft_out: {Nobody: because}", "neither a row nor a column"),
        ("columns: [clean/error]", "columns: [clean/error], baseline: Nobody", "unknown row 'Nobody'"),
        ("columns: [clean/error]", "columns: [clean/error], layout: matrix", "matrix"),
        ("{train: {epochs: 1}}}", "{train: {epochs: 1}}, columns: {c/error: clean/error}}", "unknown column 'c/error'"),
    ],
)
def test_each_rule_of_a_file_says_what_is_wrong(written, before: str, after: str, expected: str) -> None:  # type: ignore[no-untyped-def]
    text = GOOD.replace(before, after)
    assert text != GOOD
    with pytest.raises(InputError) as caught:
        load_sweep(written(text))

    assert expected in str(caught.value)


def test_without_axes_nothing_is_left_to_run(written) -> None:  # type: ignore[no-untyped-def]
    text = GOOD[: GOOD.index("axes:")] + "axes: {}\n" + GOOD[GOOD.index("table:") :]

    assert "no cell is left to run" in mistakes_of(written(text))


def test_an_unknown_sweep_names_the_nearest_built_in_one() -> None:
    assert "did you mean 'demo'" in mistakes_of("demmo")


def test_a_path_that_does_not_exist_is_named() -> None:
    assert "no sweep file" in mistakes_of("nowhere/x.yaml")


def test_names_with_a_path_in_them_never_leave_the_folder_of_sweeps() -> None:
    assert "../sweeps/demo" not in SWEEPS
    assert "" not in SWEEPS


def test_the_schema_for_editors_describes_the_file() -> None:
    schema = sweep_json_schema()

    assert json.loads(json.dumps(schema)) == schema
    assert set(schema["properties"]) == set(SweepFile.model_fields)
    assert "pixmix" in schema["$defs"]["PointPatch"]["properties"]["method"]["examples"]
    assert schema["additionalProperties"] is False


def test_built_in_files_are_listed_by_number() -> None:
    names = list(SWEEPS)

    assert names.index("table-1") < names.index("table-6") < names.index("table-10")
    assert all(load_sweep_file(name).name == name for name in names)
