"""A number of workers that a recipe cannot share its batches over is refused while planning, with the way to do it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.cells.load import load_sweep
from orchestration.errors import InputError
from orchestration.sweeps.overrides import parse_overrides, parse_workers

SWEEP = """
name: mine
title: Mine
base: {dataset: digits, model: wrn-10-1, recipe: digits}
axes:
  cells:
    - {row: Two, method: baseline}
    - {row: Six, method: baseline, train: {batch_shards: 6}}
    - {row: Also six, method: cutout, train: {batch_shards: 6}}
    - {row: Small, method: baseline, train: {batch_size: 3}}
table: {columns: [clean/error]}
"""


def refused(workers: str, *sets: str, name: str = "table-4") -> list[str]:
    with pytest.raises(InputError) as caught:
        load_sweep(name, overrides=parse_overrides(sets, workers=workers))
    return [str(mistake) for mistake in caught.value.mistakes]


def test_every_recipe_that_cannot_is_named_with_both_fixes(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(SWEEP)

    assert refused("4", name=str(path)) == [
        "--workers 4: row Two: the number of workers must divide batch_shards, which is 2, but got 4; "
        "train.batch_shards=4 makes it possible and changes the cells, which are then trained again; 2 would do",
        "--workers 4: rows Six, Also six: the number of workers must divide batch_shards, which is 6, but got 4; "
        "train.batch_shards=4 makes it possible and changes the cells, which are then trained again; 3 or 6 would do",
        "--workers 4: row Small: the number of workers must divide batch_shards, which is 2, but got 4; 2 would do",
    ]


def test_many_rows_are_counted() -> None:
    (text,) = refused("8")

    assert text.startswith("--workers 8: rows Baseline, Cutout, Mixup, CutMix and 4 more: ")
    assert text.endswith("; 1 would do")


def test_the_fix_that_is_named_is_one(tmp_path: Path) -> None:
    assert load_sweep("table-4", overrides=parse_overrides(["train.batch_shards=8"], workers="8"))
    assert refused("3", "train.batch_shards=8")[0].endswith("2 or 4 would do")


@pytest.mark.parametrize("workers", ["1", "2", "4", "8", "auto"])
def test_imagenet_runs_on_up_to_eight_workers(workers: str) -> None:
    assert load_sweep("table-7", overrides=parse_overrides([], workers=workers)).sweep.asked_workers in (
        8,
        4,
        2,
        1,
        "auto",
    )


def test_a_file_that_asks_for_too_many_is_refused_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        SWEEP.replace("title: Mine\n", "title: Mine\nworkers: 2\n").replace("batch_size: 3", "batch_shards: 3")
    )

    with pytest.raises(InputError) as caught:
        load_sweep(str(path))

    (mistake,) = caught.value.mistakes
    assert (mistake.line, mistake.where) == (4, "workers")
    assert mistake.text.startswith("row Small: the number of workers must divide batch_shards, which is 3, but got 2;")


def test_a_union_reports_the_mistakes_of_all_its_parts() -> None:
    texts = refused("5", name="cifar-all")

    assert len(texts) > 3
    assert {text.split(":")[0] for text in texts} > {"table-3", "table-4"}


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "", "automatic"])
def test_workers_are_a_number_or_auto(text: str) -> None:
    with pytest.raises(ValueError, match="at least 1, or 'auto'"):
        parse_workers(text)
