"""Published files: which are missing, which they are, and that folders are read whole before they are trusted."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from eval.benchmarks.suite.files import missing_files, needed_datasets
from eval.corruptions.c.registry import CORRUPTIONS
from eval.corruptions.cbar.registry import cbar_kinds
from eval.errors import EvalError
from eval.published_files import files, verify
from eval.published_files.layout import FILE_MD5

SIDE = (32, 32, 3)


def write_cifar_bar(folder, labels, kinds):
    folder.mkdir(parents=True, exist_ok=True)
    for number, kind in enumerate(kinds):
        np.save(folder / f"{kind}.npy", np.full((5 * len(labels), *SIDE), number, dtype=np.uint8))
    np.save(folder / "labels.npy", np.tile(labels, 5))


def test_missing_files_are_reported_once_with_how_to_get_them(tmp_path):
    (line,) = missing_files("c", {}, "cifar-10", tmp_path)
    assert "CIFAR-10-C/gaussian_noise.npy and 15 more are missing" in line
    assert line.endswith(f"get it with: dreamgrid data fetch CIFAR-10-C --data-root {tmp_path}")


@pytest.mark.parametrize("benchmark", ["clean", "c-generated", "pgd", "ood-generated"])
def test_what_reads_no_files_needs_none(benchmark, tmp_path):
    assert missing_files(benchmark, {}, "cifar-10", tmp_path) == []


def test_files_that_are_there_are_not_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "TEST_IMAGES", 4)
    write_cifar_bar(tmp_path / "CIFAR-10-C-Bar", np.arange(4) % 10, ["lines", "ripple"])
    assert missing_files("cbar", {"kinds": ["lines", "ripple"]}, "cifar-10", tmp_path) == []
    (line,) = missing_files("cbar", {"kinds": ["lines", "sparkles"]}, "cifar-10", tmp_path)
    assert "sparkles.npy is missing" in line


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        (
            "lines",
            np.zeros((10, *SIDE), np.uint8),
            "must contain uint8 of 20 times (32, 32, 3), but contains uint8 of (10, 32, 32, 3)",
        ),
        ("lines", np.zeros((20, *SIDE), np.float32), "but contains float32 of (20, 32, 32, 3)"),
        ("lines", np.array([{}]), "is truncated or not an array"),
        ("labels", np.zeros(4, np.int64), "must contain 20 whole numbers, but contains int64 of (4,)"),
        ("labels", np.zeros(20), "must contain 20 whole numbers, but contains float64 of (20,)"),
    ],
)
def test_arrays_that_do_not_fit_are_named_before_anything_runs(name, array, said, tmp_path, monkeypatch):
    """A plan took them, and the worker refused them after the training."""
    monkeypatch.setattr(files, "TEST_IMAGES", 4)
    write_cifar_bar(tmp_path / "CIFAR-10-C-Bar", np.arange(4) % 10, ["lines", "ripple"])
    np.save(tmp_path / "CIFAR-10-C-Bar" / f"{name}.npy", array)
    (line,) = missing_files("cbar", {"kinds": ["lines", "ripple"]}, "cifar-10", tmp_path)
    assert f"{name}.npy {said}" in line or f"{name}.npy must contain uint8 of 20 times (32, 32, 3), {said}" in line
    assert "make_cifar10_c_bar.py" in line


def test_an_array_that_is_cut_short_is_named_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "TEST_IMAGES", 4)
    write_cifar_bar(tmp_path / "CIFAR-10-C-Bar", np.arange(4) % 10, ["lines", "ripple"])
    for name in ("lines", "ripple"):
        path = tmp_path / "CIFAR-10-C-Bar" / f"{name}.npy"
        path.write_bytes(path.read_bytes()[:1000])
    (line,) = missing_files("cbar", {"kinds": ["lines", "ripple"]}, "cifar-10", tmp_path)
    assert "lines.npy is truncated or not an array" in line
    assert "and 1 more do not fit" in line


@pytest.mark.parametrize(("dataset", "benchmark"), [("imagenet", "r"), ("tiny-imagenet", "c")])
def test_trees_with_too_few_classes_are_named_before_anything_runs(dataset, benchmark, tmp_path):
    parts = ["imagenet-r"] if benchmark == "r" else [f"Tiny-ImageNet-C/fog/{severity}" for severity in range(1, 6)]
    for part in parts:
        (tmp_path / part / "n01443537").mkdir(parents=True)
    (line,) = missing_files(benchmark, {} if benchmark == "r" else {"kinds": ["fog"]}, dataset, tmp_path)
    assert "must have 200 class folders, but has 1" in line
    assert ("and 4 more do not fit" in line) == (benchmark == "c")


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
    write_cifar_bar(tmp_path / "CIFAR-10-C-Bar", labels, cbar_kinds(32))
    return tmp_path, labels


def test_a_whole_folder_is_described(bar_folder):
    root, labels = bar_folder
    assert verify.verify_folder("CIFAR-10-C-Bar", root, lambda _: labels).startswith("50 sets, 1500 entries")
    assert verify.verify_folder("CIFAR-10-C-Bar", root, lambda _: None).startswith("50 sets")


def test_labels_in_another_order_are_refused(bar_folder):
    root, labels = bar_folder
    with pytest.raises(EvalError, match="in a different order"):
        verify.verify_folder("CIFAR-10-C-Bar", root, lambda _: labels[::-1])


def test_a_truncated_file_is_refused(bar_folder):
    root, labels = bar_folder
    path = root / "CIFAR-10-C-Bar" / "ripple.npy"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(EvalError, match=r"ripple\.npy.*truncated"):
        verify.verify_folder("CIFAR-10-C-Bar", root, lambda _: labels)


def test_a_changed_file_with_a_published_checksum_is_refused(tmp_path, monkeypatch):
    labels = np.arange(6) % 10
    kinds = [kind for kind, each in CORRUPTIONS.items() if not each.is_extra]
    folder = tmp_path / "CIFAR-10-C"
    write_cifar_bar(folder, labels, kinds)
    known = {kind: hashlib.md5((folder / f"{kind}.npy").read_bytes()).hexdigest() for kind in kinds}
    monkeypatch.setitem(FILE_MD5, "CIFAR-10-C", known)
    assert "checksums as published" in verify.verify_folder("CIFAR-10-C", tmp_path, lambda _: labels)
    np.save(folder / "fog.npy", np.load(folder / "fog.npy") + 1)
    with pytest.raises(EvalError, match=r"fog\.npy' has MD5 .* is published"):
        verify.verify_folder("CIFAR-10-C", tmp_path, lambda _: labels)
