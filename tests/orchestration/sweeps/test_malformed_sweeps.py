"""Malformed sweep files: every mistake at once, at its place, in our own words, and nothing that only follows from another."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.cells.load import load_sweep
from orchestration.errors import InputError
from orchestration.sweeps.yaml_reader import read_yaml

FIRST = "    - {row: A, method: baseline}"
CELLS = f"  cells:\n{FIRST}\n    - {{row: B, method: cutout}}\n"
AXES = f"axes:\n{CELLS}"
COLUMNS = "[clean/error, pgd/error]"
TABLE = f"table:\n  columns: {COLUMNS}\n  baseline: A\n"
SEEDS = "seeds: [0, 1]"
SMOKE = "  smoke: {set: {train: {epochs: 1}}, left_out: {B: slow}}"
GOOD = f"""name: mine
title: Mine
base: {{dataset: digits, model: wrn-10-1, recipe: noop}}
{AXES}{TABLE}{SEEDS}
sizes:
{SMOKE}
"""
LONG = "title: " + "x" * 121
FOREIGN = re.compile(
    r"Input should be|Field required|Value error|should have at least|should match pattern"
    r"|valid (string|integer|list|dict)|after validation|Extra inputs|unable to parse|JSON|pydantic|instance of|\btuple\b",
    re.IGNORECASE,
)
"""Texts of the checking library, and names of Python's own things."""


def mistakes_of(text: str, folder: Path) -> list[str]:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        load_sweep(str(path))
    except InputError as error:
        found = [str(each) for each in error.mistakes]
    else:
        return []
    for line in found:
        assert FOREIGN.search(line) is None, line
        assert re.search(r"\bNone\b", line) is None, line
        assert not line.startswith((":", ",")), line
        assert ", :" not in line, line
    return found


CASES: list[tuple[str, str, list[str]]] = [
    ("title: Mine\n", "", ["line 1, title: `title` is required; add it"]),
    ("name: mine\n", "", ["line 1, name: `name` is required; add it"]),
    ("title: Mine", "title:", ["line 2, title: title must be a text, but got nothing"]),
    ("title: Mine", "title: 5", ["line 2, title: title must be a text, but got 5; put it in quotes"]),
    ("title: Mine", "title: [a]", ['line 2, title: title must be a text, but got ["a"]']),
    ("title: Mine", "titel: Mine", ["line 2, titel: unknown key 'titel' (did you mean 'title'?)"]),
    ("title: Mine", "title: ''", ['line 2, title: title must be non-empty text, but got ""']),
    (
        "title: Mine",
        LONG,
        [
            'line 2, title: title must be a text of at most 120 characters, but got "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'
        ],
    ),
    (
        "name: mine",
        "name: Mine Sweep",
        [
            "line 1, name: name must be lower-case letters, digits and hyphens, at most 64, beginning with a letter or digit,"
        ],
    ),
    ("name: mine", "name: 7", ["line 1, name: name must be a text, but got 7; put it in quotes"]),
    (SEEDS, "seeds: 3", ["line 11, seeds: seeds must be a list, but got 3; write [3]"]),
    (SEEDS, "seeds: [a]", ['line 11, seeds.0: each of seeds must be a whole number, but got "a"']),
    (SEEDS, "seeds: [0.5]", ["line 11, seeds.0: each of seeds must be a whole number, but got 0.5"]),
    (SEEDS, "seeds: []", ["line 11, seeds: seeds must be a list with at least one value, but got []"]),
    (SEEDS, "seeds: [-1, 0]", ["line 11, seeds.0: each of seeds must be at least 0, but got -1"]),
    (
        SEEDS,
        "seeds: [1, 1]",
        ["line 11, seeds.1: seeds must differ from each other, but 1 is listed twice; leave one out"],
    ),
    (SEEDS, "seeds:", ["line 11, seeds: seeds must be a list, but got nothing"]),
    (SEEDS, "seeds: [true]", ["line 11, seeds.0: each of seeds must be a whole number, but got true"]),
    (SEEDS, "seed: [0]", ["line 11, seed: unknown key 'seed' (did you mean 'seeds'?)"]),
    (SEEDS, "seeds: {a: 1}", ['line 11, seeds: seeds must be a list, but got {"a": 1}']),
    (SEEDS, "seeds: [99999999999999999999]", ["line 11, seeds.0: each of seeds must be a whole number, but got 1e+20"]),
    (SEEDS, "workers: 0", ["line 11, workers: workers must be at least 1, but got 0"]),
    (SEEDS, "workers: two", ['line 11, workers: workers must be a whole number, but got "two"']),
    (SEEDS, "workers: 1.5", ["line 11, workers: workers must be a whole number, but got 1.5"]),
    (SEEDS, "cell_limit: 0", ["line 11, cell_limit: cell_limit must be at least 1, but got 0"]),
    (
        SEEDS,
        "cell_limit: 1",
        [
            "line 5, axes: a sweep may have 1 cells, seeds included, and this one has more; split it, or raise `cell_limit`"
        ],
    ),
    (SEEDS, "description: 5", ["line 11, description: description must be a text, but got 5; put it in quotes"]),
    (COLUMNS, "[]", ["line 9, table.columns: columns must be a list with at least one value, but got []"]),
    (
        COLUMNS,
        "clean/error",
        ['line 9, table.columns: columns must be a list, but got "clean/error"; write [clean/error]'],
    ),
    (
        COLUMNS,
        "[clean]",
        [
            "line 9, table.columns.0: each of columns must be written <benchmark>/<metric> or <benchmark>/<metric>/<detail>, "
        ],
    ),
    (
        COLUMNS,
        "[clean/error, Clean/Error]",
        [
            "line 9, table.columns.1: each of columns must be written <benchmark>/<metric> or <benchmark>/<metric>/<detail>, "
        ],
    ),
    (
        COLUMNS,
        "[clean/error, 5]",
        ["line 9, table.columns.1: each of columns must be a text, but got 5; put it in quotes"],
    ),
    (
        COLUMNS,
        "[clean/error, clean/error]",
        [
            "line 9, table.columns.1: columns must differ from each other, but clean/error is listed twice; leave one out"
        ],
    ),
    (COLUMNS, "", ["line 9, table.columns: columns must be a list, but got nothing"]),
    ("  columns: [clean/error, pgd/error]\n", "", ["line 9, table.columns: `columns` is required; add it"]),
    (
        TABLE,
        "",
        ["line 1, table: a sweep needs `table`, or `include` (the built-in sweeps that it is the union of); add it"],
    ),
    (TABLE, "table: []\n", ["line 8, table: table must be a mapping (key: value), but got []"]),
    (
        TABLE,
        "table:\n",
        ["line 8, table: a sweep needs `table`, or `include` (the built-in sweeps that it is the union of); add it"],
    ),
    ("baseline: A", "baseline: Z", ["line 10, table.baseline: unknown row 'Z'"]),
    ("baseline: A", "baseline: [A]", ['line 10, table.baseline: baseline must be a text, but got ["A"]']),
    (
        "baseline: A",
        "layout: matrix",
        [
            "line 10, table.layout: layout 'matrix' and the key `matrix` (its two factors) belong together; give both or neit"
        ],
    ),
    (
        "baseline: A",
        "layout: grid",
        ["line 10, table.layout: layout must be one of 'metrics', 'matrix' or 'sets', but got \"grid\""],
    ),
    (
        "baseline: A",
        "matrix: {rows: a, columns: b}",
        [
            "line 10, table.matrix: layout 'matrix' and the key `matrix` (its two factors) belong together; give both or neit",
            "line 10, table.matrix.rows: no cell sets the factor 'a'",
            "line 10, table.matrix.columns: no cell sets the factor 'b'",
        ],
    ),
    (
        "baseline: A",
        "layout: matrix\n  matrix: {rows: a}",
        ["line 11, table.matrix.columns: `columns` is required; add it"],
    ),
    (
        "baseline: A",
        "layout: matrix\n  matrix: {rows: method, columns: method}",
        ["line 11, table.matrix.columns: the two factors must differ, but both are 'method'"],
    ),
    (
        "baseline: A",
        "layout: sets",
        [
            "line 10, table.layout: layout 'sets' and the key `details` (its fine rows) belong together; give both or neither"
        ],
    ),
    (
        "baseline: A",
        "details: [a]",
        [
            "line 10, table.details: layout 'sets' and the key `details` (its fine rows) belong together; give both or neithe"
        ],
    ),
    (
        "baseline: A",
        "details: a",
        [
            "line 10, table.details: layout 'sets' and the key `details` (its fine rows) belong together; give both or neithe"
        ],
    ),
    ("baseline: A", "rows: A", ['line 10, table.rows: rows must be a list, but got "A"; write [A]']),
    ("baseline: A", "rows: [A, A]", ["line 10, table.rows.1: row 'A' is listed twice; leave the repeated one out"]),
    ("baseline: A", "rows: [A, Z]", ["line 10, table.rows.1: unknown row 'Z'"]),
    (
        "baseline: A",
        "published: tabel-3",
        ["line 10, table.published: unknown published table 'tabel-3' (did you mean 'table-3'?)"],
    ),
    ("baseline: A", "rows: [1]", ["line 10, table.rows.0: each of rows must be a text, but got 1; put it in quotes"]),
    (
        FIRST,
        "    - baseline",
        ['line 6, axes.cells.0: each of cells must be a mapping (key: value), but got "baseline"'],
    ),
    (
        FIRST,
        "    - {row: 5, method: baseline}",
        ["line 6, axes.cells.0.row: row must be a text, but got 5; put it in quotes"],
    ),
    (
        FIRST,
        "    - {row: A, methode: baseline}",
        ["line 6, axes.cells.0.methode: unknown key 'methode' (did you mean 'method'?)"],
    ),
    (
        FIRST,
        "    - {row: A, method: [baseline]}",
        ['line 6, axes.cells.0.method: method must be a text, but got ["baseline"]'],
    ),
    (
        FIRST,
        "    - {row: A, method: baseline, params: 3}",
        ["line 6, axes.cells.0.params: params must be a mapping (key: value), but got 3"],
    ),
    (
        FIRST,
        "    - {row: A, method: baseline, train: [1]}",
        ["line 6, axes.cells.0.train: train must be a mapping (key: value), but got [1]"],
    ),
    (
        FIRST,
        "    -",
        ["line 6, axes.cells.0: each of cells must be a mapping (key: value), but got nothing; write {} for none"],
    ),
    (
        FIRST,
        "    - {row: A, method: baseline, init_from: cutout}",
        ['line 6, axes.cells.0.init_from: init_from must be a mapping (key: value), but got "cutout"'],
    ),
    (
        FIRST,
        "    - {row: A, method: baseline, init_from: {row: x}}",
        ["line 6, axes.cells.0.init_from.row: unknown key 'row'"],
    ),
    (CELLS, "  cels: []\n", ["line 5, axes.cels: unknown key 'cels' (did you mean 'cells'?)"]),
    (CELLS, "  grid: [1]\n", ["line 5, axes.grid: grid must be a mapping (key: value), but got [1]"]),
    (
        CELLS,
        "  grid: {method: baseline}\n",
        ['line 5, axes.grid.method: method must be a list, but got "baseline"; write [baseline]'],
    ),
    (
        CELLS,
        "  grid: {method: []}\n",
        ["line 5, axes.grid.method: method must be a list with at least one value, but got []"],
    ),
    (
        CELLS,
        "  exclude: {method: baseline}\n  grid: {method: [baseline, cutout]}\n",
        ['line 5, axes.exclude: exclude must be a list, but got {"method": "baseline"}'],
    ),
    (
        CELLS,
        "  exclude: [baseline]\n  grid: {method: [baseline, cutout]}\n",
        ['line 5, axes.exclude.0: each of exclude must be a mapping (key: value), but got "baseline"'],
    ),
    (
        AXES,
        "",
        ["line 1, axes: a sweep needs `axes`, or `include` (the built-in sweeps that it is the union of); add it"],
    ),
    (AXES, "axes: []\n", ["line 4, axes: axes must be a mapping (key: value), but got []"]),
    (
        AXES,
        "axes: {}\n",
        [
            "line 4, axes: at least one of `cells`, `grid` and `one_at_a_time` must list something, or no cell is left to run"
        ],
    ),
    (
        "base: {dataset: digits, model: wrn-10-1, recipe: noop}\n",
        "",
        [
            "line 1, base: every cell needs a dataset; give it under `base`",
            "line 1, base: every cell needs a model; give it under `base`",
            "line 1, base: every cell needs a recipe; give it under `base`",
        ],
    ),
    (
        "base: {dataset: digits, model: wrn-10-1, recipe: noop}",
        "base: digits",
        ['line 3, base: base must be a mapping (key: value), but got "digits"'],
    ),
    (
        "base: {dataset: digits,",
        "base: {data: digits,",
        ["line 3, base.data: unknown key 'data' (did you mean 'dataset'?)"],
    ),
    (
        "base: {dataset: digits,",
        "base: {dataset: 5,",
        ["line 3, base.dataset: dataset must be a text, but got 5; put it in quotes"],
    ),
    (
        "base: {dataset: digits,",
        "base: {dataset: digitz,",
        ["line 3, base.dataset: unknown dataset 'digitz' (did you mean 'digits'?)"],
    ),
    ("  smoke: {set", "  medium: {set", ["line 13, sizes.medium: unknown size 'medium'"]),
    (
        SMOKE,
        "  smoke:",
        ["line 13, sizes.smoke: smoke must be a mapping (key: value), but got nothing; write {} for none"],
    ),
    (
        "sizes:\n  smoke: {set: {train: {epochs: 1}}, left_out: {B: slow}}\n",
        "sizes: [smoke]\n",
        ['line 12, sizes: sizes must be a mapping (key: value), but got ["smoke"]'],
    ),
    (
        "{train: {epochs: 1}}",
        "{train: 1}",
        ["line 13, sizes.smoke.set.train: train must be a mapping (key: value), but got 1"],
    ),
    ("{train: {epochs: 1}}", "{epochs: 1}", ["line 13, sizes.smoke.set.epochs: unknown key 'epochs'"]),
    (
        "left_out: {B: slow}",
        "left_out: [B]",
        ['line 13, sizes.smoke.left_out: left_out must be a mapping (key: value), but got ["B"]'],
    ),
    ("left_out: {B: slow}", "left_out: {B: }", ["line 13, sizes.smoke.left_out.B: B must be a text, but got nothing"]),
    (
        "left_out: {B: slow}",
        "left_out: {C: slow}",
        ["line 13, sizes.smoke.left_out.C: 'C' is neither a row nor a column"],
    ),
    (
        "left_out: {B: slow}",
        "columns: {pgd/error: pgd}",
        [
            "line 13, sizes.smoke.columns.pgd/error: pgd/error must be written <benchmark>/<metric> or <benchmark>/<metric>/<"
        ],
    ),
    ("left_out: {B: slow}", "columns: {x/y: clean/rms}", ["line 13, sizes.smoke.columns.x/y: unknown column 'x/y'"]),
    ("left_out: {B: slow}", "rows: {C: {train: {epochs: 1}}}", ["line 13, sizes.smoke.rows.C: unknown row 'C'"]),
    (SEEDS, "benchmarks: {clean: 5}", ["line 11, benchmarks.clean: clean must be a mapping (key: value), but got 5"]),
    (
        SEEDS,
        "benchmarks: {clean: }",
        ["line 11, benchmarks.clean: clean must be a mapping (key: value), but got nothing; write {} for none"],
    ),
    (
        SEEDS,
        "benchmarks: [clean]",
        ['line 11, benchmarks: benchmarks must be a mapping (key: value), but got ["clean"]'],
    ),
    (
        SEEDS,
        "benchmarks: {clean: {max_images: many}}",
        ["line 11, benchmarks.clean: max_images of benchmark 'clean' must be a whole number or null, but got 'many'"],
    ),
    (
        SEEDS,
        "benchmarks: {cleen: {}}",
        ["line 11, benchmarks.cleen: unknown benchmark 'cleen' (did you mean 'clean'?)"],
    ),
    (
        SEEDS,
        "include: [demo]",
        [
            "line 5, axes: a union of sweeps has only `name`, `title`, `description` and `include`; the rest is in its parts:",
            "line 9, table: a union of sweeps has only `name`, `title`, `description` and `include`; the rest is in its parts",
            "line 13, sizes: a union of sweeps has only `name`, `title`, `description` and `include`; the rest is in its part",
        ],
    ),
    (
        SEEDS,
        "include: demo",
        [
            "line 5, axes: a union of sweeps has only `name`, `title`, `description` and `include`; the rest is in its parts:",
            "line 9, table: a union of sweeps has only `name`, `title`, `description` and `include`; the rest is in its parts",
            "line 13, sizes: a union of sweeps has only `name`, `title`, `description` and `include`; the rest is in its part",
            'line 11, include: include must be a list, but got "demo"; write [demo]',
        ],
    ),
    (SEEDS, "name: other", ["line 11, name: key 'name' is given twice; keep one"]),
    (SEEDS, "<<: {a: 1}", ["line 11: keys must be plain words; write what is shared under `base`"]),
    (
        SEEDS,
        "seeds: !!set {1}",
        ["line 11, seeds: tag 'tag:yaml.org,2002:set' is not allowed; write a number, a word, a list or a mapping"],
    ),
    (
        SEEDS,
        "x: [1",
        ["line 12: not readable as YAML: a list [ ] or mapping { } is not closed, or a ',' is missing in it"],
    ),
    (
        SEEDS,
        "a: b: c",
        [
            "line 11: not readable as YAML: a second ': ' on a line, or a line indented too far; put texts with ': ' in quote"
        ],
    ),
    (SEEDS, "\tx: 1", ["line 11: not readable as YAML: a tab where a line is indented; indent with spaces"]),
    (
        SEEDS,
        "x: @a",
        [
            "line 11: not readable as YAML: a character that no value may begin with (a tab, @, ` or %); put texts in quotes"
        ],
    ),
    (SEEDS, "x: *a", ["line 11: not readable as YAML: an alias (*name) that no anchor (&name) comes before"]),
    (SEEDS, "---\na: 1", ["line 11: not readable as YAML: more than one document; leave out what follows '---'"]),
    (SEEDS, "just words", ["line 12: not readable as YAML: a line without ':' where a key is expected"]),
    (
        SEEDS,
        'x: "\\q"',
        ["line 11: not readable as YAML: a backslash in double quotes that begins no known escape; use single quotes"],
    ),
    ("title: Mine", 'title: "\\ud800"', ["line 2: not readable as YAML: a character that is not valid there"]),
    ("title: Mine", 'title: "a', ["line 14: not readable as YAML: a quote or bracket that is not closed"]),
]


def test_the_good_file_has_no_mistake(tmp_path: Path) -> None:
    assert mistakes_of(GOOD, tmp_path) == []


@pytest.mark.parametrize(("before", "after", "told"), CASES)
def test_a_malformed_file_is_refused_with_exactly_its_mistakes(
    tmp_path: Path, before: str, after: str, told: list[str]
) -> None:
    assert before in GOOD

    found = mistakes_of(GOOD.replace(before, after, 1), tmp_path)

    assert len(found) == len(told), found
    for line, expected in zip(found, told, strict=True):
        assert line.startswith(expected)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the file is empty; a sweep needs at least `name`"),
        ("# nothing", "the file is empty"),
        ("null", "but is empty"),
        ("[]", "must be a mapping with `name`, `title`, `base`, `axes` and `table`, but is a list"),
        ("5", "but is only 5"),
        ("words", 'but is only "words"'),
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str, told: str) -> None:
    assert told in "\n".join(mistakes_of(text, tmp_path))


def test_all_mistakes_are_told_at_once_also_where_the_title_is_missing(tmp_path: Path) -> None:
    """Before, a missing title hid all mistakes of names: `dataset: digitz`, `method: cutot` and the column went untold."""
    text = (
        GOOD.replace("title: Mine\n", "")
        .replace("dataset: digits", "dataset: digitz")
        .replace("method: cutout", "method: cutot")
        .replace("pgd/error", "pgd/eror")
        .replace("seeds: [0, 1]", "seeds: [0, 0]\nworkers: 0")
        .replace("B: slow", "C: slow")
        .replace("baseline: A", "baseline: Z")
    )

    found = "\n".join(mistakes_of(text, tmp_path))

    for told in (
        "`title` is required",
        "unknown dataset 'digitz' (did you mean 'digits'?)",
        "unknown method 'cutot' (did you mean 'cutout'?)",
        "has no metric 'eror'",
        "seeds must differ",
        "workers must be at least 1",
        "'C' is neither a row nor a column",
        "unknown row 'Z'",
    ):
        assert told in found


def test_a_key_that_is_there_twice_is_told_together_with_the_rest(tmp_path: Path) -> None:
    found = mistakes_of(GOOD.replace("title: Mine", "title: Mine\ntitle: Yours\nworkers: x"), tmp_path)

    assert found == [
        "line 3, title: key 'title' is given twice; keep one",
        'line 4, workers: workers must be a whole number, but got "x"',
    ]


def test_every_part_of_a_union_tells_its_mistakes(tmp_path: Path) -> None:
    text = "name: u\ntitle: U\ninclude: [table-3, tabel-4, demmo]\n"

    found = mistakes_of(text, tmp_path)

    assert ["include.1: 'tabel-4'" in found[0], "include.2: 'demmo'" in found[1]] == [True, True]


def _places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in _places(item, (*path, key)))]


GOOD_VALUE = read_yaml(GOOD, subject="good").value
PLACES = [place for place in _places(GOOD_VALUE) if place]
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 300)
    | st.floats(-2, 2)
    | st.sampled_from(["", "A", "a/b", "clean/error"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["row", "method", "a", "smoke"]), inner)
    ),
    max_leaves=5,
)


def _changed(value: Any, place: tuple[str | int, ...], item: Any) -> Any:
    if not place:
        return item
    made = dict(value) if isinstance(value, dict) else list(value)
    made[place[0]] = _changed(made[place[0]], place[1:], item)
    return made


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING), min_size=1, max_size=2))
def test_whatever_stands_in_a_file_is_taken_or_refused_in_our_words(
    tmp_path: Path, changes: list[tuple[tuple[str | int, ...], Any]]
) -> None:
    value = GOOD_VALUE
    for place, item in changes:
        try:
            value = _changed(value, place, item)
        except (KeyError, IndexError, TypeError):
            continue

    mistakes_of(json.dumps(value), tmp_path)
