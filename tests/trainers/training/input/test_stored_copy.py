"""Training images joined with a copy of them that was changed beforehand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from augment.files.walk import walk_images
from augment.kernels.counters import SampleKeys
from augment.treatment import StoredCopy
from trainers.config import RecipeConfig
from trainers.datasets.folders.listing import listing_of
from trainers.datasets.registry import dataset_for
from trainers.errors import CorruptData
from trainers.training.input.images import ImageFiles, ResidentImages, WithStoredCopy, with_stored_copy

RECIPE = RecipeConfig(crop_padding=0, flip=False)
NUM = 40


def keys(epoch: int, indices: NDArray[np.int64] | None = None) -> SampleKeys:
    return SampleKeys(7, epoch, np.arange(NUM, dtype=np.int64) if indices is None else indices)


def source(value: int, *, size: int = 8) -> ResidentImages:
    images = np.full((NUM, size, size, 1), value, dtype=np.uint8)
    return ResidentImages(images, np.arange(NUM, dtype=np.int64) % 10, crop_padding=0, flip=False)


def test_two_epochs_show_every_image_once_clean_and_once_from_the_copy() -> None:
    joined = WithStoredCopy(source(0), source(255), share=0.5)
    first, labels = joined.load(keys(4))
    second, _ = joined.load(keys(5))
    shown = np.stack([first, second]).max(axis=(2, 3, 4))
    assert set(shown[0]) == {0, 255}
    assert (shown.min(axis=0) == 0).all()
    assert (shown.max(axis=0) == 255).all()
    assert labels.tolist() == [index % 10 for index in range(NUM)]


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_share_of_the_copy_is_kept_over_epochs(share: float) -> None:
    joined = WithStoredCopy(source(0), source(255), share=share)
    found = np.mean([joined.load(keys(epoch))[0] == 255 for epoch in range(60)])
    assert found == pytest.approx(share, abs=0.04)


def test_an_image_is_the_same_in_any_batch() -> None:
    joined = WithStoredCopy(source(0), source(255), share=0.5)
    whole, _ = joined.load(keys(3))
    chosen = np.array([31, 2, 17], dtype=np.int64)
    part, labels = joined.load(keys(3, chosen))
    assert np.array_equal(part, whole[chosen])
    assert labels.tolist() == [1, 2, 7]


def test_a_folder_in_the_order_of_its_names_is_the_copy_of_a_dataset_in_memory(tmp_path: Path) -> None:
    folder = tmp_path / "stylised"
    folder.mkdir()
    for index in range(NUM):
        Image.fromarray(np.full((8, 8), 100 + index, dtype=np.uint8)).save(folder / f"{index:05d}.png")
    dataset = replace(dataset_for("digits"), image_size=8)
    stored = StoredCopy(folder=folder, share=1.0)
    images, labels = with_stored_copy(source(0), stored, dataset, RECIPE, tmp_path / "data", tmp_path / "cache").load(
        keys(0)
    )
    assert images[:, 0, 0, 0].tolist() == [100 + index for index in range(NUM)]
    assert labels.tolist() == [index % 10 for index in range(NUM)]


def test_a_copy_with_too_few_or_broken_images_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "stylised"
    folder.mkdir()
    for index in range(NUM - 1):
        Image.new("L", (8, 8)).save(folder / f"{index:05d}.png")
    dataset = replace(dataset_for("digits"), image_size=8)
    stored = StoredCopy(folder=folder, share=0.5)
    with pytest.raises(CorruptData, match=f"one image for each of its {NUM} training images"):
        with_stored_copy(source(0), stored, dataset, RECIPE, tmp_path / "data", tmp_path / "cache")
    (folder / "zzz.png").write_bytes(b"no image")
    with pytest.raises(CorruptData, match=r"1 in .* are not: zzz\.png"):
        with_stored_copy(source(0), stored, dataset, RECIPE, tmp_path / "data", tmp_path / "cache")


def test_the_copy_of_a_dataset_in_folders_has_its_names(tmp_path: Path) -> None:
    clean, copied = tmp_path / "data" / "train", tmp_path / "data" / "stylised"
    for root, shade, suffix in ((clean, 0, "ppm"), (copied, 200, "png")):
        for index in range(NUM):
            (root / f"c{index % 2}").mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 30), (shade, shade, shade)).save(root / f"c{index % 2}" / f"{index:03d}.{suffix}")
    dataset = replace(
        dataset_for("imagenet"),
        image_size=16,
        num_train=NUM,
        num_classes=2,
        folders=("train", "train"),
        identity="small",
    )
    listing = listing_of(walk_images(clean))
    stored = StoredCopy(folder=copied, share=0.5)
    stored_images = ImageFiles(listing, image_size=16, flip=True)
    joined = with_stored_copy(stored_images, stored, dataset, RECIPE, tmp_path / "data", tmp_path / "cache")
    images, labels = joined.load(keys(0))
    assert images.shape == (NUM, 16, 16, 3)
    assert set(images.reshape(NUM, -1).max(1).tolist()) == {0, 200}
    assert np.array_equal(labels, listing.labels)
    (copied / "c0" / "000.png").rename(copied / "c0" / "0000.png")
    with pytest.raises(CorruptData, match="must have the names of the training images, but 1"):
        with_stored_copy(stored_images, stored, dataset, RECIPE, tmp_path / "data", tmp_path / "cache")
