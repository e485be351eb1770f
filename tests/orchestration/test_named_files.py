"""Files that methods name, in a cell's identity and in a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from orchestration.catalogue import builtin_catalogue
from orchestration.identities import ResolvedCell
from orchestration.plan import make_plan
from orchestration.resolve import resolve_sweep
from orchestration.store.memory import MemoryStore
from orchestration.sweep import Sweep
from orchestration.sweep_expand import expand
from orchestration.sweep_spec import parse_document
from orchestration.sweep_yaml import Document

POINT = {"method": "sin", "dataset": "digits", "model": "wrn-10-1", "recipe": "digits", "mixing_set": "fractals"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))


def sweep_of(point: dict[str, Any]) -> Sweep:
    value = {
        "name": "s",
        "title": "S",
        "base": point,
        "axes": {"cells": [{"row": "A"}]},
        "table": {"columns": ["clean/error"]},
    }
    file, mistakes = parse_document(Document(value, {}))
    assert file is not None, mistakes
    return expand(file, Document(value, {}))[0]


def resolved(point: dict[str, Any], data_root: Path | None = None) -> ResolvedCell:
    return resolve_sweep(sweep_of(point), builtin_catalogue(data_root))[0]


def with_copy(folder: Path, name: str = "stylised") -> dict[str, Any]:
    (folder / name).mkdir(exist_ok=True)
    Image.new("L", (8, 8)).save(folder / name / "0.png")
    return {**{key: value for key, value in POINT.items() if key != "mixing_set"}, "params": {"stored_copy": name}}


def test_a_cell_without_files_does_not_mention_them() -> None:
    assert not {name for name in resolved(POINT).config.method_params if "content" in name or "copy" in name}


def test_the_content_of_a_named_folder_is_part_of_the_key(tmp_path: Path) -> None:
    point = with_copy(tmp_path)
    pending, first = resolved(point), resolved(point, tmp_path)
    assert pending.config.method_params["stored_copy_content"] == "pending"
    Image.new("L", (8, 8), 255).save(tmp_path / "stylised" / "0.png")
    second = resolved(point, tmp_path)
    assert len({pending.train_key, first.train_key, second.train_key}) == 3


def test_a_stored_copy_spares_the_mixing_set(tmp_path: Path) -> None:
    assert resolved(with_copy(tmp_path), tmp_path).config.mixing_set is None


def test_a_named_file_that_is_missing_is_told_by_the_plan(tmp_path: Path) -> None:
    point = {**POINT, "params": {"encoder": "vgg.pth", "decoder": "decoder.pth"}}
    plan = make_plan(sweep_of(point), store=MemoryStore(), catalogue=builtin_catalogue(tmp_path))
    assert [line.split(" of ")[0] for line in plan.missing_data] == ["encoder", "decoder"]
    assert str(tmp_path / "vgg.pth") in plan.missing_data[0]


def test_files_of_a_mixing_set_that_are_missing_are_told_by_the_plan(tmp_path: Path) -> None:
    point = {**POINT, "method": "pixmix", "mixing_set": "folder", "mixing_set_params": {"folder": "paintings"}}
    plan = make_plan(sweep_of(point), store=MemoryStore(), catalogue=builtin_catalogue(tmp_path))
    (line,) = plan.missing_data
    assert str(tmp_path / "paintings") in line
    (tmp_path / "paintings").mkdir()
    plan = make_plan(sweep_of(point), store=MemoryStore(), catalogue=builtin_catalogue(tmp_path))
    (line,) = plan.missing_data
    assert "paintings has none" in line
    Image.new("RGB", (8, 8)).save(tmp_path / "paintings" / "a.png")
    plan = make_plan(sweep_of(point), store=MemoryStore(), catalogue=builtin_catalogue(tmp_path))
    assert plan.missing_data == ()
