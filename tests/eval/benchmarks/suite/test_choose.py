"""Suites: which benchmarks a network is evaluated on, by dataset and by the files that are there."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from eval.benchmarks.suite.choose import QUICK_IMAGES, QUICK_SEQUENCES, SUITES, axes_of, choose_suite
from eval.errors import EvalError
from eval.outliers.folders import folder_images
from eval.outliers.sets import UnreadableSetError

ALL_AXES = ("accuracy", "corruption", "consistency", "adversaries", "calibration", "anomaly")


def choose(name, root, dataset="cifar-10", side=32, channels=3, datasets=()):
    return choose_suite(
        name, dataset=dataset, side=side, channels=channels, data_root=root, has_dataset=lambda each: each in datasets
    )


@pytest.mark.parametrize("name", ["full", "generated", "quick"])
def test_a_suite_evaluates_every_axis_without_any_published_file(name, tmp_path):
    assert axes_of(list(choose(name, tmp_path).benchmarks)) == ALL_AXES


def test_stand_ins_take_the_place_of_missing_files_and_a_note_says_so(tmp_path):
    chosen = choose("full", tmp_path)
    assert "c-generated" in chosen.benchmarks
    assert "c" not in chosen.benchmarks
    assert any("CIFAR-10-C/" in note and "c-generated is used instead" in note for note in chosen.notes)


def test_published_files_are_preferred_where_they_are_complete(tmp_path):
    folder = tmp_path / "mnist_c"
    from eval.corruptions.mnist.registry import MNIST_CORRUPTIONS

    for kind in MNIST_CORRUPTIONS:
        (folder / kind).mkdir(parents=True)
        for part in ("images", "labels"):
            shape = (10_000, 28, 28, 1) if part == "images" else (10_000,)
            sparse = np.lib.format.open_memmap(folder / kind / f"test_{part}.npy", "w+", np.uint8, shape)
            sparse.flush()
    chosen = choose("full", tmp_path, dataset="mnist", side=28, channels=1)
    assert "mnist-c" in chosen.benchmarks
    assert "mnist-c-generated" not in chosen.benchmarks


def test_only_published_leaves_out_what_is_missing(tmp_path):
    chosen = choose("published", tmp_path)
    assert not any("generated" in name for name in chosen.benchmarks if name != "ood-generated")
    assert len(chosen.notes) >= 3


def test_outlier_sets_that_are_there_join(tmp_path):
    write_grey(tmp_path / "dtd" / "images", 1)
    chosen = choose("full", tmp_path, datasets=("cifar-100",))
    assert chosen.benchmarks["ood"] == {"sets": ["gaussian", "rademacher", "blobs", "textures", "cifar-100"]}
    assert any("svhn, lsun" in note for note in chosen.notes)


def test_a_quick_suite_is_limited_and_says_so(tmp_path):
    chosen = choose("quick", tmp_path)
    limits = {name: params["max_images"] for name, params in chosen.benchmarks.items()}
    assert limits.pop("p-generated") == QUICK_SEQUENCES
    assert set(limits.values()) == {QUICK_IMAGES}
    assert f"at most {QUICK_IMAGES} test images, {QUICK_SEQUENCES} in p-generated" in chosen.notes


def test_an_unknown_suite_is_refused(tmp_path):
    with pytest.raises(EvalError, match=r"unknown suite 'ful' \(did you mean 'full'\?\)"):
        choose("ful", tmp_path)
    assert SUITES == ("full", "generated", "published", "quick")


def write_grey(folder, count, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = np.random.default_rng((seed, number)).integers(0, 256, (20, 20), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")
    return folder


def test_folders_of_images_are_read_resized_and_kept(tmp_path):
    folder = tmp_path / "dtd" / "images" / "banded"
    folder.mkdir(parents=True)
    ramp = np.linspace(0, 255, 90 * 60).reshape(60, 90).astype(np.uint8)
    Image.fromarray(ramp).save(folder / "a.png")
    Image.fromarray(np.full((40, 40, 3), 200, np.uint8)).save(folder / "b.png")
    (folder / "readme.txt").write_text("no image")
    (folder / "._a.png").write_bytes(b"\x00\x05\x16\x07")

    images = folder_images("textures", (32, 32, 3), data_root=tmp_path, cache_dir=tmp_path / "cache").images

    assert images.shape == (2, 32, 32, 3)
    assert (images[1] == 200).all()
    assert images[0, 0].mean() < images[0, -1].mean()
    again = folder_images("textures", (32, 32, 3), data_root=tmp_path, cache_dir=tmp_path / "cache").images
    assert np.array_equal(images, again)


def test_any_folder_can_be_named_and_grey_networks_get_grey_images(tmp_path):
    (tmp_path / "mine").mkdir()
    Image.fromarray(np.full((20, 30, 3), (255, 0, 0), np.uint8)).save(tmp_path / "mine" / "red.png")
    images = folder_images("folder:mine", (28, 28, 1), data_root=tmp_path, cache_dir=tmp_path / "cache").images
    assert images.shape == (1, 28, 28, 1)
    assert images[0, 14, 14, 0] == 76  # ITU-R 601 luma of pure red


def test_outliers_are_kept_under_their_content_and_not_under_names_sizes_and_times(tmp_path):
    """Other images under the same names, of the same sizes and times, were read from the cache of the old ones."""
    folder = tmp_path / "mine"
    folder.mkdir()
    Image.fromarray(np.full((16, 16, 3), 10, np.uint8)).save(folder / "a.bmp")
    times = (folder / "a.bmp").stat()
    options = {"data_root": tmp_path, "cache_dir": tmp_path / "cache"}
    first = folder_images("folder:mine", (16, 16, 3), **options).images
    Image.fromarray(np.full((16, 16, 3), 200, np.uint8)).save(folder / "a.bmp")
    os.utime(folder / "a.bmp", ns=(times.st_atime_ns, times.st_mtime_ns))
    second = folder_images("folder:mine", (16, 16, 3), **options).images
    assert (int(first[0, 0, 0, 0]), int(second[0, 0, 0, 0])) == (10, 200)


def test_missing_empty_and_broken_folders_are_refused(tmp_path):
    options = {"data_root": tmp_path, "cache_dir": tmp_path / "cache"}
    with pytest.raises(EvalError, match="dtd/images, which does not exist"):
        folder_images("textures", (32, 32, 3), **options)
    (tmp_path / "iSUN").mkdir()
    with pytest.raises(EvalError, match="iSUN has none"):
        folder_images("isun", (32, 32, 3), **options)
    (tmp_path / "iSUN" / "a.png").write_bytes(b"not an image")
    with pytest.raises(UnreadableSetError, match=r"outlier set 'isun': at most 1% .* 1 of 1 are: a.png"):
        folder_images("isun", (32, 32, 3), **options)


def test_one_broken_outlier_of_a_hundred_is_left_out_and_named(tmp_path):
    write_grey(tmp_path / "mine", 119)
    (tmp_path / "mine" / "broken.png").write_bytes((tmp_path / "mine" / "000.png").read_bytes()[:60])
    made = folder_images("folder:mine", (16, 16, 3), data_root=tmp_path, cache_dir=tmp_path / "cache")
    assert (len(made.images), made.broken) == (119, ("broken.png",))
