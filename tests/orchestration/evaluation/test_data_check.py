"""`data verify`: a line for every collection, and archives that turn own files into published ones."""

from __future__ import annotations

import hashlib
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment.files.archives import Archive, ArchiveError, compare_with_archive
from eval.benchmarks.suite.files import files_identity
from orchestration.cli import main
from orchestration.evaluation import published_archives
from orchestration.evaluation.published_archives import COLLECTIONS, Collection, compare_collection

pytestmark = pytest.mark.usefixtures("fresh_hashes")


def _verified(capsys: pytest.CaptureFixture[str], root: Path, *names: str) -> tuple[int, dict[str, tuple[str, str]]]:
    code = main(["data", "verify", *names, "--data-root", str(root), "--json"])
    return code, {row["name"]: (row["state"], row["detail"]) for row in json.loads(capsys.readouterr().out)}


def test_each_collection_gets_its_line_though_others_are_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken dataset, whose labels other files are compared with, ended the check: no line at all was printed."""
    batches = tmp_path / "cifar-10-batches-py"
    batches.mkdir()
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"):
        (batches / name).write_bytes(b"broken")
    (tmp_path / "CIFAR-10-C").mkdir()
    np.save(tmp_path / "CIFAR-10-C" / "labels.npy", np.zeros(3, np.uint8))
    (tmp_path / "textures").mkdir()
    code, found = _verified(capsys, tmp_path)
    assert code == 3
    states = {name: state for name, (state, _) in found.items()}
    assert states["digits"] == "whole"
    assert states["mnist"] == "missing"
    assert states["cifar-10"] == states["CIFAR-10-C"] == states["textures"] == "broken"
    assert "data_batch_1 must have the published md5" in found["cifar-10"][1]


def test_what_nothing_shows_to_be_published_is_called_own_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "iSUN").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "iSUN" / "a.png")
    assert _verified(capsys, tmp_path, "isun") == (
        0,
        {"isun": ("own files", "1 image; no checksum of isun is published")},
    )


def test_a_part_of_a_dataset_and_a_set_that_cannot_be_decoded_are_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"x")
    (tmp_path / "iSUN").mkdir()
    (tmp_path / "iSUN" / "a.png").write_bytes(b"")
    code, found = _verified(capsys, tmp_path)
    assert code == 3
    assert found["cifar-10"][0] == found["isun"][0] == "broken"
    assert "data_batch_2 and 5 more are missing" in found["cifar-10"][1]
    assert found["cifar-100"][0] == "missing"


def test_a_data_root_that_is_no_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "verify", "--data-root", str(tmp_path / "dta")]) == 3
    assert "--data-root must be a folder" in capsys.readouterr().err


def test_an_unknown_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "verify", "mnst", "--data-root", str(tmp_path)]) == 2
    assert "unknown data 'mnst' (did you mean 'mnist'?)" in capsys.readouterr().err


def _mnist_c(root: Path, archive: Path) -> None:
    for part in ("images", "labels"):
        path = root / "mnist_c" / "fog" / f"test_{part}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.arange(12, dtype=np.uint8))
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted((root / "mnist_c").rglob("*.npy")):
            packed.write(path, path.relative_to(root))
        packed.writestr("__MACOSX/mnist_c/._fog", b"x")
        packed.writestr("mnist_c/snow/test_images.npy", b"never unpacked")


def _published_as(monkeypatch: pytest.MonkeyPatch, name: str, archive: Path, into: str = ".") -> None:
    known = Archive(name=archive.name, md5=hashlib.md5(archive.read_bytes()).hexdigest(), into=into)
    old = COLLECTIONS[name]
    new = Collection(name=name, folder=old.folder, parts=old.parts, archives=lambda data_root: (known,))
    monkeypatch.setattr(published_archives, "COLLECTIONS", {**COLLECTIONS, name: new})


def test_files_that_were_compared_with_their_archive_count_as_published_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "mnist_c.zip"
    _mnist_c(tmp_path, archive)
    _published_as(monkeypatch, "mnist_c", archive)
    assert files_identity("mnist-c", {"kinds": ["fog"]}, "mnist", tmp_path)["mnist_c"].is_own
    assert compare_collection("mnist_c", tmp_path) == "2 of 2 parts compared with mnist_c.zip"
    archive.unlink()
    assert compare_collection("mnist_c", tmp_path) == ""
    found = files_identity("mnist-c", {"kinds": ["fog"]}, "mnist", tmp_path)["mnist_c"]
    assert (found.state, found.key) == ("published", files_identity("mnist-c", {}, "mnist", None)["mnist_c"].key)
    np.save(tmp_path / "mnist_c" / "fog" / "test_images.npy", np.arange(12, dtype=np.uint8)[::-1])
    assert files_identity("mnist-c", {"kinds": ["fog"]}, "mnist", tmp_path)["mnist_c"].is_own


def test_a_file_that_is_not_what_the_archive_packs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "mnist_c.zip"
    _mnist_c(tmp_path, archive)
    _published_as(monkeypatch, "mnist_c", archive)
    path = tmp_path / "mnist_c" / "fog" / "test_images.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArchiveError, match=r"test_images.npy differs from its copy in mnist_c.zip"):
        compare_collection("mnist_c", tmp_path)


def test_an_archive_with_another_checksum_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mnist_c.zip").write_bytes(b"another")
    with pytest.raises(ArchiveError, match="must have the published MD5 4b34b33045869ee6d424616cd3a65da3"):
        compare_collection("mnist_c", tmp_path)


def test_an_image_that_no_archive_packs_keeps_a_folder_from_being_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "imagenet-r" / "n01"
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "a.jpg")
    archive = tmp_path / "imagenet-r.tar"
    with tarfile.open(archive, "w") as packed:
        packed.add(tmp_path / "imagenet-r", "imagenet-r")
    _published_as(monkeypatch, "imagenet-r", archive)
    Image.new("RGB", (8, 8)).save(folder / "b.jpg")
    assert compare_collection("imagenet-r", tmp_path) == "0 of 1 parts compared with imagenet-r.tar"
    assert files_identity("r", {}, "imagenet", tmp_path)["imagenet-r"].is_own
    (folder / "b.jpg").unlink()
    assert compare_collection("imagenet-r", tmp_path) == "1 of 1 parts compared with imagenet-r.tar"
    assert files_identity("r", {}, "imagenet", tmp_path)["imagenet-r"].state == "published"


def test_archives_of_classes_in_an_archive_are_compared_too(tmp_path: Path) -> None:
    folder = tmp_path / "imagenet" / "train" / "n01"
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "n01_1.JPEG", format="PNG")
    with tarfile.open(tmp_path / "n01.tar", "w") as packed:
        packed.add(folder / "n01_1.JPEG", "n01_1.JPEG")
    with tarfile.open(tmp_path / "all.tar", "w") as packed:
        packed.add(tmp_path / "n01.tar", "n01.tar")
    md5 = hashlib.md5((tmp_path / "all.tar").read_bytes()).hexdigest()
    same = compare_with_archive(Archive(name="all.tar", md5=md5, into="imagenet/train"), tmp_path / "all.tar", tmp_path)
    assert same == {"imagenet/train/n01/n01_1.JPEG"}


def test_validation_images_are_compared_in_their_class_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / published_archives.DEVKIT).write_bytes(b"kit")
    monkeypatch.setattr(published_archives, "_validation_classes", lambda devkit: ("n07",))
    val = COLLECTIONS["imagenet"].archives(tmp_path)[1]
    assert val.place is not None
    assert val.place("ILSVRC2012_val_00000001.JPEG") == "n07/ILSVRC2012_val_00000001.JPEG"
    assert val.place("readme.txt") == ""
