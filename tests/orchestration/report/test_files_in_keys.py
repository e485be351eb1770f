"""What is recorded of a user's files is found again by every verb that is told where they lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eval.corruptions.cbar import cbar_kinds
from orchestration.catalogue import builtin_catalogue
from orchestration.cli import main
from orchestration.notebook import load_sweep
from orchestration.resolve import resolve_sweep
from orchestration.sweep_files import load_sweep as load_file
from orchestration.wanted import wanted_keys

FOLDER_SET = """
name: art
title: Pictures of one's own
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
        shown = [line.split(",") for line in capsys.readouterr().out.splitlines() if "cbar/" in line]
        assert len(shown) == 2 * 8
        assert all(any(cell.startswith("0.") for cell in line) for line in shown), shown
    assert main(["report", "table-3", *where, "-o", str(tmp_path / "page.html"), "--json"]) == 0
    assert main(["watch", "table-3", *where]) == 0
    frame = load_sweep("table-3", storage=str(storage), data_root=files, seeds="0,1").results()
    assert "cbar" in set(frame["benchmark"])


def test_cells_on_a_users_own_pictures_are_wanted_with_and_without_them(tmp_path: Path) -> None:
    (tmp_path / "art").mkdir()
    (tmp_path / "art" / "one.png").write_bytes(b"a picture")
    sweep = tmp_path / "art.yaml"
    sweep.write_text(FOLDER_SET)
    keys = {
        root: resolve_sweep(load_file(str(sweep)), builtin_catalogue(root))[0].train_key for root in (None, tmp_path)
    }

    assert len(set(keys.values())) == 2
    assert set(keys.values()) <= wanted_keys([str(sweep)], data_root=tmp_path)
