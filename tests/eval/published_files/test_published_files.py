"""Readers of published files, on small files of the same form."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.errors import EvalError
from eval.perturbations.p.registry import num_frames
from eval.published_files import folders, videos
from eval.published_files.arrays import cifar_corruptions, cifar_perturbations, mnist_corruptions
from eval.published_files.folders import corrupted_folders, read_image, rendition_folders
from eval.published_files.layout import (
    ARCHIVE_MD5,
    COLLECTIONS,
    FILE_MD5,
    RENDITION_CLASSES,
)
from eval.published_files.sets import PublishedFilesError, check_md5
from eval.published_files.videos import video_perturbations

LABELS = np.array([3, 8, 8, 0, 6, 1], dtype=np.int64)
KINDS = ("fog", "frost")


@pytest.fixture
def cifar_c(tmp_path: Path) -> Path:
    folder = tmp_path / "CIFAR-10-C"
    folder.mkdir()
    for offset, kind in enumerate(KINDS):
        rows = np.arange(5 * len(LABELS), dtype=np.uint8) + 100 * offset
        np.save(folder / f"{kind}.npy", np.broadcast_to(rows[:, None, None, None], (len(rows), 32, 32, 3)))
    np.save(folder / "labels.npy", np.tile(LABELS, 5).astype(np.uint8))
    return folder


def test_cifar_c_is_cut_into_its_severities(cifar_c: Path) -> None:
    sets = cifar_corruptions(cifar_c, LABELS, kinds=KINDS, severities=(1, 5))
    assert [dict(one.fields) for one in sets] == [
        {"corruption": kind, "severity": severity} for kind in KINDS for severity in (1, 5)
    ]
    assert sets[1].load(2, 4)[:, 0, 0, 0].tolist() == [26, 27]
    assert sets[2].load(0, 1)[0, 0, 0, 0] == 100
    assert np.array_equal(sets[0].labels, LABELS)
    assert len(sets[0]) == 6
    with pytest.raises(ValueError, match=r"rows must be in 0\.\.6"):
        sets[0].load(0, 7)


def test_missing_files_are_named_all_at_once(cifar_c: Path) -> None:
    with pytest.raises(
        PublishedFilesError, match=r"lacks 2 of the files of corrupted CIFAR images: snow.npy, spatter.npy"
    ):
        cifar_corruptions(cifar_c, LABELS, kinds=("snow", "fog", "spatter"))
    with pytest.raises(EvalError, match="does not exist; unpack the published archive there"):
        cifar_corruptions(cifar_c / "nowhere", LABELS)


def test_truncated_files_are_refused(cifar_c: Path) -> None:
    path = cifar_c / "fog.npy"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(PublishedFilesError, match="is truncated or not an array"):
        cifar_corruptions(cifar_c, LABELS, kinds=KINDS)


def test_files_of_another_shape_are_refused(cifar_c: Path) -> None:
    np.save(cifar_c / "fog.npy", np.zeros((29, 32, 32, 3), dtype=np.uint8))
    with pytest.raises(
        PublishedFilesError, match=r"must contain uint8 of shape \(30, 32, 32, 3\), but contains uint8 of \(29"
    ):
        cifar_corruptions(cifar_c, LABELS, kinds=KINDS)


def test_labels_in_another_order_are_told_from_other_labels(cifar_c: Path) -> None:
    np.save(cifar_c / "labels.npy", np.repeat(LABELS, 5))
    with pytest.raises(PublishedFilesError, match="they are in a different order"):
        cifar_corruptions(cifar_c, LABELS, kinds=KINDS)
    np.save(cifar_c / "labels.npy", np.tile(LABELS, 5) + 1)
    with pytest.raises(PublishedFilesError, match=r"first at 0 \(4 instead of 3\): they are different labels"):
        cifar_corruptions(cifar_c, LABELS, kinds=KINDS)
    np.save(cifar_c / "labels.npy", np.tile(LABELS, 4))
    with pytest.raises(PublishedFilesError, match="30 labels, but contains 24"):
        cifar_corruptions(cifar_c, LABELS, kinds=KINDS)


def test_checksums_are_compared_on_request(cifar_c: Path) -> None:
    with pytest.raises(
        PublishedFilesError, match="but 7b397314b5670f825465fbcd1f6e9ccd is published; download it again"
    ):
        cifar_corruptions(cifar_c, LABELS, kinds=("fog",), check="checksums")
    check_md5(cifar_c / "fog.npy", hashlib.md5((cifar_c / "fog.npy").read_bytes()).hexdigest())
    check_md5(cifar_c / "fog.npy", None)


def test_known_checksums_cover_nineteen_files_and_the_labels() -> None:
    small, large = FILE_MD5["CIFAR-10-C"], FILE_MD5["CIFAR-100-C"]
    assert len(small) == 20
    assert set(small) == set(large)
    assert not set(small.values()) & set(large.values())
    assert all(len(digest) == 32 for digest in (*small.values(), *large.values(), *ARCHIVE_MD5.values()))


def test_archives_of_collections_have_published_checksums() -> None:
    assert {name for each in COLLECTIONS.values() for name in each.archives} <= set(ARCHIVE_MD5)


def test_cifar_p_has_a_file_per_perturbation_and_noise_level(tmp_path: Path) -> None:
    for stem, frames in (("translate", 16), ("gaussian_noise_2", 31)):
        np.save(tmp_path / f"{stem}.npy", np.zeros((4, frames, 32, 32, 3), dtype=np.uint8))
    sets = cifar_perturbations(tmp_path, 4, kinds=("translate", "gaussian_noise"), difficulty=2)
    assert [one.frames for one in sets] == [16, 31]
    assert sets[0].load(1, 3).shape == (2, 16, 32, 32, 3)
    assert sets[0].labels.tolist() == [-1] * 4
    with pytest.raises(
        PublishedFilesError, match=r"lacks 1 of the files of perturbed CIFAR images: gaussian_noise\.npy"
    ):
        cifar_perturbations(tmp_path, 4, kinds=("gaussian_noise",))


def test_mnist_c_is_read_per_corruption(tmp_path: Path) -> None:
    (tmp_path / "fog").mkdir()
    np.save(tmp_path / "fog" / "test_images.npy", np.full((6, 28, 28, 1), 9, dtype=np.uint8))
    np.save(tmp_path / "fog" / "test_labels.npy", LABELS)
    (one,) = mnist_corruptions(tmp_path, LABELS, kinds=("fog",))
    assert one.load(0, 2).shape == (2, 28, 28, 1)
    assert one.fields == {"corruption": "fog", "severity": 1}
    with pytest.raises(PublishedFilesError, match="they are different labels"):
        mnist_corruptions(tmp_path, LABELS[::-1] + 1, kinds=("fog",))


Tree = Callable[[Path, int], None]


@pytest.fixture
def write_classes() -> Tree:
    def write(folder: Path, side: int) -> None:
        for number, name in enumerate(("n01", "n02")):
            (folder / name).mkdir(parents=True)
            for image in range(2):
                level = 40 * number + 10 * image
                Image.fromarray(np.full((side, side + 6, 3), level, dtype=np.uint8)).save(
                    folder / name / f"{image}.png"
                )

    return write


def test_folders_are_read_in_class_order_and_cut_out_of_the_middle(tmp_path: Path, write_classes: Tree) -> None:
    write_classes(tmp_path / "fog" / "3", 64)
    (one,) = corrupted_folders(tmp_path, ("n02", "n01"), kinds=("fog",), severities=(3,), side=56)
    assert one.labels.tolist() == [0, 0, 1, 1]
    assert one.load(0, 4)[:, 0, 0, 0].tolist() == [40, 50, 0, 10]
    assert one.load(1, 2).shape == (1, 56, 56, 3)


def test_folders_with_missing_classes_severities_or_images_are_refused(
    tmp_path: Path, write_classes: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_classes(tmp_path / "fog" / "3", 64)
    with pytest.raises(PublishedFilesError, match="lacks 1 folder of corrupted images: fog/4"):
        corrupted_folders(tmp_path, ("n01", "n02"), kinds=("fog",), severities=(3, 4))
    with pytest.raises(PublishedFilesError, match=r"lacks \['n09'\] \(1\) and has unknown \['n02'\]"):
        corrupted_folders(tmp_path, ("n01", "n09"), kinds=("fog",), severities=(3,))
    with monkeypatch.context() as published:
        published.setattr(folders, "images_per_set", lambda folder: 5)
        with pytest.raises(PublishedFilesError, match="must contain 5 images, but contains 4"):
            corrupted_folders(tmp_path, ("n01", "n02"), kinds=("fog",), severities=(3,))
    (tmp_path / "fog" / "3" / "n01" / "0.png").write_bytes(b"\x89PNG")
    (one,) = corrupted_folders(tmp_path, ("n01", "n02"), kinds=("fog",), severities=(3,), side=56)
    with pytest.raises(PublishedFilesError, match=r"0.png cannot be decoded .* or unpack the archive again"):
        one.load(0, 1)


def test_the_reference_preprocessing_resizes_before_the_crop(tmp_path: Path) -> None:
    from torchvision.transforms import CenterCrop, Compose, Resize

    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 91, 3), dtype=np.uint8))
    image.save(tmp_path / "one.png")
    expected = np.asarray(Compose([Resize(64), CenterCrop(56)])(image))
    assert np.array_equal(read_image(tmp_path / "one.png", 56, "reference"), expected)
    assert np.array_equal(read_image(tmp_path / "one.png", 56, "as-stored"), np.asarray(CenterCrop(56)(image)))
    with pytest.raises(PublishedFilesError, match="smaller than the crop of 224 px"):
        read_image(tmp_path / "one.png", 224, "as-stored")


def test_renditions_take_two_hundred_of_the_thousand_classes(tmp_path: Path) -> None:
    assert len(RENDITION_CLASSES) == len(set(RENDITION_CLASSES)) == 200
    assert tuple(sorted(RENDITION_CLASSES)) == RENDITION_CLASSES
    wnids = [f"n{number:04}" for number in range(1000)]
    for number in RENDITION_CLASSES:
        (tmp_path / wnids[number]).mkdir()
    Image.fromarray(np.zeros((80, 80, 3), dtype=np.uint8)).save(tmp_path / wnids[988] / "a.png")
    one = rendition_folders(tmp_path, wnids, side=56)
    assert one.labels.tolist() == [199]
    assert one.load(0, 1).shape == (1, 56, 56, 3)


def test_videos_need_a_decoder_and_whole_sequences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tilt" / "n01").mkdir(parents=True)
    (tmp_path / "tilt" / "n01" / "a.mp4").write_bytes(b"")
    monkeypatch.setattr(videos.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(
        PublishedFilesError, match="no library that reads them is installed; install opencv-python-headless"
    ):
        video_perturbations(tmp_path, ("n01",), kinds=("tilt",))
    frames = num_frames("tilt", 224)
    (one,) = video_perturbations(
        tmp_path, ("n01",), kinds=("tilt",), decoder=lambda _: np.zeros((frames, 8, 8, 3), dtype=np.uint8)
    )
    assert one.frames == frames
    assert one.load(0, 1).shape == (1, frames, 8, 8, 3)
    (short,) = video_perturbations(
        tmp_path, ("n01",), kinds=("tilt",), decoder=lambda _: np.zeros((5, 8, 8, 3), dtype=np.uint8)
    )
    with pytest.raises(PublishedFilesError, match="must contain 31 frames, but contains 5"):
        short.load(0, 1)
    monkeypatch.setattr(videos, "images_per_set", lambda folder: 7)
    with pytest.raises(PublishedFilesError, match="must contain 7 sequences, but contains 1"):
        video_perturbations(tmp_path, ("n01",), kinds=("tilt",), decoder=lambda _: np.zeros(1))
