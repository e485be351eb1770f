"""A user's own folder of images is a dataset: described by names, decoded once, refused where it cannot be trained on."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from trainers.datasets import user_folder
from trainers.datasets.load import shared_split
from trainers.datasets.registry import dataset_for
from trainers.datasets.streams import stream_files
from trainers.datasets.user_folder import key_name
from trainers.errors import CorruptData, ImpossibleJob, MissingData, UnknownName
from trainers.job import JobRequest
from trainers.training.group import OneWorker
from trainers.worker.run_job import run_job


def fill(folder: Path, number: int, seed: int, suffix: str = ".png") -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for index in range(number):
        pixels = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:03}{suffix}")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes, 12 training and 4 test images each."""
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


def test_what_is_no_class_and_no_image_is_named(pets: Path) -> None:
    for split in ("train", "test"):
        (pets / split / "fox").mkdir()
        (pets / split / "cat" / "000.png").rename(pets / split / "cat" / "000.png.part")
    found = dataset_for(f"folder:{pets}@16")
    assert (found.num_classes, found.num_train, found.num_test) == (2, 23, 7)
    assert found.left_out == (
        f"{pets}: 2 files without an image suffix: test/cat/000.png.part, train/cat/000.png.part",
        f"{pets}: 2 folders without images: train/fox, test/fox",
    )


@pytest.mark.parametrize("alike", [("é", "e\u0301"), ("cat", "cat "), ("a b", "a  b")])
@pytest.mark.parametrize("both", [True, False])
def test_classes_whose_names_look_the_same_are_refused(pets: Path, alike: tuple[str, str], both: bool) -> None:
    """As archives of macOS unpack: the same class in two compositions, in one split each or in both."""
    for split, name in zip(("train", "test"), alike, strict=True):
        (pets / split / "cat").rename(pets / split / name)
    if both:
        shutil.copytree(pets / "train" / alike[0], pets / "train" / alike[1])
        shutil.copytree(pets / "test" / alike[1], pets / "test" / alike[0])
    with pytest.raises(CorruptData, match=r"must differ visibly .* look the same: character \d is U\+"):
        dataset_for(f"folder:{pets}@16")


def test_classes_that_differ_in_case_are_two(pets: Path) -> None:
    for split in ("train", "test"):
        shutil.copytree(pets / split / "cat", pets / split / "Cat")
    assert dataset_for(f"folder:{pets}@16").num_classes == 3


def test_a_test_split_of_links_to_training_images_is_refused(pets: Path) -> None:
    shutil.rmtree(pets / "test" / "cat")
    (pets / "test" / "cat").symlink_to(pets / "train" / "cat")
    with pytest.raises(
        CorruptData, match="must show other images than train, but 12 of its 16 files are the same ones"
    ):
        dataset_for(f"folder:{pets}@16")


def test_folder_trains_and_is_evaluated(pets: Path, small_job: Callable[..., JobRequest], sink: Any) -> None:
    from eval.benchmarks.contract import BenchmarkRequest

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


def test_few_corrupt_images_are_counted_and_named(pets: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(pets / "train" / "bird", 200, 5)
    fill(pets / "test" / "bird", 2, 6)
    (pets / "train" / "cat" / "000.png").write_bytes(b"broken")
    split = shared_split(f"folder:{pets}@16", "train", "nowhere", pets.parent / "cache")
    assert len(split.labels) == 223
    assert "1 of 224 images" in caplog.text
    assert "cat/000.png" in caplog.text


def test_many_corrupt_images_are_refused_while_planning_and_on_the_worker(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pets / "test" / "cat" / "000.png").write_bytes(b"broken")
    with pytest.raises(
        CorruptData, match=r"at most 1% .* but 1 of 8 are: test/cat/000\.png \(cannot identify image file\)"
    ):
        dataset_for(f"folder:{pets}@16")
    monkeypatch.setattr(user_folder, "refuse_undecodable", lambda *_: None)
    with pytest.raises(CorruptData, match=r"at most 1% .* but 1 of 8 are: cat/000\.png"):
        shared_split(f"folder:{pets}@16", "test", "nowhere", pets.parent / "cache")


def replaced(folder: Path, suffix: str, seed: int) -> None:
    """Write other images under the names of those that are there."""
    for index, path in enumerate(sorted(folder.rglob(f"*{suffix}"))):
        Image.fromarray(np.random.default_rng((seed, index)).integers(0, 256, (20, 24), dtype=np.uint8)).save(path)


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".jfif", ".webp", ".BMP", ".jpeg"])
def test_a_key_sees_every_suffix_that_is_read(tmp_path: Path, suffix: str) -> None:
    """Folders of GIF with other classes and other images had one key."""
    for number, classes in enumerate((("cat", "dog"), ("hawk", "owl", "wren"))):
        for split in ("train", "test"):
            for kind in classes:
                fill(tmp_path / str(number) / split / kind, 3, number, suffix)
    first, second = (dataset_for(f"folder:{tmp_path}/{number}@16") for number in (0, 1))
    assert (first.num_train, second.num_train) == (6, 9)
    assert first.identity != second.identity
    replaced(tmp_path / "0", suffix, seed=9)
    user_folder._LOOKS.clear()
    assert dataset_for(f"folder:{tmp_path}/0@16").identity != first.identity
    assert len(shared_split(first.name, "train", "nowhere", tmp_path / "cache")) == 6


@pytest.mark.parametrize("level", ["split", "class", "file"])
def test_links_are_read_and_what_they_lead_to_is_hashed(pets: Path, level: str) -> None:
    """Linked sets of different data had one key, and a worker found no image in them."""
    linked = pets.with_name("linked")
    for place in {"split": ["train", "test"], "class": ["train/cat", "train/dog", "test/cat", "test/dog"]}.get(
        level, [path.relative_to(pets).as_posix() for path in pets.rglob("*.png")]
    ):
        (linked / place).parent.mkdir(parents=True, exist_ok=True)
        (linked / place).symlink_to(pets / place)
    before = dataset_for(f"folder:{linked}@16")
    assert before.identity == dataset_for(f"folder:{pets}@16").identity
    assert len(shared_split(before.name, "test", "nowhere", pets.parent / "cache")) == 8
    replaced(pets, ".png", seed=9)
    user_folder._LOOKS.clear()
    assert dataset_for(before.name).identity != before.identity
    with pytest.raises(MissingData, match="does not exist"):
        dataset_for(f"folder:{pets.parent}@16")


@pytest.mark.parametrize(
    "litter",
    ["train/.ipynb_checkpoints/0.png", "train/cat/.ipynb_checkpoints/1.png", "test/dog/._000.png", "__MACOSX/x.png"],
)
def test_hidden_files_are_no_part_of_a_dataset(pets: Path, litter: str) -> None:
    """A hidden folder was a third class, or added to one; plan and worker counted differently."""
    clean = dataset_for(f"folder:{pets}@16")
    (pets / litter).parent.mkdir(exist_ok=True)
    (pets / litter).write_bytes(b"\x00\x05\x16\x07")
    user_folder._LOOKS.clear()
    assert dataset_for(f"folder:{pets}@16") == clean
    assert len(shared_split(clean.name, "train", "nowhere", pets.parent / "cache")) == 24


def test_stray_images_have_no_class_and_are_named(pets: Path) -> None:
    """A montage beside class folders counted as a class, and the published archives were to blame."""
    clean = dataset_for(f"folder:{pets}@16")
    shutil.copy(pets / "train" / "cat" / "000.png", pets / "train" / "montage.png")
    user_folder._LOOKS.clear()
    found = dataset_for(f"folder:{pets}@16")
    assert found.identity == clean.identity
    assert found.left_out == (f"{pets}: 1 image outside of class folders: train/montage.png",)
    assert len(shared_split(found.name, "train", "nowhere", pets.parent / "cache")) == 24


def test_images_that_nobody_reads_are_named_and_many_refused(pets: Path) -> None:
    (pets / "train" / "cat" / "phone.heic").write_bytes(b"x")
    with pytest.raises(CorruptData, match=r"at most 1% of the images in .* 1 of 25 are: train/cat/phone.heic"):
        dataset_for(f"folder:{pets}@16")


def test_sixteen_bits_are_the_same_images_as_eight(pets: Path) -> None:
    """Everything above 255 became white."""
    wide = pets.with_name("wide")
    for path in pets.rglob("*.png"):
        with Image.open(path) as image:
            grey = np.asarray(image.convert("L"))
        Image.fromarray(grey).save(path)
        target = wide / path.relative_to(pets)
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey.astype(np.uint16) * 257).save(target)
    splits = [shared_split(f"folder:{folder}@16", "test", "nowhere", pets.parent / "cache") for folder in (pets, wide)]
    assert np.array_equal(splits[0].images, splits[1].images)
    assert dataset_for(f"folder:{wide}@16").identity != dataset_for(f"folder:{pets}@16").identity


def test_a_change_is_seen_by_a_process_that_has_looked_before(pets: Path) -> None:
    before = dataset_for(f"folder:{pets}@16").identity
    replaced(pets, ".png", seed=9)
    time.sleep(user_folder.LOOK_LASTS * 0.02)
    assert dataset_for(f"folder:{pets}@16").identity != before


def test_outlier_streams_are_known_by_their_content(pets: Path) -> None:
    assert stream_files(f"folder:{pets}").key.startswith("sha256-of-content:")
    assert stream_files("folder:/nowhere/at/all").key == "pending"
    assert stream_files("random-images-300k").key == "random-images-300k"
    assert stream_files("digits").key == dataset_for("digits").identity
    assert stream_files("generated:fractals").key.startswith("generated:fractals:")
    with pytest.raises(UnknownName, match="an outlier stream may also be"):
        stream_files("nobody")
    with pytest.raises(UnknownName, match="did you mean 'fractals'"):
        stream_files("generated:fractal")
