"""What identifies the files of a benchmark: their content, and the published name only where that is the published one."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment.files.content import content_of
from augment.files.published import PENDING, Identified, prove
from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.registry import full_params
from eval.benchmarks.suite.evaluate import evaluate
from eval.benchmarks.suite.files import files_identity, missing_files
from eval.corruptions.ice import FROST_FILES
from eval.errors import EvalError
from eval.outliers.files import _note_copy
from eval.published_files.layout import FILE_MD5

pytestmark = pytest.mark.usefixtures("fresh_hashes")

KINDS = ("fog", "snow")


def _array(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.full((10, 32, 32, 3), level, dtype=np.uint8))


def _image(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (level, level, level)).save(path, format="PNG")


def _cifar_c(root: Path, level: int) -> None:
    for name in (*KINDS, "labels"):
        _array(root / "CIFAR-10-C" / f"{name}.npy", level)


def _mnist_c(root: Path, level: int) -> None:
    for part in ("images", "labels"):
        _array(root / "mnist_c" / "fog" / f"test_{part}.npy", level)


def _trees(name: str) -> Callable[[Path, int], None]:
    def write(root: Path, level: int) -> None:
        for severity in "12345":
            _image(root / name / "fog" / severity / "n01" / "a.JPEG", level)

    return write


def _renditions(root: Path, level: int) -> None:
    _image(root / "imagenet-r" / "n01" / "a.jpg", level)


def _videos(root: Path, level: int) -> None:
    path = root / "ImageNet-P" / "tilt" / "n01" / "a.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes([level]) * 100)


def _textures(root: Path, level: int) -> None:
    _image(root / "dtd" / "images" / "knitted" / "a.jpg", level)


def _folder(root: Path, level: int) -> None:
    _image(root / "mine" / "a.png", level)


def _frost(root: Path, level: int) -> None:
    for name in FROST_FILES:
        _image(root / "frost" / name, level)


def _baseline(root: Path, level: int) -> None:
    (root / "baselines").mkdir(exist_ok=True)
    (root / "baselines" / "mine.yaml").write_text(f"what: {level}\nsource: here\n")


SOURCES: dict[str, tuple[str, dict[str, object], str, Callable[[Path, int], None], str]] = {
    "CIFAR-10-C": ("c", {"kinds": list(KINDS)}, "cifar-10", _cifar_c, "own"),
    "CIFAR-10-C-Bar": (
        "cbar",
        {"kinds": ["lines"]},
        "cifar-10",
        lambda root, level: [_array(root / "CIFAR-10-C-Bar" / f"{name}.npy", level) for name in ("lines", "labels")],
        "own",
    ),
    "CIFAR-10-P": (
        "p",
        {"kinds": ["tilt"]},
        "cifar-10",
        lambda root, level: _array(root / "CIFAR-10-P" / "tilt.npy", level),
        "own",
    ),
    "mnist_c": ("mnist-c", {"kinds": ["fog"]}, "mnist", _mnist_c, "own"),
    "ImageNet-C": ("c", {"kinds": ["fog"]}, "imagenet", _trees("ImageNet-C"), "own"),
    "Tiny-ImageNet-C": ("c", {"kinds": ["fog"]}, "tiny-imagenet", _trees("Tiny-ImageNet-C"), "own"),
    "imagenet-r": ("r", {}, "imagenet", _renditions, "own"),
    "ImageNet-P": ("p", {"kinds": ["tilt"]}, "imagenet", _videos, "own"),
    "textures": ("ood", {"sets": ["textures"]}, "cifar-10", _textures, "own"),
    "folder:mine": ("ood", {"sets": ["folder:mine"]}, "cifar-10", _folder, "given"),
    "frost": ("c-generated", {"frost": "images"}, "cifar-10", _frost, "given"),
    "baselines/mine": ("c-generated", {"baseline": "mine"}, "cifar-10", _baseline, "given"),
}


def _identified(name: str, root: Path | None) -> Identified | None:
    benchmark, params, dataset, _, _ = SOURCES[name]
    return files_identity(benchmark, params, dataset, root).get(name)


@pytest.mark.parametrize("name", SOURCES)
def test_bytes_that_change_change_the_key_and_a_copy_elsewhere_does_not(name: str, tmp_path: Path) -> None:
    write, state = SOURCES[name][3], SOURCES[name][4]
    root = tmp_path / "root"
    root.mkdir()
    missing = _identified(name, root)
    assert missing == _identified(name, None)
    assert missing is None or (missing.state, missing.is_own) == ("absent", False)
    write(root, 1)
    first = _identified(name, root)
    assert first is not None
    assert first.state == state
    assert missing is None or first.key != missing.key
    shutil.copytree(root, tmp_path / "copy")
    assert _identified(name, tmp_path / "copy") == first
    write(root, 2)
    changed = _identified(name, root)
    assert changed is not None
    assert changed.key != first.key


@pytest.mark.parametrize("name", ["CIFAR-10-C", "mnist_c", "ImageNet-C", "Tiny-ImageNet-C", "imagenet-r"])
def test_what_has_published_checksums_is_planned_by_them_while_it_is_absent(name: str, tmp_path: Path) -> None:
    found = _identified(name, tmp_path)
    assert found is not None
    assert found.key.startswith("md5")


@pytest.mark.parametrize("name", ["CIFAR-10-P", "CIFAR-10-C-Bar", "textures", "folder:mine", "frost"])
def test_what_has_none_is_pending_while_it_is_absent(name: str, tmp_path: Path) -> None:
    found = _identified(name, tmp_path)
    assert found is not None
    assert found.key == PENDING


def test_files_with_the_published_md5_have_the_key_that_was_planned_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cifar_c(tmp_path, 3)
    folder = tmp_path / "CIFAR-10-C"
    known = {name: hashlib.md5((folder / f"{name}.npy").read_bytes()).hexdigest() for name in (*KINDS, "labels")}
    monkeypatch.setitem(FILE_MD5, "CIFAR-10-C", known)  # type: ignore[arg-type]
    declared, found = _identified("CIFAR-10-C", None), _identified("CIFAR-10-C", tmp_path)
    assert declared is not None
    assert found is not None
    assert (found.state, found.key) == ("published", declared.key)
    _array(folder / "fog.npy", 4)
    changed = _identified("CIFAR-10-C", tmp_path)
    assert changed is not None
    assert changed.is_own
    assert changed.reason == "the MD5 of fog.npy is not the published one"


@pytest.mark.parametrize("name", ["mnist_c", "ImageNet-C"])
def test_files_that_were_compared_with_their_archive_are_published_until_they_change(name: str, tmp_path: Path) -> None:
    write = SOURCES[name][3]
    write(tmp_path, 1)
    parts = (
        ["fog/test_images.npy", "fog/test_labels.npy"] if name == "mnist_c" else [f"fog/{level}" for level in "12345"]
    )
    prove(tmp_path, name, {part: content_of(tmp_path / name, part) for part in parts})
    declared, found = _identified(name, None), _identified(name, tmp_path)
    assert declared is not None
    assert found is not None
    assert (found.state, found.key) == ("published", declared.key)
    write(tmp_path, 2)
    changed = _identified(name, tmp_path)
    assert changed is not None
    assert (changed.state, changed.reason) == ("own", "changed since it was compared with the published archive")


@pytest.mark.parametrize("folder", ["imagenet-r", "dtd/images"])
def test_an_empty_folder_is_never_hashed(folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir(parents=True)
    benchmark, params = ("r", {}) if folder == "imagenet-r" else ("ood", {"sets": ["textures"]})
    (found,) = files_identity(benchmark, params, "imagenet", tmp_path).values()
    assert found.state == "absent"
    if benchmark == "r":
        assert missing_files(benchmark, params, "imagenet", tmp_path)


@pytest.mark.parametrize("second", ["folder:mine/", "folder:./mine", "folder:link", "folder:{root}/mine"])
def test_an_outlier_set_under_two_names_is_refused(second: str, tmp_path: Path) -> None:
    _image(tmp_path / "mine" / "0.png", 1)
    _image(tmp_path / "other" / "0.png", 2)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    name = second.format(root=tmp_path)
    with pytest.raises(
        EvalError, match=f"each outlier set must be named once, but '{name}' is the folder of 'folder:mine'"
    ):
        files_identity("ood", {"sets": ["folder:mine", "folder:other", name]}, "cifar-10", tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "cannot be read: while parsing a flow node"),
        ("", "but is empty"),
        ("- 1", "but contains a list"),
        ("what: w", "lacks 'source'"),
        ("what: w\nsource: s\nerrors: 3", "its errors are not a mapping"),
        ("what: w\nsource: s\nerrors: {fog: [10, 20, 30, 40, 50]}", "errors of fog must be from 0 to 1, and one is 10"),
        ("what: w\nsource: s\nerrors: {fog: [.nan]}", "and one is nan"),
        ("what: w\nsource: s\nflip_rates: {snow: -0.1}", "flip_rates of snow must be from 0 to 1, and one is -0.1"),
        ("what: w\nsource: s\ntop5_distances: {snow: 19}", "top5_distances of snow must be from 0 to 18"),
    ],
)
def test_a_baseline_of_ones_own_holds_fractions(text: str, said: str, tmp_path: Path) -> None:
    """Errors in percent made an mCE of 1.1 %, negative ones one of 567 %; other damage ended in the words of Python."""
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "mine.yaml").write_text(text)
    with pytest.raises(EvalError, match=rf"mine\.yaml must be .*{re.escape(said)}"):
        files_identity("c-generated", {"baseline": "mine"}, "cifar-10", tmp_path)


def test_a_copy_of_an_outlier_set_is_evaluated_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As if the file that macOS leaves next to an image were not there, also where the set without it is another one."""
    _note_copy.cache_clear()
    _image(tmp_path / "mine" / "0.png", 1)
    shutil.copytree(tmp_path / "mine", tmp_path / "copy")
    (tmp_path / "copy" / "._0.png").write_bytes(b"x")
    found = files_identity("ood", {"sets": ["folder:mine", "folder:copy"]}, "cifar-10", tmp_path)
    assert found["folder:mine"] == found["folder:copy"]
    assert "'folder:copy' has the same images as 'folder:mine', so they count twice" in caplog.text


def test_parameters_with_and_without_defaults_have_one_identity() -> None:
    assert files_identity("p", {}, "cifar-10", None) == files_identity("p", full_params("p", {}), "cifar-10", None)


def test_what_reads_no_files_has_no_identity_of_files(tmp_path: Path) -> None:
    for benchmark in ("clean", "c-generated", "pgd", "ood-generated"):
        assert files_identity(benchmark, {}, "cifar-10", tmp_path) == {}


def test_files_other_than_planned_are_refused_and_those_that_were_read_are_noted(make_subject, tmp_path: Path) -> None:
    subject = make_subject(dataset="cifar-10")
    for number in range(20):
        _image(subject.data_root / "mine" / f"{number}.png", number)
    params = {"sets": ["folder:mine"], "repeats": 1}
    found = files_identity("ood", params, "cifar-10", subject.data_root)["folder:mine"]
    planned = {"folder:mine": {"key": found.key, "content": found.content}}
    (report,) = evaluate(subject, [BenchmarkRequest(name="ood", params=params, key="k", files=planned)])
    assert report.error is None
    assert report.outcome.notes["files"]["folder:mine"] == {"are": "given", "content": found.content, "reason": ""}
    _image(subject.data_root / "mine" / "0.png", 99)
    (report,) = evaluate(subject, [BenchmarkRequest(name="ood", params=params, key="k", files=planned)])
    assert "folder:mine must have the content" in report.error


def test_files_that_were_absent_while_planning_are_read_only_if_they_are_the_published_ones(make_subject) -> None:
    subject = make_subject(dataset="cifar-10")
    _image(subject.data_root / "mine" / "0.png", 1)
    planned = {"folder:mine": {"key": PENDING, "content": ""}}
    request = BenchmarkRequest(name="ood", params={"sets": ["folder:mine"]}, key="k", files=planned)
    (report,) = evaluate(subject, [request])
    assert "was planned without its files" in report.error
