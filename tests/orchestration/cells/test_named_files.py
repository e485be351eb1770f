"""Files that methods name, in a cell's identity and in a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.resolve import resolve_sweep
from orchestration.planning.plan import make_plan
from orchestration.results.compare import recipes
from orchestration.store.files import MemoryStore
from orchestration.sweeps.expand import expand
from orchestration.sweeps.model import Sweep
from orchestration.sweeps.schema import parse_document
from orchestration.sweeps.yaml_reader import Document
from trainers.errors import CorruptData
from trainers.job import JobPaths, JobRequest
from trainers.sources import check_sources

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
    return resolve_sweep(sweep_of(point), builtin_catalogue(data_root)).cells[0]


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
    plan = make_plan(resolve_sweep(sweep_of(point), builtin_catalogue(tmp_path)), store=MemoryStore())
    assert [line.split(" of ")[0] for line in plan.missing_data] == ["encoder", "decoder"]
    assert str(tmp_path / "vgg.pth") in plan.missing_data[0]


def test_files_of_a_mixing_set_that_are_missing_are_told_by_the_plan(tmp_path: Path) -> None:
    point = {**POINT, "method": "pixmix", "mixing_set": "folder", "mixing_set_params": {"folder": "paintings"}}
    plan = make_plan(resolve_sweep(sweep_of(point), builtin_catalogue(tmp_path)), store=MemoryStore())
    (line,) = plan.missing_data
    assert str(tmp_path / "paintings") in line
    (tmp_path / "paintings").mkdir()
    plan = make_plan(resolve_sweep(sweep_of(point), builtin_catalogue(tmp_path)), store=MemoryStore())
    (line,) = plan.missing_data
    assert "paintings has none" in line
    Image.new("RGB", (8, 8)).save(tmp_path / "paintings" / "a.png")
    plan = make_plan(resolve_sweep(sweep_of(point), builtin_catalogue(tmp_path)), store=MemoryStore())
    assert plan.missing_data == ()


OUTLIERS = {**POINT, "method": "oe", "mixing_set": "fractals", "outliers": "random-images-300k"}


def _job(cell: ResolvedCell, data_root: Path) -> JobRequest:
    paths = JobPaths(checkpoints="nowhere", data_root=str(data_root), cache_dir="nowhere")
    return JobRequest(train_key=cell.train_key, config=cell.config, benchmarks=(), paths=paths, files=cell.files)


def _random_images(root: Path, level: int) -> None:
    root.mkdir(exist_ok=True)
    np.save(root / "300K_random_images.npy", np.full((3, 32, 32, 3), level, np.uint8))


def test_a_worker_with_other_files_than_planned_is_refused_and_with_a_copy_of_them_not(tmp_path: Path) -> None:
    for name, level in (("here", 1), ("copy", 1), ("other", 2)):
        _random_images(tmp_path / name, level)
    planned = resolved(OUTLIERS, tmp_path / "here")
    assert planned.own_files == {
        "outlier stream 'random-images-300k'": "no checksum of 300K_random_images.npy is published"
    }
    check_sources(_job(planned, tmp_path / "copy"))
    with pytest.raises(CorruptData, match="outlier stream 'random-images-300k' must have the content"):
        check_sources(_job(planned, tmp_path / "other"))
    without = resolved(OUTLIERS, tmp_path / "nowhere")
    assert without.train_key != planned.train_key
    with pytest.raises(CorruptData, match="was planned without its files, and those here cannot be shown"):
        check_sources(_job(without, tmp_path / "here"))


def test_a_row_that_is_trained_on_own_files_is_not_compared_with_the_published_numbers(tmp_path: Path) -> None:
    _random_images(tmp_path, 1)
    sweep = sweep_of(OUTLIERS)
    ours = resolve_sweep(sweep, builtin_catalogue(tmp_path))
    published = resolve_sweep(sweep, builtin_catalogue())
    assert recipes(published, published.by_row())("A").kind != "not comparable"
    found = recipes(ours, published.by_row())("A")
    assert found.kind == "not comparable"
    assert found.reasons == ("own files of the outlier stream 'random-images-300k'",)


def test_a_dataset_with_the_files_of_another_is_told_by_the_plan(data_root: Path, tmp_path: Path) -> None:
    (tmp_path / "KMNIST").mkdir()
    (tmp_path / "KMNIST" / "raw").symlink_to(data_root / "FashionMNIST" / "raw")
    point = {"method": "baseline", "dataset": "kmnist", "model": "small-cnn", "recipe": "mnist"}
    plan = make_plan(resolve_sweep(sweep_of(point), builtin_catalogue(tmp_path)), store=MemoryStore())
    (line,) = plan.missing_data
    assert line.startswith("dataset 'kmnist' is not the published one")
    assert "but is one of 'fashion-mnist'" in line
