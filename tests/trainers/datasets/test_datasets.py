import hashlib
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Install
from trainers.datasets.contract import DataFile
from trainers.datasets.digits import enlarge
from trainers.datasets.load import fingerprint, load_split
from trainers.datasets.mnist import read_idx
from trainers.datasets.registry import DATASETS, dataset_for, missing_data
from trainers.errors import CorruptData, MissingData, UnknownName


@pytest.mark.parametrize("name", [name for name, spec in DATASETS.items() if spec.files])
def test_identity_is_the_hash_of_the_published_checksums(name: str) -> None:
    spec = DATASETS[name]
    digest = hashlib.sha256()
    for file in sorted(spec.files, key=lambda file: file.path):
        digest.update(f"{file.path.rpartition('/')[2]} {file.sha256 or file.md5 or file.packed_md5}\n".encode())
    assert spec.identity.partition(":")[2] == digest.hexdigest()


def test_checksums_are_those_that_torchvision_publishes() -> None:
    from torchvision import datasets

    for name, published in {"cifar-10": datasets.CIFAR10, "cifar-100": datasets.CIFAR100}.items():
        ours = {file.path.rpartition("/")[2]: file.md5 for file in DATASETS[name].files if file.split != "both"}
        assert ours == dict(published.train_list + published.test_list)
    packed = {file.path.rpartition("/")[2] + ".gz": file.packed_md5 for file in DATASETS["kmnist"].files}
    assert packed == dict(datasets.KMNIST.resources)


def test_identity_of_the_digits_is_the_hash_of_both_splits() -> None:
    prints = "".join(load_split("digits", split, "nowhere").fingerprint for split in ("train", "test"))
    assert DATASETS["digits"].identity == "sha256:" + hashlib.sha256(prints.encode()).hexdigest()


def test_digits_are_resized_as_by_bilinear_interpolation() -> None:
    import torch

    small = np.random.default_rng(0).integers(0, 17, (5, 8, 8))
    large = torch.nn.functional.interpolate(torch.from_numpy(small)[:, None].double(), size=(32, 32), mode="bilinear")
    assert np.array_equal(enlarge(small), np.floor(large[:, 0].numpy() * 255 / 16 + 0.5).astype(np.uint8))


def test_test_split_of_the_digits_is_a_fifth_of_every_class() -> None:
    train, test = (load_split("digits", split, "nowhere") for split in ("train", "test"))
    for label in range(10):
        total = int((train.labels == label).sum() + (test.labels == label).sum())
        assert int((test.labels == label).sum()) == total // 5
    assert len({image.tobytes() for image in train.images} & {image.tobytes() for image in test.images}) == 0


def test_fingerprint_follows_pixels_labels_and_shape() -> None:
    images = np.zeros((2, 4, 4, 1), dtype=np.uint8)
    labels = np.array([0, 1])
    others = [(images + 1, labels), (images, labels[::-1]), (images.reshape(2, 2, 8, 1), labels)]
    assert len({fingerprint(*pair) for pair in [(images, labels), *others]}) == 4


@pytest.mark.data
def test_real_mnist_and_fashion_mnist_load_and_are_verified(data_root: Path) -> None:
    for name in ("mnist", "fashion-mnist"):
        split = load_split(name, "test", data_root)
        assert split.images.shape == (10_000, 28, 28, 1)
        assert np.bincount(split.labels).min() > 800
        assert split.images.flags.writeable


@pytest.mark.data
def test_changed_byte_names_the_file_and_the_way_out(data_root: Path, tmp_path: Path) -> None:
    shutil.copytree(data_root / "MNIST", tmp_path / "MNIST")
    path = tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    changed = bytearray(path.read_bytes())
    changed[100] ^= 1
    path.write_bytes(changed)
    with pytest.raises(
        CorruptData, match=r"t10k-labels-idx1-ubyte must have the published sha256 .* fetch it again with"
    ):
        load_split("mnist", "test", tmp_path)


def test_truncated_idx_file_without_a_published_checksum_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "KMNIST" / "raw"
    folder.mkdir(parents=True)
    (folder / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + (10_000).to_bytes(4, "big") * 3 + b"\0" * 7)
    (folder / "t10k-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + (10_000).to_bytes(4, "big") + b"\0" * 10_000)
    with pytest.raises(CorruptData, match="t10k-images-idx3-ubyte must contain"):
        load_split("kmnist", "test", tmp_path)


def test_missing_dataset_is_named_with_the_command_that_gets_it(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"'cifar-10' is not complete .* dreamgrid data fetch cifar-10"):
        load_split("cifar-10", "train", tmp_path)
    lines = missing_data(["digits", "cifar-10", "svhn", "cifar-10"], tmp_path)
    assert [line.split("'")[1] for line in lines] == ["cifar-10", "svhn"]


def test_unknown_dataset_gets_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="did you mean 'fashion-mnist'"):
        dataset_for("fashon-mnist")


def test_cifar_is_read_through_torchvisions_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    from torchvision import datasets

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
    contents = {
        "test_batch": {"data": images.reshape(4, -1), "labels": [3, 1, 2, 0]},
        "batches.meta": {"label_names": [str(i) for i in range(10)]},
    }
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
    md5 = {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in contents}
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(datasets.CIFAR10, "meta", {**datasets.CIFAR10.meta, "md5": md5["batches.meta"]})
    file = DataFile(path="cifar-10-batches-py/test_batch", split="test", md5=md5["test_batch"])
    spec = _replaced(DATASETS["cifar-10"], files=(file,), num_test=4)
    monkeypatch.setattr("trainers.datasets.load.dataset_for", lambda name: spec)
    read = load_split("cifar-10", "test", tmp_path)
    assert np.array_equal(read.images, images.transpose(0, 2, 3, 1))
    assert read.labels.tolist() == [3, 1, 2, 0]


def _replaced(spec: object, **changes: object) -> object:
    import dataclasses

    return dataclasses.replace(spec, **changes)  # type: ignore[type-var]


def test_an_installed_dataset_is_read_by_the_function_of_its_description(install: Install) -> None:
    source = """
from dataclasses import replace
from trainers.datasets.registry import DATASETS

def read(split, root):
    images, labels = DATASETS["digits"].read(split, root)
    return 255 - images, labels

INVERTED = replace(DATASETS["digits"], name="inverted-digits", read=read)
"""
    install({"mine.py": source}, points="[dreamgrid.datasets]\nx = mine:INVERTED\n")
    ours, plain = (load_split(name, "test", "nowhere") for name in ("inverted-digits", "digits"))
    assert np.array_equal(ours.images, 255 - plain.images)
    assert dataset_for("inverted-digits").identity.startswith(f"{DATASETS['digits'].identity}+code:")


@pytest.mark.parametrize("shape", [(2**31, 2**31, 4, 1), (2**32 - 1,) * 64, ()])
def test_an_idx_header_whose_sizes_wrap_around_is_corrupt(tmp_path: Path, shape: tuple[int, ...]) -> None:
    (tmp_path / "it").write_bytes(bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape))
    with pytest.raises(CorruptData, match="bytes after its header"):
        read_idx(tmp_path / "it")
