"""Benchmark files in plans: part of the keys of what reads them, named when they are missing, and no reason to stop a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eval.corruptions.cbar.registry import cbar_kinds
from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.load import load_sweep
from orchestration.cells.resolved import ResolvedSweep
from orchestration.cli import main
from orchestration.planning.plan import make_plan
from orchestration.store.files import MemoryStore


def resolved(root: Path | None, name: str = "table-3") -> ResolvedSweep:
    return load_sweep(name, catalogue=builtin_catalogue(root))


def benchmark_keys(root: Path | None) -> dict[str, str]:
    return {request.name: request.key for request in resolved(root).cells[0].benchmarks}


def write_bar(root: Path, level: int) -> None:
    folder = root / "CIFAR-100-C-Bar"
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*cbar_kinds(32), "labels"):
        np.save(folder / f"{name}.npy", np.full(10, level, dtype=np.uint8))


def test_keys_of_files_with_published_checksums_need_no_data(tmp_path: Path) -> None:
    assert benchmark_keys(None) == benchmark_keys(tmp_path)


def test_keys_follow_the_content_of_files_without_published_checksums(tmp_path: Path) -> None:
    absent = benchmark_keys(tmp_path)
    write_bar(tmp_path, 1)
    first = benchmark_keys(tmp_path)
    write_bar(tmp_path, 2)
    second = benchmark_keys(tmp_path)

    assert len({absent["cbar"], first["cbar"], second["cbar"]}) == 3
    others = [name for name in absent if name != "cbar"]
    assert [absent[name] for name in others] == [second[name] for name in others]


def test_training_does_not_depend_on_benchmark_files(tmp_path: Path) -> None:
    before = [cell.train_key for cell in resolved(tmp_path).cells]
    write_bar(tmp_path, 1)
    assert [cell.train_key for cell in resolved(tmp_path).cells] == before


def test_a_plan_names_missing_files_and_sets_once_each(tmp_path: Path) -> None:
    plan = make_plan(resolved(tmp_path), store=MemoryStore())
    lines = plan.missing_benchmarks
    assert len(lines) == len(set(lines))
    for part in ("CIFAR-100-C/", "CIFAR-100-C-Bar/", "CIFAR-100-P/", "'textures'", "'svhn'"):
        assert sum(part in line for line in lines) == 1
    assert not any(part in line for line in plan.missing_data for part in ("CIFAR-100-C/", "textures"))


def test_the_plan_verb_prints_them(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("DREAMGRID_STORAGE", str(tmp_path / "storage"))
    assert main(["plan", "table-3", "--data-root", str(tmp_path)]) == 0
    assert "missing: benchmark 'p' of 'cifar-100'" in capsys.readouterr().out


def test_a_baseline_that_nobody_published_is_missing_data_and_no_mistake(tmp_path: Path) -> None:
    plan = make_plan(resolved(tmp_path, "table-8"), store=MemoryStore())

    lines = [line for line in plan.missing_benchmarks if "baseline network" in line]
    assert len(lines) == 1  # for eleven columns
    assert "dreamgrid data baselines --model alexnet" in lines[0]
