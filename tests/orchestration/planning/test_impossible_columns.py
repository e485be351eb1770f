"""Columns that no run could fill are mistakes of the plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from eval.metrics.calibration import BIN_SIZE, smallest_for_rms
from eval.metrics.registry import METRICS
from eval.report import BenchmarkOutcome, MetricValue
from eval.tables.column import Column, column_value
from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.load import load_sweep
from orchestration.errors import InputError

BASE = {"dataset": "digits", "model": "small-cnn", "recipe": "noop", "method": "baseline"}


def plan(folder: Path, columns: list[str], benchmarks: dict[str, Any], *, dataset: str = "digits", **more: Any) -> None:
    values = {
        "name": "mine",
        "title": "Mine",
        "base": {**BASE, "dataset": dataset},
        "axes": {"cells": [{"row": "A"}]},
        "table": {"columns": columns},
        "benchmarks": benchmarks,
        **more,
    }
    path = folder / "mine.yaml"
    path.write_text(json.dumps(values), encoding="utf-8")
    catalogue = builtin_catalogue(folder)
    load_sweep(str(path), catalogue=catalogue)


def refused(
    folder: Path, columns: list[str], benchmarks: dict[str, Any], *, dataset: str = "digits", **more: Any
) -> str:
    with pytest.raises(InputError) as caught:
        plan(folder, columns, benchmarks, dataset=dataset, **more)
    return str(caught.value)


IMPOSSIBLE: list[tuple[str, str, dict[str, Any], str]] = [
    ("digits", "c/error", {}, "there are no published files of 'c' for 'digits', only for ['cifar-10', "),
    ("digits", "c/error", {}, "generate them with the benchmark 'c-generated'"),
    ("mnist", "cbar/error", {}, "no published files of 'cbar' for 'mnist'"),
    ("digits", "p/mfr", {}, "no published files of 'p'"),
    ("fashion-mnist", "mnist-c/error", {}, "no published files of 'mnist-c' for 'fashion-mnist'"),
    ("cifar-10", "r/error", {}, "no published files of 'r' for 'cifar-10'"),
    ("digits", "c-generated/error/fogg", {}, "no fine row 'fogg' at these settings (did you mean 'fog'?)"),
    ("digits", "c-generated/error/fog", {"kinds": ["snow"]}, "no fine row 'fog' at these settings; known: snow"),
    ("digits", "c-generated/error/spatter", {}, "no fine row 'spatter'"),
    ("digits", "c-generated/error/fog:msp", {}, "only fine rows of outlier sets are given per score"),
    ("digits", "c-generated/mce/fog", {}, "write c-generated/ce/fog"),
    ("digits", "c-generated/ce", {}, "'ce' is the error on one corruption"),
    ("digits", "c-generated/ce/mean", {}, "'ce' is the error on one corruption"),
    ("digits", "c-generated/mce", {}, "'mce' is divided by the numbers of a baseline network"),
    ("digits", "c-generated/ce/fog", {}, "name one by benchmarks.c-generated.baseline"),
    ("digits", "c-generated/mce", {"baseline": "alexnet"}, "unknown baseline 'alexnet'"),
    (
        "digits",
        "c-generated/mce",
        {"baseline": "alexnet-imagenet-c", "kinds": ["spatter"]},
        "must know every corruption, but lacks ['spatter']",
    ),
    ("cifar-10", "c/mce", {}, "none is known of 'cifar-10'"),
    ("digits", "p-generated/mfr-normalised", {}, "'mfr-normalised' is divided by"),
    ("digits", "p-generated/mfr-normalised", {"baseline": "alexnet-imagenet-c"}, "has no flip rates of"),
    ("digits", "p-generated/mfr/tilt", {"kinds": ["snow"]}, "no fine row 'tilt'"),
    ("digits", "cbar-generated/error/plasma_noise", {}, "no fine row 'plasma_noise'"),
    ("digits", "ood-generated/auroc/svhn", {}, "no fine row 'svhn' at these settings"),
    ("digits", "ood/auroc/textures", {"sets": ["svhn"]}, "no fine row 'textures'"),
    ("digits", "ood/auroc/svhn:msb", {"sets": ["svhn"]}, "no fine row 'svhn:msb'"),
    ("digits", "ood/auroc", {"sets": ["svhnn"]}, "unknown outlier set 'svhnn'"),
    ("digits", "ood/auroc", {"sets": ["digits"]}, "contains the training classes"),
    ("digits", "ood-generated/auroc", {"max_images": 4}, "one to 5 test images, but there are 4"),
    ("digits", "clean/rms", {"max_images": 99}, "'rms' needs at least 100 test images, but there are 99"),
    ("digits", "clean/rms-reference", {"max_images": 199}, "needs at least 200 test images, but there are 199"),
    ("digits", "clean/ece", {"max_images": 50}, "'ece' needs at least 100"),
    ("digits", "clean-scaled/rms", {"max_images": 150}, "needs 100 images to fit and as many to evaluate, but has 75 and 75"),
    ("digits", "clean/auroc", {}, "benchmark 'clean' has no metric 'auroc'"),
    ("digits", "clean/error/fog", {}, "benchmark 'clean' has no fine rows"),
]  # fmt: skip


@pytest.mark.parametrize(("dataset", "column", "params", "told"), IMPOSSIBLE)
def test_a_column_that_would_stay_empty_is_refused_with_the_reason(
    tmp_path: Path, dataset: str, column: str, params: dict[str, Any], told: str
) -> None:
    found = refused(tmp_path, ["pgd/error", column], {column.partition("/")[0]: params}, dataset=dataset)

    assert told in found
    assert "table.columns.1: " in found
    assert "1 mistake\n" in found


@pytest.mark.parametrize(
    ("dataset", "column", "params"),
    [
        ("cifar-10", "c/error/fog", {}),
        ("digits", "c-generated/error/spatter", {"kinds": ["spatter"]}),
        ("digits", "c-generated/ce/fog", {"baseline": "alexnet-imagenet-c", "severities": [3]}),
        ("digits", "c-generated/mce", {"baseline": "alexnet-imagenet-c"}),
        ("imagenet", "c/mce", {}),
        ("digits", "cbar-generated/error/sparkles", {}),
        ("digits", "ood/auroc/svhn:energy", {"sets": ["svhn"]}),
        ("digits", "ood/auroc/folder:my sets/art", {"sets": ["folder:my sets/art"]}),
        ("digits", "ood-generated/auroc/mean", {}),
        ("digits", "clean/rms", {"max_images": 100}),
        ("digits", "clean/rms-reference", {"max_images": 200}),
        ("digits", "clean-scaled/rms", {"max_images": 200}),
    ],
)
def test_columns_that_can_be_filled_are_taken(
    tmp_path: Path, dataset: str, column: str, params: dict[str, Any]
) -> None:
    plan(tmp_path, [column], {column.partition("/")[0]: params}, dataset=dataset)


def test_what_stands_in_and_the_fine_rows_of_a_size_are_told_where_the_size_has_them(tmp_path: Path) -> None:
    table = {"columns": ["ood-generated/auroc"], "layout": "sets", "details": ["blobs"]}

    told = refused(tmp_path, [], {}, table={**table, "details": ["blobs", "blots"]})
    assert "table.details.1: column 'ood-generated/auroc/blots' would stay empty" in told
    stand_in = {"columns": ["c/error"]}
    size = {"columns": {"c/error": "c-generated/mce"}}
    with pytest.raises(InputError) as caught:
        plan_size(tmp_path, stand_in, size)
    assert "sizes.smoke.columns.c/error: column 'c-generated/mce' would stay empty" in str(caught.value)


def plan_size(folder: Path, table: dict[str, Any], size: dict[str, Any]) -> None:
    values = {"name": "m", "title": "M", "base": BASE, "axes": {"cells": [{"row": "A"}]}, "table": table}
    path = folder / "size.yaml"
    path.write_text(json.dumps({**values, "sizes": {"smoke": size}}))
    catalogue = builtin_catalogue(folder)
    load_sweep(str(path), size="smoke", catalogue=catalogue)


def test_a_benchmark_without_a_column_must_be_possible_too(tmp_path: Path) -> None:
    assert "benchmarks.c: benchmark 'c' cannot run on 'digits'" in refused(tmp_path, ["clean/error"], {"c": {}})


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ({"train_images": 1443}, "at most the 1442 training images that 'digits' has, but got 1443"),
        ({"train_images": 1343, "validation_images": 100}, "at most the 1342 training images that 'digits' has (100 of them"),
    ],
)  # fmt: skip
def test_more_training_images_than_there_are_are_refused(tmp_path: Path, train: dict[str, int], told: str) -> None:
    assert told in refused(tmp_path, ["clean/error"], {}, axes={"cells": [{"row": "A", "train": train}]})


def test_the_fewest_images_of_a_metric_are_those_of_its_function() -> None:
    assert METRICS["rms"].min_samples == smallest_for_rms()
    assert METRICS["rms-reference"].min_samples == smallest_for_rms(drop_last_bin=True)
    assert METRICS["ece"].min_samples == BIN_SIZE


def test_a_column_names_an_outlier_set_of_a_folder_with_and_without_a_score() -> None:
    """A path has colons and slashes of its own: `ood/auroc/folder:a/b` was split at the colon and never found."""
    values = {"msp": 0.7, "energy": 0.9}
    rows = tuple({"set": "folder:a/b", "variant": score, "auroc": value} for score, value in values.items())
    outcome = BenchmarkOutcome(metrics={"auroc": MetricValue(0.7, 9)}, rows=rows, notes={"variant": "msp"})

    assert column_value(outcome, Column.of("ood/auroc/folder:a/b")) == 0.7
    assert column_value(outcome, Column.of("ood/auroc/folder:a/b:energy")) == 0.9


@pytest.mark.parametrize("tested", ["folder:mine", "folder:copy"])
def test_outliers_that_a_row_is_trained_on_do_not_test_it(tmp_path: Path, tested: str) -> None:
    for number in range(4):
        for name in ("mine", "copy"):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.new("L", (8, 8), 10 * number).save(tmp_path / name / f"{number}.png")
    row = {"row": "OE", "method": "oe", "outliers": "folder:mine", "train": {"epochs": 1}}
    with pytest.raises(InputError, match=f"'folder:mine' has the images of the outlier set '{tested}'"):
        plan(tmp_path, ["ood/auroc"], {"ood": {"sets": [tested]}}, axes={"cells": [row]})
    plan(tmp_path, ["ood-generated/auroc"], {}, axes={"cells": [row]})
