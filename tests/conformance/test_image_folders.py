"""Whoever reads a folder of images sees the same files: key, count, listing, training, evaluation, streams and mixing sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment.files.content import folder_hash
from augment.files.walk import walk_images
from augment.mixing_sets.contract import SetRequest
from augment.mixing_sets.from_files.folder import FolderConfig, build_folder
from augment.mixing_sets.identity import missing_set_files
from augment.mixing_sets.registry import MIXING_SETS
from eval.benchmarks.suite.files import missing_files
from eval.outliers.folders import folder_images
from trainers.datasets.folders.listing import list_split
from trainers.datasets.folders.split import read_folder
from trainers.datasets.load import shared_split
from trainers.datasets.registry import dataset_for
from trainers.datasets.streams import missing_stream
from trainers.training.input.images import ImageFiles

SUFFIXES = (".png", ".jpg", ".JPEG", ".gif", ".tif", ".bmp", ".webp", ".jfif", ".ppm", ".png")
NUM = 2 * len(SUFFIXES)


@pytest.fixture(scope="module")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two splits of two classes in every format, one class behind a link, one image behind a link, and litter everywhere."""
    root = tmp_path_factory.mktemp("root")
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for kind, place in (
            ("cat", root / "elsewhere" / split / "cat"),
            ("dog", root / "mine" / split / "dog" / "deep"),
        ):
            place.mkdir(parents=True)
            for number, suffix in enumerate(SUFFIXES):
                Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(place / f"{number}{suffix}")
            (place / f"._{kind}.png").write_bytes(b"\x00\x05\x16\x07")
            (place / ".ipynb_checkpoints").mkdir()
            (place / ".ipynb_checkpoints" / "0.png").write_bytes(b"x")
            (place / "notes.txt").write_text("no image")
        (root / "mine" / split / "cat").symlink_to(root / "elsewhere" / split / "cat")
        linked = root / "mine" / split / "dog" / "deep" / "0.png"
        linked.rename(root / "elsewhere" / split / "moved.png")
        linked.symlink_to(root / "elsewhere" / split / "moved.png")
        (root / "mine" / split / ".DS_Store").write_bytes(b"x")
        (root / "mine" / split / "__MACOSX" / "cat").mkdir(parents=True)
        (root / "mine" / split / "__MACOSX" / "cat" / "9.png").write_bytes(b"x")
    return root


def test_every_reader_of_a_dataset_counts_what_is_hashed(messy: Path, tmp_path: Path) -> None:
    spec = dataset_for(f"folder:{messy / 'mine'}@12")
    hashed = walk_images(messy / "mine", ("train", "test"))

    assert (spec.num_train, spec.num_test, spec.num_classes) == (NUM, NUM, 2)
    assert spec.identity == f"sha256-of-content:{folder_hash(hashed)}"
    for split in ("train", "test"):
        listing = list_split(spec, split, messy, tmp_path)
        assert {f"{split}/{name}" for name in listing.names} == {
            name for name in hashed.names if name.startswith(f"{split}/")
        }
        assert len(shared_split(spec.name, split, messy, tmp_path).images) == NUM
        assert ImageFiles(listing, image_size=12, flip=False).num_images == NUM


def test_every_reader_of_a_flat_set_finds_what_is_hashed_and_the_plan_takes_it(messy: Path, tmp_path: Path) -> None:
    names = walk_images(messy / "mine").names
    sized = {
        "num_images": 2 * NUM,
        "image_size": 12,
        "num_channels": 3,
        "seed": 0,
        "data_root": messy,
        "cache_dir": tmp_path,
    }
    source = build_folder(FolderConfig(folder="mine"), SetRequest(**sized))  # type: ignore[arg-type]

    assert len(names) == 2 * NUM
    assert len(read_folder(messy / "mine", image_size=12, cache_dir=tmp_path).images) == 2 * NUM
    assert len(folder_images("folder:mine", (12, 12, 3), data_root=messy, cache_dir=tmp_path).images) == 2 * NUM
    assert len(np.unique(source.render(np.arange(2 * NUM)), axis=0)) == 2 * NUM
    assert missing_stream("folder:mine", messy) == []
    assert missing_files("ood", {"sets": ["folder:mine"]}, "digits", messy) == []
    assert missing_set_files(MIXING_SETS["folder"], {"folder": "mine"}, messy) == []


def test_the_same_image_is_the_same_pixels_to_every_reader(tmp_path: Path) -> None:
    """One decoder: what one of them scales, lays over black or takes from a palette, the others do too."""
    levels = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    clear = np.dstack([levels, levels, levels, levels.T])
    (tmp_path / "a").mkdir()
    Image.fromarray(levels.astype(np.uint16) * 257).save(tmp_path / "a" / "16.png")
    Image.fromarray(clear).save(tmp_path / "a" / "alpha.png")
    sized = {
        "num_images": 2,
        "image_size": 16,
        "num_channels": 3,
        "seed": 0,
        "data_root": tmp_path,
        "cache_dir": tmp_path,
    }
    mixed = build_folder(FolderConfig(folder="a"), SetRequest(**sized)).render(np.arange(2))  # type: ignore[arg-type]

    stream = read_folder(tmp_path / "a", image_size=16, cache_dir=tmp_path / "cache").images
    outliers = folder_images("folder:a", (16, 16, 3), data_root=tmp_path, cache_dir=tmp_path / "cache").images

    assert np.array_equal(stream, outliers)
    assert {image.tobytes() for image in mixed} == {image.tobytes() for image in stream}
    assert np.array_equal(stream[0], np.repeat(levels[..., None], 3, axis=2))
