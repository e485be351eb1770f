"""A user's own folder of pictures is a dataset: described by names, decoded once, refused where it cannot be trained on."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from trainers.datasets.registry import dataset_for
from trainers.datasets.shared import shared_split
from trainers.datasets.streams import stream_identity
from trainers.datasets.user_folder import key_name
from trainers.errors import CorruptData, ImpossibleJob, MissingData, UnknownName
from trainers.group import OneWorker
from trainers.job import JobRequest
from trainers.worker import run_job


def fill(folder: Path, number: int, seed: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for index in range(number):
        pixels = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:03}.png")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes, 12 training and 4 test pictures each."""
    root = tmp_path / "pets"
    for split, number in (("train", 12), ("test", 4)):
        for seed, name in enumerate(("cat", "dog")):
            fill(root / split / name, number, seed)
    return root


def test_folder_is_described_by_what_lies_in_it(pets: Path) -> None:
    spec = dataset_for(f"folder:{pets}@16")
    assert (spec.num_classes, spec.num_train, spec.num_test, spec.image_size) == (2, 24, 8, 16)
    assert spec.identity.startswith("sha256-of-content:")
    split = shared_split(spec.name, "test", "nowhere", pets.parent / "cache")
    assert split.images.shape == (8, 16, 16, 3)
    assert split.labels.tolist() == [0] * 4 + [1] * 4


def test_folder_trains_and_is_judged(pets: Path, small_job: Callable[..., JobRequest], sink: Any) -> None:
    from eval.benchmark import BenchmarkRequest

    request = small_job(dataset=f"folder:{pets}@16", recipe={"train_images": None, "crop": "resized"})
    request = dataclasses.replace(request, benchmarks=(BenchmarkRequest(name="clean", params={}, key="clean"),))
    result = run_job(request, group=OneWorker(torch.device("cpu")), sink=sink)
    assert len(result.training.epochs) == 2
    assert result.reports[0].outcome is not None
    assert result.reports[0].outcome.metrics["error"].n == 8


def test_keys_know_the_content_and_not_the_place(pets: Path) -> None:
    before = dataset_for(f"folder:{pets}@16").identity
    moved = pets.with_name("elsewhere")
    shutil.copytree(pets, moved)
    assert dataset_for(f"folder:{moved}@16").identity == before
    assert key_name(f"folder:{moved}@16") == key_name(f"folder:{pets}@16") == "folder:@16"
    Image.new("RGB", (8, 8)).save(moved / "train" / "cat" / "new.png")
    assert dataset_for(f"folder:{moved}@16").identity != before


def test_classes_that_differ_between_the_splits_are_named(pets: Path) -> None:
    (pets / "test" / "dog").rename(pets / "test" / "dogs")
    with pytest.raises(
        CorruptData, match="the same classes, but train has 2 and test 2; only in one of them: dog, dogs"
    ):
        dataset_for(f"folder:{pets}@16")


def test_folder_without_a_split_is_told_what_it_must_hold(pets: Path) -> None:
    shutil.rmtree(pets / "test")
    with pytest.raises(MissingData, match=r"one folder per class, but .*test|val.* does not exist"):
        dataset_for(f"folder:{pets}@16")


@pytest.mark.parametrize(
    ("name", "text"), [("folder:pets", "must be an absolute path"), ("folder:/tmp@4", "between 8 and 1024 pixels")]
)
def test_impossible_names_are_refused(name: str, text: str) -> None:
    with pytest.raises(ImpossibleJob, match=text):
        dataset_for(name)


def test_few_corrupt_pictures_are_counted_and_named(pets: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(pets / "train" / "bird", 200, 5)
    fill(pets / "test" / "bird", 2, 6)
    (pets / "train" / "cat" / "000.png").write_bytes(b"broken")
    split = shared_split(f"folder:{pets}@16", "train", "nowhere", pets.parent / "cache")
    assert len(split.labels) == 223
    assert "1 of 224 pictures" in caplog.text
    assert "cat/000.png" in caplog.text


def test_many_corrupt_pictures_are_refused(pets: Path) -> None:
    (pets / "train" / "cat" / "000.png").write_bytes(b"broken")
    with pytest.raises(CorruptData, match=r"at most 1% .* but 1 of 24 are: cat/000\.png"):
        shared_split(f"folder:{pets}@16", "train", "nowhere", pets.parent / "cache")


def test_outlier_streams_are_known_by_their_content(pets: Path) -> None:
    assert stream_identity(f"folder:{pets}").startswith("sha256-of-content:")
    assert stream_identity("folder:/nowhere/at/all") == "pending"
    assert stream_identity("random-images-300k") == "random-images-300k"
    assert stream_identity("digits") == dataset_for("digits").identity
    assert stream_identity("generated:fractals").startswith("generated:fractals:")
    with pytest.raises(UnknownName, match="an outlier stream may also be"):
        stream_identity("nobody")
    with pytest.raises(UnknownName, match="did you mean 'fractals'"):
        stream_identity("generated:fractal")
