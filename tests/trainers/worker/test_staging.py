"""Data are copied from object storage to a node once: in parts that go on, with checksums, by one worker of several."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from augment.files import kept as kept_files
from clusters.storage.open import join, open_storage
from trainers.datasets.registry import DATASETS
from trainers.errors import CorruptData, DataError, MissingData
from trainers.job import JobRequest
from trainers.training.group import OneWorker
from trainers.worker.run_job import run_job
from trainers.worker.staging import CHECKSUMS, stage, stage_datasets, stage_released


@pytest.fixture
def source(s3_uri: str) -> str:
    """A folder of images and a file, on an object storage server on loopback."""
    storage = open_storage(join(s3_uri, "data"))
    for name in ("pets/train/cat/1.png", "pets/train/cat/2.png", "pets/train/dog/1.png", "one.bin"):
        storage.write_bytes(name, name.encode() * 100)
    return storage.uri


def test_folders_and_files_come_whole_and_once(source: str, tmp_path: Path) -> None:
    assert stage(["pets/train", "one.bin"], source, tmp_path) == 4
    assert (tmp_path / "pets/train/cat/2.png").read_bytes() == b"pets/train/cat/2.png" * 100
    assert stage(["pets/train", "one.bin"], source, tmp_path) == 0


def test_only_what_changed_or_was_lost_comes_again(source: str, tmp_path: Path) -> None:
    stage(["pets/train"], source, tmp_path)
    open_storage(source).write_bytes("pets/train/dog/1.png", b"new")
    (tmp_path / "pets/train/cat/1.png").unlink()
    (tmp_path / "pets/train/cat/2.png").write_bytes(b"cut off")
    assert stage(["pets/train"], source, tmp_path) == 3
    assert (tmp_path / "pets/train/dog/1.png").read_bytes() == b"new"


def test_copy_that_is_cut_off_goes_on(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = open_storage(source)
    digests = {each.path: hashlib.sha256(storage.read_bytes(each.path)).hexdigest() for each in storage.list()}
    lines = [f"{digest}  {path}\n" for path, digest in digests.items()]
    storage.write_bytes(CHECKSUMS, "".join([*lines[:-1], f"{'0' * 64}  pets/train/dog/1.png\n"]).encode())
    with pytest.raises(CorruptData, match="run again, and it goes on"):
        stage(["pets/train"], source, tmp_path)
    assert not (tmp_path / "pets/train/dog/1.png").exists()
    storage.write_bytes(CHECKSUMS, "".join(lines).encode())
    assert stage(["pets/train"], source, tmp_path) == 1


def test_workers_of_a_node_copy_once(source: str, tmp_path: Path) -> None:
    copied: list[int] = []
    workers = [
        threading.Thread(target=lambda: copied.append(stage(["pets/train"], source, tmp_path))) for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(copied) == [0, 0, 3]


def test_what_the_source_lacks_is_named(source: str, tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"must contain cifar-10-batches-py/batches\.meta, but has nothing there"):
        stage_datasets(["cifar-10"], source, tmp_path)
    with pytest.raises(MissingData, match=r"pixmix_cifar10_wrn40-4\.pth\.tar"):
        stage_released("pixmix-cifar-10", source, tmp_path)


def test_data_that_are_there_and_names_without_files_ask_nothing(tmp_path: Path) -> None:
    nowhere = "s3://no-such-bucket/data"
    assert stage_datasets(["digits", "generated:fractals", "folder:/anywhere"], nowhere, tmp_path) == 0
    assert stage_datasets(["cifar-10"], "", tmp_path) == 0
    assert stage_released(None, nowhere, tmp_path) == 0


def test_source_that_cannot_be_read_is_told(s3_uri: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no-such-bucket"):
        stage(["one.bin"], "s3://no-such-bucket-at-all/data", tmp_path)


def test_job_copies_its_dataset_and_trains(
    s3_uri: str, tmp_path: Path, small_job: Callable[..., JobRequest], sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    from trainers.datasets.contract import Arrays, DataFile, DatasetSpec, SplitName
    from trainers.datasets.mnist import read_idx

    rng = np.random.default_rng(0)
    storage = open_storage(join(s3_uri, "data"))
    shapes = {"train": (40, 32, 32), "test": (20, 32, 32)}
    files = []
    for split, shape in shapes.items():
        pixels, labels = rng.integers(0, 256, shape, dtype=np.uint8), rng.integers(0, 10, shape[0]).astype(np.uint8)
        for kind, values in (("images", pixels), ("labels", labels)):
            header = bytes([0, 0, 8, values.ndim]) + b"".join(side.to_bytes(4, "big") for side in values.shape)
            storage.write_bytes(f"small/{split}-{kind}", header + values.tobytes())
            files.append(DataFile(path=f"small/{split}-{kind}", split=split))  # type: ignore[arg-type]

    def read(split: SplitName, root: Path) -> Arrays:
        images, labels = (read_idx(root / file.path) for file in files if file.split == split)
        return images[..., None], labels.astype(np.int64)

    spec = DatasetSpec(
        name="small", title="Small", image_size=32, num_channels=1, num_classes=10, num_train=40, num_test=20,
        identity="small", mean=(0.5,), std=(0.5,), read=read, source="this test", files=tuple(files),
    )  # fmt: skip
    monkeypatch.setattr("trainers.datasets.registry.DATASETS", {**DATASETS, "small": spec})
    request = small_job(dataset="small", recipe={"epochs": 1})
    paths = dataclasses.replace(request.paths, data_root=str(tmp_path / "node"), data_source=storage.uri)
    result = run_job(dataclasses.replace(request, paths=paths), group=OneWorker(torch.device("cpu")), sink=sink)
    assert len(result.training.epochs) == 1
    assert sorted(path.name for path in (tmp_path / "node" / "small").iterdir()) == sorted(
        file.path.split("/")[1] for file in files
    )


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "one bit": flip,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "emptied": lambda path: path.write_bytes(b""),
    "deleted": lambda path: path.unlink(),
}


@pytest.fixture
def digits_on_disk(s3_uri: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A dataset of two files in a data source; return the source."""
    from trainers.datasets.contract import DataFile, DatasetSpec

    storage = open_storage(join(s3_uri, "data"))
    files = []
    for name in ("images", "labels"):
        storage.write_bytes(f"small/{name}", name.encode() * 50)
        files.append(DataFile(path=f"small/{name}", split="test"))
    spec = DatasetSpec(
        name="small", title="Small", image_size=32, num_channels=1, num_classes=10, num_train=40, num_test=20,
        identity="small", mean=(0.5,), std=(0.5,), source="this test", files=tuple(files),
    )  # fmt: skip
    monkeypatch.setattr("trainers.datasets.registry.DATASETS", {**DATASETS, "small": spec})
    return storage.uri


@pytest.mark.parametrize("name", ["small/images", ".staged.json"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_copy_is_made_again(
    digits_on_disk: str, tmp_path: Path, name: str, damage: Callable[[Path], object]
) -> None:
    assert stage_datasets(["small"], digits_on_disk, tmp_path) == 2
    assert stage_datasets(["small"], digits_on_disk, tmp_path) == 0
    damage(tmp_path / name)
    stage_datasets(["small"], digits_on_disk, tmp_path)
    for part in ("images", "labels"):
        assert (tmp_path / "small" / part).read_bytes() == part.encode() * 50
    assert stage_datasets(["small"], digits_on_disk, tmp_path) == 0


@pytest.mark.parametrize("damage", ["one bit", "truncated", "emptied"])
def test_a_damaged_copy_without_a_source_is_refused(digits_on_disk: str, tmp_path: Path, damage: str) -> None:
    stage_datasets(["small"], digits_on_disk, tmp_path)
    DAMAGES[damage](tmp_path / "small/labels")
    with pytest.raises(CorruptData, match=r"small/labels .* changed since; name the source again"):
        stage_datasets(["small"], "", tmp_path)


def test_a_record_of_an_earlier_version_has_its_files_copied_again(source: str, tmp_path: Path) -> None:
    stage(["one.bin"], source, tmp_path)
    (entry,) = open_storage(source).list("one.bin") or (open_storage(source).stat("one.bin"),)
    assert entry is not None
    (tmp_path / ".staged.json").write_text(json.dumps({"one.bin": [entry.size, entry.etag], "partial": []}))
    assert stage(["one.bin"], source, tmp_path) == 1
    assert stage(["one.bin"], source, tmp_path) == 0


def test_many_files_are_hashed_once(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage(["pets/train"], source, tmp_path)
    for path in tmp_path.rglob("*.png"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert stage(["pets/train"], source, tmp_path) == 0
    monkeypatch.setattr(kept_files, "file_digest", None)
    assert stage(["pets/train"], source, tmp_path) == 0
