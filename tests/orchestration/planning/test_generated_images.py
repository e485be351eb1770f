"""What a plan says of generated images: what is kept on each node, and what is made again in each evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.load import load_sweep
from orchestration.cli.main import main
from orchestration.planning.generated_images import GeneratedImages, generated_images, generated_lines
from orchestration.planning.plan import make_plan
from orchestration.store.open import open_store
from trainers.datasets.registry import dataset_for

FILE = """
name: generated
title: Generated
base: {recipe: imagenet, model: resnet-50, method: baseline, train: {epochs: 0}}
axes:
  cells:
    - {row: Large, dataset: imagenet}
    - {row: Small, dataset: cifar-10, model: wrn-10-1, recipe: cifar}
    - {row: Small again, dataset: cifar-10, model: wrn-16-1, recipe: cifar}
benchmarks: {cbar-generated: {max_images: 100}, p-generated: {}}
table: {columns: [c-generated/error]}
"""


def found(tmp_path: Path, budget: float) -> tuple[GeneratedImages, ...]:
    (tmp_path / "generated.yaml").write_text(FILE)
    resolved = load_sweep(str(tmp_path / "generated.yaml"), catalogue=builtin_catalogue(tmp_path))
    plan = make_plan(resolved, store=open_store("memory:"))
    return generated_images(plan.to_run, dataset_for, budget)


def test_what_fits_is_kept_and_each_family_counts_once(tmp_path: Path) -> None:
    large, small = found(tmp_path, 50 * 2**30)
    assert (large.benchmark, large.dataset, large.is_kept) == ("c-generated", "imagenet", False)
    assert large.num_bytes == 75 * 50_000 * 224 * 224 * 3
    assert (small.benchmark, small.dataset, small.is_kept) == ("c-generated", "cifar-10", True)
    assert small.num_bytes == 75 * 10_000 * 32 * 32 * 3
    assert [each.is_kept for each in found(tmp_path, 600 * 2**30)] == [True, True]
    assert [each.is_kept for each in found(tmp_path, 0)] == [False, False]


def test_the_lines_name_sizes_and_the_setting(tmp_path: Path) -> None:
    kept, again = generated_lines(found(tmp_path, 50 * 2**30), 50 * 2**30)
    assert kept == "generated images: 2.15 GiB are kept on each node, of 50 GiB (DREAMGRID_GENERATED_BUDGET)"
    assert again.startswith("generated images: c-generated of imagenet has 526 GiB, more than what is left of 50 GiB")
    assert generated_lines((), 0) == []


def test_a_plan_shows_them(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "generated.yaml").write_text(FILE)
    monkeypatch.setenv("DREAMGRID_GENERATED_BUDGET", "1.5")
    options = ["--storage", str(tmp_path / "st"), "--data-root", str(tmp_path)]
    assert main(["plan", str(tmp_path / "generated.yaml"), *options]) == 0
    assert capsys.readouterr().out.count("more than what is left of 1.5 GiB (DREAMGRID_GENERATED_BUDGET)") == 2
    assert main(["plan", str(tmp_path / "generated.yaml"), *options, "--json"]) == 0
    images = json.loads(capsys.readouterr().out)["generated_images"]
    assert [(each["dataset"], each["kept"]) for each in images] == [("imagenet", False), ("cifar-10", False)]
