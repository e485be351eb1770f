"""Tables: layouts, the best per column by direction, marks, and every format."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.errors import EvalError
from eval.tables.column import Column
from eval.tables.formats.contract import Style
from eval.tables.formats.csv import csv_text, text_in_csv
from eval.tables.formats.registry import render
from eval.tables.grid import MARKS, Entry, Observation, Reference, Table
from eval.tables.layouts import column_spec, metric_table, pair_grid, set_table
from eval.tables.statistics import summarise

COLUMNS = ["clean/error", "c-generated/error", "ood-generated/auroc"]


def observations(values):
    """{(row, column): [value per seed]} -> observations."""
    return [
        Observation(row=row, column=Column.of(column), seed=seed, value=value)
        for (row, column), by_seed in values.items()
        for seed, value in enumerate(by_seed)
    ]


@pytest.fixture
def three_rows():
    values = {
        ("Baseline", COLUMNS[0]): [0.21, 0.22],
        ("Baseline", COLUMNS[1]): [0.50, 0.51],
        ("Baseline", COLUMNS[2]): [0.77, 0.78],
        ("PixMix", COLUMNS[0]): [0.20, 0.21],
        ("PixMix", COLUMNS[1]): [0.30, 0.31],
        ("PixMix", COLUMNS[2]): [0.89, 0.90],
        ("AugMix", COLUMNS[0]): [0.205, 0.215],
        ("AugMix", COLUMNS[1]): [0.35, 0.36],
    }
    return metric_table(
        "A & B_table", ["Baseline", "AugMix", "PixMix"], list(map(Column.of, COLUMNS)), observations(values)
    )


def test_the_best_is_lowest_where_lower_is_better_and_highest_where_higher_is(three_rows):
    ranks = three_rows.ranks()
    assert ranks[(2, 1)] == 1
    assert ranks[(1, 1)] == 2
    assert ranks[(2, 2)] == 1
    assert ranks[(0, 2)] == 2
    assert (0, 1) not in ranks


def test_entries_carry_mean_spread_and_number_of_seeds(three_rows):
    summary = three_rows.entry("PixMix", "clean/error").summary
    assert (summary.mean, summary.n) == (pytest.approx(0.205), 2)
    assert summary.spread == pytest.approx(0.00707, abs=1e-5)
    assert three_rows.entry("AugMix", COLUMNS[2]) is None
    with pytest.raises(EvalError, match="no entry"):
        three_rows.entry("Nobody", "clean/error")


def test_numbers_that_print_the_same_share_a_rank():
    table = metric_table(
        "t",
        ["a", "b", "c"],
        [Column.of("clean/error")],
        observations({("a", "clean/error"): [0.20001], ("b", "clean/error"): [0.20004], ("c", "clean/error"): [0.3]}),
    )
    assert table.ranks() == {(0, 0): 1, (1, 0): 1, (2, 0): 2}
    assert table.ranks(decimals=3) == {(0, 0): 1, (1, 0): 2}


def test_a_lone_entry_and_equal_entries_are_not_ranked():
    lone = metric_table("t", ["a", "b"], [Column.of("clean/error")], observations({("a", "clean/error"): [0.2]}))
    same = metric_table(
        "t", ["a", "b"], [Column.of("clean/error")], observations({(r, "clean/error"): [0.2] for r in "ab"})
    )
    assert lone.ranks() == {}
    assert same.ranks() == {}


@pytest.mark.parametrize("mark", ["limited", "fewer-sets"])
def test_a_partial_entry_is_marked_and_never_beats_full_ones(mark):
    limited = Observation(row="a", column=Column.of("clean/error"), seed=0, value=0.01, marks=frozenset({mark}))
    table = metric_table(
        "t",
        ["a", "b", "c"],
        [Column.of("clean/error")],
        [limited, *observations({("b", "clean/error"): [0.2], ("c", "clean/error"): [0.3]})],
    )
    assert table.ranks() == {(1, 0): 1, (2, 0): 2}
    text = render(table, "markdown")
    sign = "†" if mark == "limited" else "△"
    assert f"| a | 1.0{sign} |" in text
    assert f"{sign}{MARKS[mark]}" in text


@pytest.fixture
def partly_undefined():
    """Row "a" has a value for one seed of two, "b" for none, "c" for both."""
    why = "needs at least 200 predictions in each set, but there are 120"
    column = "clean/rms-reference"
    values = {("a", 0): 0.4, ("a", 1): None, ("b", 0): None, ("b", 1): None, ("c", 0): 0.3, ("c", 1): 0.2}
    found = [
        Observation(row=row, column=Column.of(column), seed=seed, value=value, undefined="" if value else why)
        for (row, seed), value in values.items()
    ]
    return metric_table("t", ["a", "b", "c", "d"], [Column.of(column)], found)


def test_an_undefined_entry_is_called_so_and_neither_wins_nor_enters_a_mean(partly_undefined):
    assert partly_undefined.entry("a", "clean/rms-reference").values == {0: 0.4}
    assert partly_undefined.ranks() == {(2, 0): 1, (0, 0): 2}
    text = render(partly_undefined, "markdown")
    assert "| b | undefined |" in text
    assert "| d | – |" in text
    assert "Undefined: Clean RMS (reference) needs at least 200 predictions in each set, but there are 120." in text


@pytest.mark.parametrize("form", ["markdown", "latex", "csv", "html", "json"])
def test_every_format_says_undefined(partly_undefined, form):
    assert "undefined" in render(partly_undefined, form)
    if form == "csv":
        lines = {line["row"]: line for line in csv.DictReader(io.StringIO(render(partly_undefined, form)))}
        assert (lines["b"]["mean"], lines["b"]["n"], lines["b"]["marks"]) == ("", "", "undefined")
        assert "d" not in lines
    if form == "json":
        (undefined,) = json.loads(render(partly_undefined, form))["undefined"]
        assert (undefined["row"], undefined["column"]) == ("b", "clean/rms-reference")


@pytest.mark.parametrize("form", ["markdown", "latex", "csv", "html", "json"])
def test_the_mark_of_a_small_set_reaches_every_format(form):
    small = Observation(row="a", column=Column.of("clean/error"), seed=0, value=0.1, marks=frozenset({"small"}))
    text = render(metric_table("t", ["a"], [Column.of("clean/error")], [small]), form)
    assert {"csv": "small", "json": '"small"', "latex": r"$^{\circ}$"}.get(form, "°") in text
    if form != "csv":
        assert "from a set of fewer than 100 images" in text


def test_unknown_marks_columns_and_doubled_seeds_are_refused():
    with pytest.raises(ValueError, match="marks must be among"):
        Observation(row="a", column=Column.of("clean/error"), seed=0, value=0.1, marks=frozenset({"odd"}))
    with pytest.raises(EvalError, match=r"unknown benchmark 'cleen' \(did you mean 'clean'"):
        metric_table("t", ["a"], [Column.of("cleen/error")], [])
    twice = observations({("a", "clean/error"): [0.1]}) * 2
    with pytest.raises(EvalError, match="two values claim seed 0"):
        metric_table("t", ["a"], [Column.of("clean/error")], twice)


def test_a_grid_of_two_axes_seeks_the_best_in_the_whole_grid_and_pairs_two_values_in_a_cell():
    columns = ["clean/error", "c-generated/error"]
    values = [
        Observation(row=beta, across=k, column=Column.of(column), seed=0, value=0.2 + 0.01 * i + 0.001 * j + 0.1 * c)
        for i, beta in enumerate(["5", "4"])
        for j, k in enumerate(["2", "3"])
        for c, column in enumerate(columns)
    ]
    table = pair_grid(
        "t", ["5", "4"], ["2", "3"], list(map(Column.of, columns)), values, corner="beta", across_name="k"
    )
    assert [place for place, rank in table.ranks().items() if rank == 1] == [(0, 0), (0, 1)]
    text = render(table, "markdown")
    assert "| beta | k = 2 | k = 3 |" in text
    assert "**20.0** / **30.0** | <ins>20.1</ins> / <ins>30.1</ins>" in text
    assert "Each cell: Clean Error / C (generated) Error." in text


def test_a_set_table_puts_sets_down_and_rows_across_and_ranks_within_a_row():
    values = [
        Observation(row=row, column=Column.of(f"ood-generated/auroc/{name}"), seed=0, value=value)
        for row, by_set in {"Baseline": (0.6, 0.7), "PixMix": (0.9, 0.65)}.items()
        for name, value in zip(("gaussian", "mean"), by_set, strict=True)
    ]
    table = set_table("t", ["gaussian", "mean"], ["Baseline", "PixMix"], [Column.of("ood-generated/auroc")], values)
    assert table.ranks() == {(0, 1): 1, (0, 0): 2, (1, 0): 1, (1, 1): 2}


def test_markdown(three_rows):
    text = render(three_rows, "markdown")
    assert "### A & B\\_table" in text
    assert "| Method | Clean Error ↓ | C (generated) Error ↓ | OOD (generated) AUROC ↑ |" in text
    assert "| PixMix | **20.5** ± 0.7 | **30.5** ± 0.7 | **89.5** ± 0.7 |" in text
    assert "| AugMix | <ins>21.0</ins> ± 0.7 | <ins>35.5</ins> ± 0.7 | – |" in text
    assert "Percent, mean ± sample standard deviation, 2 seeds per entry." in text


@pytest.mark.parametrize(
    ("columns", "marks", "spread", "says"),
    [
        (["clean/error"], {}, None, "Percent, 1 seed per entry."),
        (["p/mt5d"], {}, None, "Ranks, 1 seed per entry."),
        (["clean/error", "p/mt5d"], {}, None, "Percent, except mT5D (ranks), 1 seed per entry."),
        (["clean/error"], {"imported"}, None, "Percent, of imported entries seeds are not known."),
        (
            ["clean/error"],
            {"imported"},
            0.01,
            "Percent, of imported entries seeds are not known, ± is the deviation that their file gives.",
        ),
    ],
)
def test_the_line_below_says_what_the_numbers_are(columns, marks, spread, says):
    seen = [
        Observation(row="a", column=Column.of(column), seed=0, value=0.2, marks=frozenset(marks), spread=spread)
        for column in columns
    ]
    assert says in render(metric_table("t", ["a"], list(map(Column.of, columns)), seen), "markdown")


def test_an_imported_deviation_is_not_taken_for_that_of_our_seeds():
    column = Column.of("clean/error")
    theirs = Observation(row="b", column=column, seed=0, value=0.3, marks=frozenset({"imported"}), spread=0.01)
    text = render(
        metric_table("t", ["a", "b"], [column], [*observations({("a", "clean/error"): [0.2]}), theirs]), "markdown"
    )
    assert "Percent, 1 seed per entry, of imported entries seeds are not known, ± is the deviation that" in text


def test_csv_has_one_line_per_entry_in_printed_units(three_rows):
    lines = list(csv.DictReader(io.StringIO(render(three_rows, "csv"))))
    assert len(lines) == 8
    pixmix = next(line for line in lines if line["row"] == "PixMix" and line["column"] == "clean/error")
    assert float(pixmix["mean"]) == pytest.approx(20.5)
    assert (pixmix["unit"], pixmix["better"], pixmix["n"]) == ("percent", "lower", "2")
    assert float(pixmix["low"]) < 20.5 < float(pixmix["high"])


def test_json_holds_unrounded_fractions_and_every_value_by_seed(three_rows):
    document = json.loads(render(three_rows, "json"))
    entry = document["entries"][2][0]
    assert entry["mean"] == pytest.approx(0.205)
    assert entry["values"] == {"0": 0.20, "1": 0.21}
    assert entry["rank"] == 1
    assert document["columns"][0]["unit"] == "fraction"
    assert document["entries"][1][2] is None


FORMULAS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "'=1")


@pytest.mark.parametrize("label", [*FORMULAS, "-3.2", "+1e-3", "plain, text", "a-b", "–"])
def test_no_text_is_a_formula_in_csv(label):
    """A spreadsheet runs what begins like a formula; a number that begins so stays one."""
    text = csv_text([["row", "value"], [label, -3.2], ["b", "-0.5"]])
    (head, (cell, value), last) = csv.reader(io.StringIO(text, newline=""))
    assert cell == (f"'{label}" if label in FORMULAS else label)
    assert text_in_csv(cell) == label
    assert (head, value, last) == (["row", "value"], "-3.2", ["b", "-0.5"])


def test_a_carriage_return_neither_starts_a_formula_nor_a_line_in_csv():
    assert csv_text([["\r=1", "a\r=1"]]) == "' =1,a =1\n"


def test_a_table_is_written_as_csv_without_formulas():
    seen = [Observation(row="=HYPERLINK(1)", column=Column.of("clean/error"), seed=0, value=0.2)]
    text = render(metric_table("t", ["=HYPERLINK(1)"], [Column.of("clean/error")], seen), "csv")
    (line,) = csv.DictReader(io.StringIO(text))
    assert line["row"] == "'=HYPERLINK(1)"


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<a href=javascript:x>y"]
)
def test_html_of_a_table_has_no_tag_of_its_texts(hostile):
    seen = [Observation(row=hostile, column=Column.of("clean/error"), seed=0, value=0.2)]
    table = replace(metric_table(hostile, [hostile], [Column.of("clean/error")], seen), notes=(hostile,))
    found = set(re.findall(r"<(\w+)", render(table, "html")))
    assert found <= {
        "table",
        "caption",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "th",
        "td",
        "b",
        "u",
        "sup",
        "br",
        "span",
        "style",
    }


def test_html_alone_brings_a_style_and_speaks_its_arrows(three_rows):
    text = render(three_rows, "html")
    assert text.startswith('<table class="dreamgrid">')
    assert text.count("<style>") == 1
    assert '<th scope="col">Clean Error&nbsp;<span role="img" aria-label="lower is better">↓</span></th>' in text
    assert '<th scope="row">PixMix</th>' in text


def test_html_escapes_what_it_is_given(three_rows):
    text = render(three_rows, "html")
    assert "<caption>A &amp; B_table</caption>" in text
    assert '<b class="best">20.5</b>' in text
    assert text.count("<tr>") == 5


def test_rank_distances_are_not_printed_in_percent():
    entry = Entry(summary=summarise([1.6]), values={0: 1.6})
    distance = column_spec(Column.of("p/mt5d"))
    table = Table(title="t", corner="Method", rows=("a",), columns=(distance,), entries=((entry,),))
    assert "| a | 1.6 |" in render(table, "markdown")
    assert json.loads(render(table, "json"))["columns"][0]["unit"] == "ranks"


def test_a_published_number_and_its_verdict_stand_beside_ours():
    entry = Entry(summary=summarise([0.205]), values={0: 0.205}, reference=Reference(value=0.203, verdict="undecided"))
    table = Table(
        title="t", corner="Method", rows=("a",), columns=(column_spec(Column.of("clean/error")),), entries=((entry,),)
    )
    assert "20.5 (20.3: undecided)" in render(table, "markdown")


def test_an_unknown_format_is_refused_with_the_nearest_one(three_rows):
    with pytest.raises(EvalError, match=r"unknown table format 'markdwn' \(did you mean 'markdown'"):
        render(three_rows, "markdwn")


printable = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)


@settings(max_examples=15, deadline=None)
@given(printable, printable)
def test_no_printable_label_breaks_a_format(title, row):
    table = metric_table(title, [row], [Column.of("clean/error")], observations({(row, "clean/error"): [0.25]}))
    json.loads(render(table, "json"))
    lines = csv.DictReader(io.StringIO(render(table, "csv"), newline=""))
    assert [text_in_csv(line["row"]) for line in lines] == [row]
    assert "25.0" in render(table, "latex")


def test_labels_of_several_lines_are_refused():
    with pytest.raises(ValueError, match="printable text on one line"):
        metric_table("t", ["a\nb"], [Column.of("clean/error")], [])


def test_a_table_draws_in_a_terminal(three_rows, monkeypatch):
    from eval.tables.formats.terminal import write

    monkeypatch.setenv("COLUMNS", "160")
    assert "20.5 ± 0.7" in write(three_rows, Style())


def test_a_warm_table_imports_no_heavy_library():
    script = (
        "import sys\n"
        "from eval.tables.column import Column\n"
        "from eval.tables.grid import Observation\n"
        "from eval.tables.layouts import metric_table\n"
        "from eval.tables.formats.registry import render\n"
        "from eval.tables.published.tables import published_table\n"
        "seen = [Observation(row='a', column=Column.of('clean/error'), seed=s, value=.1 + s / 10) for s in range(3)]\n"
        "render(metric_table('t', ['a'], [Column.of('clean/error')], seen), 'markdown'); published_table('table-3')\n"
        "heavy = {'scipy', 'torch', 'pandas', 'rich', 'numba', 'ray', 'mlflow'} & set(sys.modules)\n"
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


MARKUP = (
    "<script>alert(1)</script>",
    "a|b",
    "`c` ``d``",
    "[x](http://y)",
    "[x][y]",
    "[z]: http://y",
    "*a* _b_ __c__ ~~d~~",
    "50% & $x_1$ #1 ~^{}",
    "C:\\d \\* \\",
    "&lt;b&gt; &amp; &#65;",
    '=1+1,"q"',
    "![i](x.png)",
    "[x](javascript:alert(1))",
    "[x]: data:text/html,1",
    "<img src=x onerror=alert(1)>",
    "<javascript:alert(1)>",
    "# 1",
    "T ##",
    "- 2",
)


def shown_by_markdown(text):
    """Return what a reader of Markdown sees: the heading, the first cell of each row, the notes."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    seen: dict[str, list[str]] = {"heading_open": [], "tr_open": [], "paragraph_open": []}
    for number, token in enumerate(tokens):
        if token.type in seen:
            inline = next(each for each in tokens[number:] if each.type == "inline")
            kinds = {"text": lambda each: each.content, "softbreak": lambda each: "\n", "hardbreak": lambda each: "\n"}
            seen[token.type].append(
                "".join(kinds.get(each.type, lambda each: f"<{each.type}>")(each) for each in inline.children)
            )
    return seen


@pytest.mark.parametrize("label", MARKUP)
def test_markdown_shows_every_label_as_it_is(label):
    """A label is text: a link, a code or a tag in it would show the row under another name."""
    seen = [Observation(row=label, column=Column.of("clean/error"), seed=0, value=0.2)]
    table = replace(metric_table(label, [label], [Column.of("clean/error")], seen), notes=(f"Run as {label} here.",))
    shown = shown_by_markdown(render(table, "markdown"))
    assert shown["heading_open"] == [label]
    assert shown["tr_open"] == ["Method", label]
    assert shown["paragraph_open"][-1].splitlines()[-1] == f"Run as {label} here."
