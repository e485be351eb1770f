"""Published files: which are missing, which they are, and that folders are read whole before they are trusted."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from eval.errors import EvalError
from eval.published_files import verify
from eval.published_files.layout import FOLDERS
from eval.published_files.presence import SOURCES, missing_files, needed_datasets

SIDE = (32, 32, 3)


def write_cifar_bar(folder, labels, kinds):
    folder.mkdir(parents=True, exist_ok=True)
    for number, kind in enumerate(kinds):
        np.save(folder / f"{kind}.npy", np.full((5 * len(labels), *SIDE), number, dtype=np.uint8))
    np.save(folder / "labels.npy", np.tile(labels, 5))


def test_missing_files_are_told_once_with_the_way_out(tmp_path):
    (line,) = missing_files("c", {}, "cifar-10", tmp_path)
    assert "CIFAR-10-C/gaussian_noise.npy and 15 more is missing" in line
    assert "Zenodo record 2535967" in line


def test_every_folder_says_how_to_get_it():
    assert set(SOURCES) == set(FOLDERS.values())


@pytest.mark.parametrize("benchmark", ["clean", "c-generated", "pgd", "ood-generated"])
def test_what_reads_no_files_needs_none(benchmark, tmp_path):
    assert missing_files(benchmark, {}, "cifar-10", tmp_path) == []


def test_files_that_are_there_are_not_missing(tmp_path):
    write_cifar_bar(tmp_path / "CIFAR-10-C-Bar", np.arange(4) % 10, ["lines", "ripple"])
    assert missing_files("cbar", {"kinds": ["lines", "ripple"]}, "cifar-10", tmp_path) == []
    (line,) = missing_files("cbar", {"kinds": ["lines", "sparkles"]}, "cifar-10", tmp_path)
    assert "sparkles.npy is missing" in line


def test_outlier_sets_need_folders_and_datasets(tmp_path):
    lines = missing_files("ood", {"sets": ["gaussian", "textures", "svhn", "folder:mine"]}, "cifar-10", tmp_path)
    assert len(lines) == 2
    assert "dtd/images" in lines[0]
    assert str(tmp_path / "mine") in lines[1]
    assert needed_datasets("ood", {"sets": ["gaussian", "textures", "svhn", "folder:mine"]}) == ("svhn",)


def test_an_unknown_parameter_is_refused(tmp_path):
    with pytest.raises(EvalError, match="did you mean 'kinds'"):
        missing_files("c", {"kind": []}, "cifar-10", tmp_path)


@pytest.fixture
def bar_folder(tmp_path):
    labels = np.arange(30) % 10
    write_cifar_bar(tmp_path / "CIFAR-10-C-Bar", labels, verify.cbar_kinds(32))
    return tmp_path, labels


def test_a_whole_folder_is_described(bar_folder):
    root, labels = bar_folder
    assert verify.verify_folder("CIFAR-10-C-Bar", root, lambda _: labels).startswith("50 sets, 1500 entries")
    assert verify.verify_folder("CIFAR-10-C-Bar", root, lambda _: None).startswith("50 sets")


def test_labels_in_another_order_are_refused(bar_folder):
    root, labels = bar_folder
    with pytest.raises(EvalError, match="another order"):
        verify.verify_folder("CIFAR-10-C-Bar", root, lambda _: labels[::-1])


def test_a_truncated_file_is_refused(bar_folder):
    root, labels = bar_folder
    path = root / "CIFAR-10-C-Bar" / "ripple.npy"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(EvalError, match=r"ripple\.npy.*truncated"):
        verify.verify_folder("CIFAR-10-C-Bar", root, lambda _: labels)


def test_a_changed_file_with_a_published_checksum_is_refused(tmp_path, monkeypatch):
    labels = np.arange(6) % 10
    kinds = [kind for kind, each in verify.CORRUPTIONS.items() if not each.is_extra]
    folder = tmp_path / "CIFAR-10-C"
    write_cifar_bar(folder, labels, kinds)
    known = {kind: hashlib.md5((folder / f"{kind}.npy").read_bytes()).hexdigest() for kind in kinds}
    monkeypatch.setitem(verify.FILE_MD5, "CIFAR-10-C", known)
    assert "checksums as published" in verify.verify_folder("CIFAR-10-C", tmp_path, lambda _: labels)
    np.save(folder / "fog.npy", np.load(folder / "fog.npy") + 1)
    with pytest.raises(EvalError, match=r"fog\.npy' has MD5 .* is published"):
        verify.verify_folder("CIFAR-10-C", tmp_path, lambda _: labels)
