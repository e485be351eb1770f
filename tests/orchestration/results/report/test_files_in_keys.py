"""What is recorded of a user's files is found again by every verb that is told where they lie."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eval.corruptions.cbar.registry import cbar_kinds
from eval.tables.column import Column
from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.load import load_sweep as load_file
from orchestration.cli import main
from orchestration.errors import InputError
from orchestration.planning.plan import make_plan
from orchestration.planning.sweep_records import reachable_keys
from orchestration.results.notebook import load_sweep
from orchestration.store.open import open_store
from orchestration.tracking.content.tracked_values import tracked_sweep

FOLDER_SET = """
name: art
title: Images of one's own
base: {dataset: digits, model: wrn-10-1, recipe: digits, method: pixmix, mixing_set: folder, mixing_set_params: {folder: art}}
axes: {cells: [{row: PixMix}]}
seeds: [0]
table: {columns: [clean/error]}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A data root with published files that no checksum is known of: their content is part of the key."""
    folder = tmp_path / "data" / "CIFAR-100-C-Bar"
    folder.mkdir(parents=True)
    for name in (*cbar_kinds(32), "labels"):
        np.save(folder / f"{name}.npy", np.full(10, 1, dtype=np.uint8))
    return tmp_path / "data"


def test_every_verb_finds_results_on_published_files(
    recorded_store: Callable[..., Path], files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = recorded_store("table-3", "full", files)
    where = ["--seeds", "0,1", "--storage", str(storage), "--data-root", str(files)]

    assert main(["status", "table-3", *where, "--json"]) == 0
    assert {row["state"] for row in json.loads(capsys.readouterr().out)["cells"]} == {"done"}
    for more in ([], ["--compare"]):
        assert main(["table", "table-3", *where, *more, "--format", "csv"]) == 0
        shown = [line.split(",") for line in capsys.readouterr().out.splitlines() if "cbar-own-files/" in line]
        assert len(shown) == 2 * 8
        assert all(any(cell.startswith("0.") for cell in line) for line in shown), shown
    assert main(["report", "table-3", *where, "-o", str(tmp_path / "page.html"), "--json"]) == 0
    assert main(["watch", "table-3", *where]) == 0
    frame = load_sweep("table-3", storage=str(storage), data_root=files, seeds="0,1").results()
    assert "cbar-own-files" in set(frame["benchmark"])


def test_cells_on_a_users_own_images_are_wanted_with_and_without_them(tmp_path: Path) -> None:
    (tmp_path / "art").mkdir()
    (tmp_path / "art" / "one.png").write_bytes(b"an image")
    sweep = tmp_path / "art.yaml"
    sweep.write_text(FOLDER_SET)
    keys = {
        root: load_file(str(sweep), catalogue=builtin_catalogue(root)).cells[0].train_key for root in (None, tmp_path)
    }

    assert len(set(keys.values())) == 2
    assert set(keys.values()) <= reachable_keys([str(sweep)], data_root=tmp_path)


MIXED = """
name: mixed
title: Published and own files
base: {method: baseline, model: wrn-10-1, recipe: cifar, train: {epochs: 1}}
axes: {cells: [{row: Ten, dataset: cifar-10}, {row: Hundred, dataset: cifar-100}]}
seeds: [0]
table: {columns: [clean/error, cbar/error]}
"""


def test_published_and_own_files_are_never_in_one_column(
    recorded_store: Callable[..., Path], files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The column of CIFAR-100-C-Bar, whose files are there and match nothing, is not that of CIFAR-10-C-Bar."""
    path = tmp_path / "mixed.yaml"
    path.write_text(MIXED)
    storage = recorded_store(str(path), "full", files)
    where = [str(path), "--seeds", "0,1", "--storage", str(storage), "--data-root", str(files)]
    assert main(["table", *where, "--format", "json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert [column["key"] for column in table["columns"]] == ["clean/error", "cbar/error", "cbar-own-files/error"]
    assert main(["table", *where]) == 0
    shown = capsys.readouterr().out
    assert "C-bar (own files)" in shown
    assert "Own files: CIFAR-100-C-Bar: no checksum of CIFAR-100-C-Bar is published." in shown
    assert main(["report", *where, "-o", str(tmp_path / "page.html"), "--json"]) == 0
    assert "C-bar (own files)" in (tmp_path / "page.html").read_text()
    plan = make_plan(load_file(str(path), catalogue=builtin_catalogue(files)), store=open_store(str(storage)))
    tracked = tracked_sweep(plan, (Column("clean", "error"), Column("cbar", "error")))
    assert tracked.columns == ("clean/error", "cbar/error", "cbar-own-files/error")
    assert [sorted(cell.wanted.values()) for cell in tracked.cells] == [["cbar", "clean"], ["cbar-own-files", "clean"]]


def test_what_own_files_say_is_not_compared_with_the_published_number(
    recorded_store: Callable[..., Path], files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = recorded_store("table-3", "full", files)
    where = ["table-3", "--seeds", "0,1", "--storage", str(storage), "--data-root", str(files), "--compare"]
    assert main(["table", *where, "--format", "csv"]) == 0
    lines = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert any("own-files" in line["column"] for line in lines)
    compared = {line["column"] for line in lines if line["published"]}
    assert compared
    assert not any("own-files" in column for column in compared)


def test_a_sweep_cannot_ask_for_own_files(tmp_path: Path) -> None:
    path = tmp_path / "mixed.yaml"
    path.write_text(MIXED.replace("cbar/error", "cbar-own-files/error"))
    with pytest.raises(InputError, match="write 'cbar/error': published files are recognised automatically"):
        load_file(str(path))
