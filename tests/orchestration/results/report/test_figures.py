"""Figures as files: every kind in every format, the scale of the radar, error bars, and one clear error where it cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib
import pytest

from eval.tables.grid import MARKS
from orchestration.cli import main
from orchestration.errors import InputError
from orchestration.planning.lookup import recorded
from orchestration.results.figures.marks import mark_lines
from orchestration.results.figures.registry import KINDS
from orchestration.results.notebook import LoadedSweep, load_sweep
from orchestration.results.report.content import part_content
from orchestration.sweeps.model import Size

Recorded = Callable[[str, Size], Path]
BEGINS = {".pdf": b"%PDF", ".png": b"\x89PNG", ".svg": b"<?xml"}


def loaded(folder: Path, name: str, seeds: str = "0,1") -> LoadedSweep:
    return load_sweep(name, size="smoke", storage=str(folder), seeds=seeds)


def figure(folder: Path, name: str, *options: str) -> int:
    return main(["figure", name, "--smoke", "--seeds", "0,1", "--storage", str(folder), *options])


@pytest.mark.parametrize("suffix", BEGINS)
def test_every_kind_is_written_in_every_format(recorded_store: Recorded, suffix: str, tmp_path: Path) -> None:
    folder = recorded_store("table-3", "smoke")

    for kind in KINDS:
        path = tmp_path / "out" / f"{kind}{suffix}"
        assert figure(folder, "table-3", "--kind", kind, "-o", str(path)) == 0
        assert path.read_bytes().startswith(BEGINS[suffix])


@pytest.mark.parametrize("suffix", BEGINS)
def test_the_same_numbers_give_the_same_bytes(recorded_store: Recorded, suffix: str, tmp_path: Path) -> None:
    folder, paths = recorded_store("table-3", "smoke"), [tmp_path / f"{n}{suffix}" for n in range(2)]

    for path in paths:
        assert figure(folder, "table-3", "--kind", "pareto", "-o", str(path)) == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_without_a_name_the_file_is_named_by_sweep_and_kind(
    recorded_store: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recorded_store("table-3", "smoke")
    monkeypatch.chdir(tmp_path)

    assert figure(folder, "table-3", "--kind", "radar", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["file"] == str(tmp_path / "table-3-smoke-radar.pdf")
    assert document["bytes"] == (tmp_path / "table-3-smoke-radar.pdf").stat().st_size


def test_the_radar_is_on_an_absolute_scale(recorded_store: Recorded) -> None:
    sweep = loaded(recorded_store("table-3", "smoke"), "table-3")

    (axes,) = sweep.figure("radar").axes
    assert axes.get_ylim() == (0.0, 1.0)
    errors = sweep.results().query("row == 'Baseline' and benchmark == 'clean' and metric == 'error'")["value"]
    assert axes.lines[0].get_ydata()[0] == pytest.approx(1.0 - errors.mean())


def test_points_and_curves_have_bars_of_the_spread_over_seeds(recorded_store: Recorded) -> None:
    sweep = loaded(recorded_store("table-3", "smoke"), "table-3")

    for kind in ("pareto", "severity"):
        (axes,) = sweep.figure(kind).axes
        assert len(axes.containers) == 8
        assert all(container.has_yerr for container in axes.containers)
    up = sweep.figure("severity").axes[0].containers[0].lines[2][0].get_segments()[0]
    assert up[1][1] - up[0][1] == pytest.approx(2 * 100 * 0.01 / 2**0.5)


GENERATED_IN_TABLE_3 = "C (generated), C-bar (generated), P (generated), OOD (generated)"


@pytest.mark.parametrize(
    ("kind", "columns", "generated"),
    [
        ("heatmap", (), f"all rows of {GENERATED_IN_TABLE_3}"),
        ("heatmap", ("clean/error",), None),
        ("pareto", (), "all rows of C (generated)"),
        ("pareto", ("clean/error", "pgd-reference/error"), None),
        ("radar", (), f"all rows of {GENERATED_IN_TABLE_3}"),
        ("severity", (), "all rows"),
        ("reliability", (), None),
    ],
)
def test_a_figure_says_which_marks_its_numbers_bear_and_where(
    recorded_store: Recorded, kind: str, columns: tuple[str, ...], generated: str | None
) -> None:
    drawn = loaded(recorded_store("table-3", "smoke"), "table-3").figure(kind, columns=columns)

    texts = [text.get_text() for text in drawn.texts if ": all rows" in text.get_text()]
    said = {"limited": "all rows", **({"generated": generated} if generated else {})}
    expected = [f"{MARKS[mark][0].upper()}{MARKS[mark][1:]}: {said[mark]}" for mark in MARKS if mark in said]
    assert " ".join(texts).replace("\n", " ") == " ".join(expected)


def test_the_front_is_that_of_rows_that_a_table_ranks(recorded_store: Recorded) -> None:
    sweep = loaded(recorded_store("table-3", "smoke"), "table-3")
    (table,) = sweep.table().tables
    imported = tuple(entry and replace(entry, marks=frozenset({"imported"})) for entry in table.entries[0])
    mixed = replace(table, entries=(imported, *table.entries[1:]))
    results = dict(recorded(sweep.resolved.cells, sweep.store))
    part = part_content(sweep.resolved, mixed, results)

    front = KINDS["pareto"].draw(part, ()).axes[0].lines[-1].get_xydata().tolist()

    assert len(front) == 1
    second = mixed.entries[1][0]
    assert second is not None
    assert front[0][0] == pytest.approx(100 * second.summary.mean)
    assert mark_lines(part, [0])[-1] == "Imported from another suite's results: Baseline"


def test_columns_can_be_chosen(recorded_store: Recorded) -> None:
    sweep = loaded(recorded_store("table-3", "smoke"), "table-3")

    (axes,) = sweep.figure("pareto", columns=("clean/error", "pgd-reference/error")).axes
    assert "PGD" in axes.get_ylabel()
    (axes,) = sweep.figure("heatmap", columns=("clean/error",)).axes
    assert len(axes.get_xticks()) == 1


def test_a_heat_map_of_two_settings_has_one_map_per_metric(recorded_store: Recorded) -> None:
    sweep = loaded(recorded_store("table-10", "smoke"), "table-10")

    maps = sweep.figure("heatmap").axes
    assert len(maps) == 2
    assert {len(axes.get_yticks()) for axes in maps} == {3}


def test_a_caller_keeps_its_own_style(recorded_store: Recorded) -> None:
    sweep = loaded(recorded_store("table-3", "smoke"), "table-3")

    with matplotlib.rc_context({"font.size": 31.0}):
        before = dict(matplotlib.rcParams)
        sweep.figure("pareto")
        assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--kind", "radr"], "unknown kind of figure 'radr' (did you mean 'radar'?)"),
        (["--kind", "radar", "-o", "f.jpeg"], "must end with .pdf, .png, .svg, but ends with '.jpeg'"),
        (["--kind", "radar", "--column", "clean/error"], "takes no column, but got clean/error"),
        (["--kind", "pareto", "--column", "clean/error"], "give another one"),
        (["--kind", "pareto", "--column", "x/y", "--column", "clean/error"], "the table has no column 'x/y'"),
        (["--kind", "severity", "--column", "clean/error"], "is not recorded in several severities; what is: c-gen"),
    ],
)
def test_what_cannot_be_asked_for_is_one_clear_error(
    options: list[str], says: str, recorded_store: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recorded_store("table-3", "smoke")

    assert figure(folder, "table-3", *options) == 2
    message = capsys.readouterr().err
    assert says in message
    assert "figure: 1 mistake" in message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ["--kind", "pareto", "--column", "clean/eror"],
            ["has no column 'clean/eror' (did you mean 'clean/error'?)", "only clean/eror is given; give another one"],
        ),
        (
            ["--kind", "heatmap", "--column", "clean/eror", "--column", "c/eror"],
            ["has no column 'clean/eror' (did you mean", "has no column 'c/eror' (did you mean"],
        ),
        (["--kind", "radr", "-o", "f.jpeg"], ["(did you mean 'radar'?)", "but ends with '.jpeg'"]),
        (["--kind", "severity", "--column", "c-generatd/error"], ["severities (did you mean 'c-generated/error'?)"]),
    ],
)
def test_all_that_is_wrong_with_a_figure_is_reported_at_once_with_what_was_meant(
    options: list[str], says: list[str], recorded_store: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    assert figure(recorded_store("table-3", "smoke"), "table-3", *options) == 2

    first, *lines = capsys.readouterr().err.splitlines()
    assert first.split(": ")[-1].startswith(str(len(says)))
    assert all(any(text in line for line in lines) for text in says), lines


def test_what_is_not_recorded_cannot_be_drawn(recorded_store: Recorded) -> None:
    folder = recorded_store("table-10", "smoke")

    with pytest.raises(InputError, match="a radar needs recorded values on three safety axes or more"):
        loaded(folder, "table-10").figure("radar")
    with pytest.raises(
        InputError, match=r"nothing is recorded yet; compute it with: dreamgrid run table-10 --smoke --seeds 7"
    ):
        loaded(folder, "table-10", "7").figure("radar")
    with pytest.raises(InputError, match="is a union of sweeps with a table each; draw one of them: table-1"):
        loaded(folder, "cifar-all").figure("radar")


def test_a_path_that_cannot_be_written_is_one_clear_error(
    recorded_store: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recorded_store("table-3", "smoke")
    (tmp_path / "file").write_text("no folder")

    assert figure(folder, "table-3", "--kind", "radar", "-o", str(tmp_path / "file" / "f.pdf")) == 3
    assert "cannot be written" in capsys.readouterr().err
    (tmp_path / "f.pdf").mkdir()
    assert figure(folder, "table-3", "--kind", "radar", "-o", str(tmp_path / "f.pdf")) == 3
    assert "f.pdf' cannot be written: Is a directory" in capsys.readouterr().err
