"""What plans without a mistake can be shown: random sweeps are planned, filled with results, and printed in every format."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from eval.metrics.scores import detail_parts
from eval.tables.column import Column
from eval.tables.formats.contract import Style
from eval.tables.formats.csv import text_in_csv
from eval.tables.formats.registry import render
from eval.tables.formats.terminal import write
from eval.tables.grid import Table
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.load import load_sweep
from orchestration.cells.resolved import ResolvedSweep
from orchestration.errors import InputError
from orchestration.results.table import sweep_tables
from orchestration.sweeps.model import Point, Sweep
from orchestration.sweeps.overrides import parse_overrides
from tests.orchestration.sweeps.random_sweeps import result_of, sweep_files, value_of
from tests.orchestration.sweeps.test_malformed_sweeps import FOREIGN

NUM_SWEEPS = int(os.environ.get("DREAMGRID_RANDOM_SWEEPS", "300"))
"""How many sweeps are drawn: the same ones each time in the fast suite; others, each time, where the variable asks for more."""

SEEN: Counter[str] = Counter()


@settings(
    max_examples=NUM_SWEEPS,
    derandomize=NUM_SWEEPS <= 300,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(drawn=sweep_files())
def test_what_plans_prints_in_every_format(
    tmp_path: Path, drawn: tuple[dict[str, Any], str, list[str], str | None]
) -> None:
    sweep = planned(tmp_path, *drawn)
    if sweep is None:
        return
    (table,) = sweep_tables(sweep, {cell.train_key: result_of(cell) for cell in sweep.cells})

    assert not [note for note in table.notes if "Not complete" in note], "a column that the plan takes is empty"
    assert_labels_say_what_ran(sweep)
    assert_entries_are_those_of_their_cells(table, sweep)
    assert_every_format_has_every_entry(table)


def test_enough_of_the_drawn_sweeps_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """The property above says something only where sweeps are planned; both numbers are printed."""
    if not SEEN:
        pytest.skip("counts the sweeps of the test above")
    with capsys.disabled():
        counts = ", ".join(f"{number} {name}" for name, number in sorted(SEEN.items()))
        print(f"\nrandom sweeps: {counts}")  # noqa: T201

    assert SEEN["planned and printed"] >= NUM_SWEEPS // 5
    assert SEEN["refused by the plan"] >= NUM_SWEEPS // 5


def planned(folder: Path, file: dict[str, Any], size: str, given: list[str], seeds: str | None) -> ResolvedSweep | None:
    """Return a drawn sweep as the plan takes it, or None where it is refused (in our own words)."""
    path = folder / "drawn.yaml"
    path.write_text(json.dumps(file, ensure_ascii=False).replace("\x7f", "\\u007f"), encoding="utf-8")
    try:
        overrides = parse_overrides(given, seeds=seeds)
        sweep = load_sweep(str(path), size=size, overrides=overrides)  # type: ignore[arg-type]
    except InputError as error:
        told = str(error)
    else:
        SEEN["planned and printed"] += 1
        SEEN[f"of layout {sweep.sweep.table.layout}" if sweep.sweep.table else ""] += 1
        return sweep
    SEEN["refused by the plan"] += 1
    assert FOREIGN.search(told) is None, told
    return None


def assert_labels_say_what_ran(sweep: ResolvedSweep) -> None:
    """The values of axes that a label is made of are those of its cells, and a label and a seed stand for one cell."""
    keys: dict[tuple[str, int], str] = {}
    for point, cell in ((each.point, each.cell) for each in sweep.points):
        for path, item in point.settings.items():
            if item.origin[:1] == ("axes",):
                assert real_value(cell, path, item.value) == item.value, (point.row, path)
        assert keys.setdefault((point.row, point.seed), cell.train_key) == cell.train_key


def real_value(cell: ResolvedCell, path: str, wanted: Any) -> Any:
    head, _, name = path.partition(".")
    config = cell.config
    if head == "params":
        held = config.method_params
        return held[name] if name in held else held["pixmix"][name]  # type: ignore[index]
    if head == "train":
        return getattr(config.recipe, name)
    if head == "mixing_set_params":
        return getattr(config.mixing_set, name) if config.mixing_set is not None else wanted
    return getattr(config, head)


def assert_entries_are_those_of_their_cells(table: Table, sweep: ResolvedSweep) -> None:
    """Each entry holds, by seed, the values of exactly the cells that its row and column name."""
    wanted: dict[tuple[str, str], dict[int, float]] = {}
    for point, cell in ((each.point, each.cell) for each in sweep.points):
        for column in sweep.sweep.value_columns:
            row, key = place(sweep.sweep, point, column)
            wanted.setdefault((row, key), {})[point.seed] = expected(cell, column)
    found = {
        (row, spec.key): entry.values
        for row, entries in zip(table.rows, table.entries, strict=True)
        for spec, entry in zip(table.columns, entries, strict=True)
        if entry is not None
    }
    assert found == {place: pytest.approx(values) for place, values in wanted.items()}


def place(sweep: Sweep, point: Point, column: Column) -> tuple[str, str]:
    assert sweep.table is not None
    if sweep.table.layout == "sets":
        return str(column.detail), f"{column.of_row(None)}/{point.row}"
    if sweep.table.matrix is None:
        return point.row, str(column)
    down, across = (label(point, path) for path in (sweep.table.matrix.rows, sweep.table.matrix.columns))
    names = [path.rpartition(".")[2] for path in (sweep.table.matrix.rows, sweep.table.matrix.columns)]
    name = names[1] if names[0] != names[1] else sweep.table.matrix.columns
    return down, f"{name}={across}/{column}"


def label(point: Point, path: str) -> str:
    value = point.settings[path].value if path in point.settings else "default"
    return value if isinstance(value, str) else json.dumps(value) if isinstance(value, bool) else str(value)


def expected(cell: ResolvedCell, parsed: Column) -> float:
    request = next(each for each in cell.benchmarks if each.name == parsed.benchmark)
    if parsed.detail in (None, "mean"):
        return value_of(cell.train_key, request.key, parsed.metric)
    name, score = detail_parts(str(parsed.detail))
    variant = score or str(request.params.get("score", ""))
    return value_of(cell.train_key, request.key, parsed.metric, name, variant)


def assert_every_format_has_every_entry(table: Table) -> None:
    entries = [entry for row in table.entries for entry in row]
    means = [entry.summary.mean for entry in entries if entry is not None]

    document = json.loads(render(table, "json"))
    assert [document["title"], document["rows"]] == [table.title, list(table.rows)]
    assert [each["mean"] for row in document["entries"] for each in row if each] == means
    lines = list(csv.DictReader(io.StringIO(render(table, "csv"), newline="")))
    assert [text_in_csv(line["row"]) for line in lines] == [
        row for row, entries in zip(table.rows, table.entries, strict=True) for entry in entries if entry
    ]
    scales = [100 if line["unit"] == "percent" else 1 for line in lines]
    assert [float(line["mean"]) for line in lines] == pytest.approx(
        [mean * scale for mean, scale in zip(means, scales, strict=True)]
    )
    markdown = [line for line in render(table, "markdown").splitlines() if line.startswith("| ")]
    assert len(markdown) == 1 + len(table.rows)
    assert len({line.replace("\\|", "").count("|") for line in markdown}) == 1
    latex = render(table, "latex", Style(decimals=2))
    assert sum(line.endswith(r" \\") and "&" in line for line in latex.splitlines()) >= 1 + len(table.rows)
    page = Page()
    page.feed(render(table, "html"))
    assert [page.texts["caption"][0], page.texts["th"][-len(table.rows) :]] == [table.title, list(table.rows)]
    assert write(table, Style()).count("\n") > len(table.rows)


class Page(html.parser.HTMLParser):
    """Collects the text inside elements of a kind, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {"caption": [], "th": [], "td": []}
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self._open.append(tag)
        if tag in self.texts:
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        inside = next((tag for tag in reversed(self._open) if tag in self.texts), None)
        if inside is not None:
            self.texts[inside][-1] += data
