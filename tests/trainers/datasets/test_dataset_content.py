"""What identifies a dataset: the content of its files, and its published name only where that is the published content."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment.files.content import content_of
from augment.files.published import prove
from trainers.datasets import content as dataset_content_module
from trainers.datasets.content import contradiction, dataset_content
from trainers.datasets.contract import DatasetSpec
from trainers.datasets.folders.listing import list_split
from trainers.datasets.load import load_split, shared_split
from trainers.datasets.registry import DATASETS, dataset_for
from trainers.datasets.streams import stream_files
from trainers.errors import CorruptData, TrainingError
from trainers.models.from_torchvision import with_published_weights
from trainers.models.released.registry import CHECKPOINTS

pytestmark = pytest.mark.usefixtures("fresh_hashes")

KMNIST = DATASETS["kmnist"]


def _write_idx(root: Path, level: int, *, packed: bool = False) -> dict[str, str]:
    """Write files in the layout of KMNIST, two images a split; return path -> MD5 of the packed file."""
    md5 = {}
    for file in KMNIST.files:
        is_images = "images" in file.path
        head = bytes([0, 0, 8, 3 if is_images else 1]) + (2).to_bytes(4, "big")
        body = (28).to_bytes(4, "big") * 2 + bytes([level]) * 2 * 784 if is_images else bytes([0, 1])
        path = root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(head + body)
        wrapped = gzip.compress(head + body, mtime=0)
        md5[file.path] = hashlib.md5(wrapped).hexdigest()
        if packed:
            path.with_name(path.name + ".gz").write_bytes(wrapped)
    return md5


def _with_md5(md5: dict[str, str]) -> DatasetSpec:
    files = tuple(dataclasses.replace(file, packed_md5=md5[file.path]) for file in KMNIST.files)
    return dataclasses.replace(KMNIST, files=files)


def _images(folder: Path, level: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (level, 0, 0)).save(folder / "a.JPEG", format="PNG")


def test_absent_files_are_taken_for_the_published_ones() -> None:
    for name, spec in DATASETS.items():
        assert dataset_content(spec, None).key == spec.identity, name
    assert dataset_content(KMNIST, Path("/nowhere")).state == "absent"


def test_bytes_that_change_change_the_key_of_files_that_nothing_can_be_compared_with(tmp_path: Path) -> None:
    _write_idx(tmp_path, 1)
    first = dataset_content(KMNIST, tmp_path)
    assert first.state == "own"
    assert first.key not in ("", KMNIST.identity)
    shutil.copytree(tmp_path / "KMNIST", tmp_path / "copy" / "KMNIST")
    assert dataset_content(KMNIST, tmp_path / "copy") == first
    _write_idx(tmp_path, 2)
    assert dataset_content(KMNIST, tmp_path).key != first.key


def test_files_that_are_what_the_published_ones_pack_have_the_key_that_was_planned_without_them(tmp_path: Path) -> None:
    spec = _with_md5(_write_idx(tmp_path, 1, packed=True))
    found = dataset_content(spec, tmp_path)
    assert (found.state, found.key) == ("published", spec.identity)
    _write_idx(tmp_path, 2)  # the packed files stay
    changed = dataset_content(spec, tmp_path)
    assert changed.state == "own"
    assert "must match its copy in train-images-idx3-ubyte.gz" in changed.reason
    assert contradiction(spec, tmp_path) == changed.reason


def test_files_of_another_dataset_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KMNIST's folder with the files of Fashion-MNIST was whole, and loaded as KMNIST."""
    _write_idx(tmp_path, 1)
    known = hashlib.sha256((tmp_path / KMNIST.files[0].path).read_bytes()).hexdigest()
    monkeypatch.setattr(dataset_content_module, "KNOWN", {known: "fashion-mnist"})
    assert "must be a file of 'kmnist', but is one of 'fashion-mnist'" in dataset_content(KMNIST, tmp_path).reason
    with pytest.raises(CorruptData, match="but is one of 'fashion-mnist'"):
        load_split("kmnist", "train", tmp_path)


def test_real_files_of_fashion_mnist_are_refused_as_kmnist(data_root: Path, tmp_path: Path) -> None:
    (tmp_path / "KMNIST").mkdir()
    (tmp_path / "KMNIST" / "raw").symlink_to(data_root / "FashionMNIST" / "raw")
    with pytest.raises(CorruptData, match="must be a file of 'kmnist', but is one of 'fashion-mnist'"):
        load_split("kmnist", "test", tmp_path)
    for name in ("mnist", "fashion-mnist"):
        assert dataset_content(DATASETS[name], data_root).state == "published"


@pytest.mark.parametrize(("name", "train", "test"), [
    ("imagenet", "imagenet/train/n01", "imagenet/val/n01"),
    ("tiny-imagenet", "tiny-imagenet-200/train/n01/images", "tiny-imagenet-200/val/images"),
    ("places365", "places365_standard/train/a", "places365_standard/val/a"),
])  # fmt: skip
def test_folders_are_the_published_ones_only_once_compared(name: str, train: str, test: str, tmp_path: Path) -> None:
    spec = DATASETS[name]
    _images(tmp_path / train, 1)
    _images(tmp_path / test, 1)
    own = dataset_content(spec, tmp_path)
    assert own.state == "own"
    assert own.key != spec.identity
    assert spec.folders is not None
    prove(tmp_path, name, {folder: content_of(tmp_path, folder) for folder in spec.folders})
    found = dataset_content(spec, tmp_path)
    assert (found.state, found.key) == ("published", spec.identity)
    _images(tmp_path / test, 2)
    assert dataset_content(spec, tmp_path).state == "own"


def test_a_tree_with_too_few_classes_is_named_before_anything_runs(tmp_path: Path) -> None:
    """A plan took two class folders for Tiny ImageNet; the worker refused them."""
    spec = dataset_for("tiny-imagenet")
    assert contradiction(spec, tmp_path) == ""
    for name in ("n01", "n02"):
        (tmp_path / "tiny-imagenet-200" / "train" / name).mkdir(parents=True)
    assert "tiny-imagenet-200/train must have 200 class folders, but has 2" in contradiction(spec, tmp_path)
    for number in range(200):
        (tmp_path / "tiny-imagenet-200" / "train" / f"n{number:02}").mkdir(exist_ok=True)
    (tmp_path / "tiny-imagenet-200" / "val" / "images").mkdir(parents=True)
    assert "tiny-imagenet-200/val must have 200 class folders, but has 1" in contradiction(spec, tmp_path)
    (tmp_path / "tiny-imagenet-200" / "val" / "val_annotations.txt").write_text("a.JPEG\tn00\n")
    assert contradiction(spec, tmp_path) == ""


@pytest.mark.parametrize("annotations", [b"a.JPEG n01\n", b"\xff\xfe"])
def test_annotations_that_name_no_class_are_refused(annotations: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "tiny-imagenet-200" / "val"
    folder.mkdir(parents=True)
    (folder / "val_annotations.txt").write_bytes(annotations)
    with pytest.raises(CorruptData, match="must be lines of a file name, a tabulator and its class"):
        list_split(dataset_for("tiny-imagenet"), "test", tmp_path, tmp_path / "cache")


def test_the_file_that_names_the_classes_of_a_flat_split_counts(tmp_path: Path) -> None:
    spec = DATASETS["tiny-imagenet"]
    _images(tmp_path / "tiny-imagenet-200/train/n01/images", 1)
    _images(tmp_path / "tiny-imagenet-200/val/images", 1)
    classes = tmp_path / "tiny-imagenet-200/val/val_annotations.txt"
    classes.write_text("a.JPEG\tn01\t0\t0\t1\t1\n")
    first = dataset_content(spec, tmp_path).key
    classes.write_text("a.JPEG\tn02\t0\t0\t1\t1\n")
    assert dataset_content(spec, tmp_path).key != first


def test_a_decoded_array_of_other_files_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = dataclasses.replace(KMNIST, num_train=2, num_test=2)
    monkeypatch.setattr("trainers.datasets.load.dataset_for", lambda name: small)
    seen = []
    for level in (1, 2):
        _write_idx(tmp_path, level)
        seen.append(int(shared_split("kmnist", "train", tmp_path, tmp_path / "cache").images[0, 0, 0, 0]))
    assert seen == [1, 2]


def test_the_published_stream_of_random_images_is_identified_by_its_content(tmp_path: Path) -> None:
    assert stream_files("random-images-300k", tmp_path).key == "random-images-300k"
    keys = []
    for level in (1, 2):
        np.save(tmp_path / "300K_random_images.npy", np.full((3, 32, 32, 3), level, np.uint8))
        found = stream_files("random-images-300k", tmp_path)
        assert found.state == "own"
        keys.append(found.key)
    assert len(set(keys)) == 2


def test_a_released_network_without_a_published_hash_is_identified_by_its_content(tmp_path: Path) -> None:
    released = CHECKPOINTS["pixmix-cifar-10"]
    assert released.content(tmp_path).key == released.identity
    path = released.path(tmp_path)
    path.parent.mkdir()
    keys = set()
    for content_of_file in (b"one", b"other"):
        path.write_bytes(content_of_file)
        found = released.content(tmp_path)
        assert (found.state, found.reason) == ("own", f"no hash of {released.file} is published")
        keys.add(found.key)
    assert len({*keys, released.identity}) == 3


def test_a_released_network_with_the_published_hash_keeps_its_key(tmp_path: Path) -> None:
    data = b"weights"
    released = dataclasses.replace(CHECKPOINTS["sin-resnet-50"], sha256=hashlib.sha256(data).hexdigest()[:8])
    released.path(tmp_path).parent.mkdir()
    released.path(tmp_path).write_bytes(data)
    assert released.content(tmp_path).key == released.identity
    released.path(tmp_path).write_bytes(b"changed")
    assert released.content(tmp_path).reason == "its hash is not the published one"


def test_weights_of_torchvision_that_changed_on_disk_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "resnet18-f37072fd.pth").write_bytes(b"others")
    with pytest.raises(TrainingError, match="must have a SHA-256 that begins with f37072fd"):
        with_published_weights("resnet18", "imagenet1k-v1")
