import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment.files.decode import decode_image
from augment.kernels.counters import SampleKeys
from trainers.config import RecipeConfig
from trainers.datasets.contract import DatasetSpec
from trainers.datasets.folders.crops import CROP_SLOTS, centre_crop, random_resized_crop
from trainers.datasets.folders.listing import list_split
from trainers.datasets.folders.split import read_folder
from trainers.datasets.load import load_split, shared_split
from trainers.datasets.outliers import fit_images, load_outliers
from trainers.datasets.registry import DATASETS, missing_data
from trainers.datasets.streams import missing_stream, stream_files
from trainers.errors import CorruptData, DataError, MissingData, UnknownName
from trainers.training.input.images import ImageFiles, training_images

NUM_PER_CLASS = 3


def write_image(path: Path, value: int, size: tuple[int, int] = (40, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(value).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def tiny_imagenet(tmp_path: Path) -> tuple[DatasetSpec, Path]:
    """ImageNet's layout with two classes of three images."""
    for folder in ("imagenet/train", "imagenet/val"):
        for number, kind in enumerate(("n02", "n01")):
            for index in range(NUM_PER_CLASS):
                write_image(tmp_path / folder / kind / f"{index}.png", 10 * number + index)
    spec = dataclasses.replace(DATASETS["imagenet"], num_classes=2, num_train=6, num_test=6, image_size=16, resize=20)
    return spec, tmp_path


def test_split_is_listed_in_the_order_of_sorted_names_and_classes(tiny_imagenet: tuple[DatasetSpec, Path]) -> None:
    spec, root = tiny_imagenet
    listing = list_split(spec, "train", root, root / "cache")
    assert listing.classes == ("n01", "n02")
    assert listing.names[0] == "n01/0.png"
    assert listing.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert list_split(spec, "train", root, root / "cache").fingerprint == listing.fingerprint


def test_incomplete_folder_is_refused_with_its_numbers(tiny_imagenet: tuple[DatasetSpec, Path]) -> None:
    spec, root = tiny_imagenet
    (root / "imagenet" / "train" / "n01" / "0.png").unlink()
    with pytest.raises(
        CorruptData, match=r"must have 6 images of 2 classes, but .* has 5 of 2; register with ImageNet"
    ):
        list_split(spec, "train", root, root / "cache")
    write_image(root / "imagenet" / "train" / "n01" / "0.png", 0)
    assert len(list_split(spec, "train", root, root / "cache")) == 6


def test_missing_folders_are_told_while_planning(tmp_path: Path) -> None:
    (line,) = missing_data(["imagenet"], tmp_path)
    assert "imagenet/train and 1 more are missing" in line
    assert "register with ImageNet" in line
    with pytest.raises(MissingData, match="imagenet/train is missing"):
        list_split(DATASETS["imagenet"], "train", tmp_path, tmp_path)


def test_annotation_file_names_the_classes_of_a_flat_folder(tmp_path: Path) -> None:
    for index, kind in enumerate(("b", "a", "b")):
        write_image(tmp_path / "tiny-imagenet-200" / "train" / kind / "images" / f"{index}.png", index)
        write_image(tmp_path / "tiny-imagenet-200" / "val" / "images" / f"v{index}.png", index)
    lines = "".join(f"v{index}.png\t{kind}\t0\t0\t1\t1\n" for index, kind in enumerate(("b", "a", "b")))
    (tmp_path / "tiny-imagenet-200" / "val" / "val_annotations.txt").write_text(lines)
    spec = dataclasses.replace(DATASETS["tiny-imagenet"], num_classes=2, num_train=3, num_test=3)
    assert list_split(spec, "train", tmp_path, tmp_path / "cache").labels.tolist() == [0, 1, 1]
    assert list_split(spec, "test", tmp_path, tmp_path / "cache").labels.tolist() == [1, 0, 1]


def test_centre_crop_is_that_of_torchvision() -> None:
    from torchvision import transforms

    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (61, 83, 3), dtype=np.uint8))
    expected = transforms.Compose([transforms.Resize(40), transforms.CenterCrop(32)])(image)
    assert np.array_equal(centre_crop(image, resize=40, size=32), np.asarray(expected))


def test_the_orientation_of_a_camera_is_not_applied_as_torchvision_does_not_apply_it(tmp_path: Path) -> None:
    from torchvision.datasets.folder import default_loader

    exif = Image.Exif()
    exif[274] = 6  # to be turned by a quarter
    path = tmp_path / "a.jpg"
    Image.fromarray(np.arange(12 * 16, dtype=np.uint8).reshape(12, 16)).save(path, exif=exif)
    assert np.array_equal(np.asarray(decode_image(path)), np.asarray(default_loader(str(path))))


def test_random_crops_have_the_published_distribution_of_area_and_ratio() -> None:
    from trainers.datasets.folders.crops import _random_box

    draws = np.random.default_rng(0).random((4000, CROP_SLOTS))
    boxes = np.array([_random_box((200, 200), draw) for draw in draws])
    left, top, width, height = boxes.T
    areas, ratios = width * height / 40_000, width / height
    assert (left >= 0).all()
    assert (top + height <= 200).all()
    assert 0.075 < areas.min() < 0.1
    assert areas.max() <= 1.0
    assert 0.73 < ratios.min() < 0.77
    assert 1.30 < ratios.max() < 1.37
    assert np.log(ratios).mean() == pytest.approx(0.0, abs=0.02)


def test_flip_mirrors_the_crop() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8))
    draws = np.full(CROP_SLOTS, 0.5)
    plain, flipped = draws.copy(), draws.copy()
    plain[-1], flipped[-1] = 1.0, 0.0
    assert np.array_equal(random_resized_crop(image, plain, 16)[:, ::-1], random_resized_crop(image, flipped, 16))


def test_files_are_decoded_the_same_alone_or_in_a_batch(tiny_imagenet: tuple[DatasetSpec, Path]) -> None:
    spec, root = tiny_imagenet
    source = ImageFiles(list_split(spec, "train", root, root / "cache"), image_size=16, flip=True)
    images, labels = source.load(SampleKeys(3, 1, np.array([5, 0, 3])))
    alone, label = source.load(SampleKeys(3, 1, np.array([0])))
    assert images.shape == (3, 16, 16, 3)
    assert np.array_equal(images[1], alone[0])
    assert labels.tolist() == [1, 0, 1]
    assert label.tolist() == [0]
    other, _ = source.load(SampleKeys(3, 2, np.array([0])))
    assert not np.array_equal(other, alone)


def test_broken_file_gives_way_to_the_next_with_its_class_and_too_many_are_refused(
    tiny_imagenet: tuple[DatasetSpec, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, root = tiny_imagenet
    (root / "imagenet" / "train" / "n01" / "2.png").write_bytes(b"no image")
    listing = list_split(spec, "train", root, root / "cache")
    with pytest.raises(CorruptData, match=r"at most 1% .* but 1 of 6 are: n01/2.png"):
        ImageFiles(listing, image_size=16, flip=False).load(SampleKeys(0, 0, np.array([2])))
    monkeypatch.setattr("augment.files.walk.LARGEST_UNREADABLE_SHARE", 0.2)
    source = ImageFiles(listing, image_size=16, flip=False)
    _, labels = source.load(SampleKeys(0, 0, np.array([1, 2])))
    assert labels.tolist() == [0, 1]
    assert source.broken == {2}
    (root / "imagenet" / "train" / "n01" / "1.png").unlink()
    with pytest.raises(MissingData, match=r"n01/1.png was listed but is not there"):
        source.load(SampleKeys(0, 0, np.array([1])))


def test_test_images_are_decoded_once_and_training_images_never_become_an_array(
    tiny_imagenet: tuple[DatasetSpec, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, root = tiny_imagenet
    monkeypatch.setattr("trainers.datasets.load.dataset_for", lambda name: spec)
    split = shared_split("imagenet", "test", root, root / "cache")
    assert split.images.shape == (6, 16, 16, 3)
    monkeypatch.setattr("augment.files.decode.decode_image", lambda *_, **__: pytest.fail("decoded again"))
    assert shared_split("imagenet", "test", root, root / "cache").fingerprint == split.fingerprint
    with pytest.raises(DataError, match="are decoded on demand"):
        shared_split("imagenet", "train", root, root / "cache")
    with pytest.raises(DataError, match="is stored in folders"):
        load_split("imagenet", "test", root)


def test_resized_crops_also_serve_resident_grey_images(tmp_path: Path) -> None:
    source = training_images(DATASETS["digits"], RecipeConfig(crop="resized", crop_padding=0), tmp_path, tmp_path)
    images, labels = source.load(SampleKeys(0, 0, np.arange(5)))
    assert images.shape == (5, 32, 32, 1)
    assert images.dtype == np.uint8
    assert len(labels) == 5


def test_any_folder_becomes_an_array_and_broken_images_are_named(tmp_path: Path) -> None:
    for index in range(200):
        write_image(tmp_path / "images" / "ab"[index % 2] / f"{index}.png", index, size=(9, 7))
    (tmp_path / "images" / "a" / "bad.jpg").write_bytes(b"\xff\xd8 not an image")
    read = read_folder(tmp_path / "images", image_size=6, cache_dir=tmp_path / "cache")
    assert read.images.shape == (200, 6, 6, 3)
    assert read.broken == ("a/bad.jpg",)
    assert np.bincount(read.labels).tolist() == [100, 100]
    again = read_folder(tmp_path / "images", image_size=6, cache_dir=tmp_path / "cache")
    assert again.fingerprint == read.fingerprint
    write_image(tmp_path / "images" / "a" / "0.png", 999, size=(9, 7))
    changed = read_folder(tmp_path / "images", image_size=6, cache_dir=tmp_path / "cache")
    assert changed.fingerprint != read.fingerprint


def test_folder_with_too_many_broken_images_is_refused(tmp_path: Path) -> None:
    for index in range(100):
        write_image(tmp_path / "images" / f"{index}.png", index, size=(9, 7))
    (tmp_path / "images" / "x.png").write_bytes(b"no image")
    read = read_folder(tmp_path / "images", image_size=6, cache_dir=tmp_path / "cache")
    assert (len(read.images), read.broken) == (100, ("x.png",))
    (tmp_path / "images" / "y.heic").write_bytes(b"of a phone")
    with pytest.raises(CorruptData, match=r"at most 1% .* but 2 of 102 are: y.heic, x.png"):
        read_folder(tmp_path / "images", image_size=6, cache_dir=tmp_path / "cache")


def test_empty_and_absent_folders_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="does not"):
        read_folder(tmp_path / "none", image_size=8, cache_dir=tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingData, match="has none"):
        read_folder(tmp_path / "empty", image_size=8, cache_dir=tmp_path)


@pytest.mark.parametrize("is_absolute", [True, False])
def test_a_flat_folder_is_an_outlier_stream_by_an_absolute_path_and_by_one_in_the_data_root(
    tmp_path: Path, is_absolute: bool
) -> None:
    """The same to plan, key and worker: what is there, what identifies it, what is read."""
    for index in range(3):
        write_image(tmp_path / "mine" / "flat" / f"{index}.png", index)
    name = f"folder:{tmp_path / 'mine' / 'flat'}" if is_absolute else "folder:mine/flat"
    read = load_outliers(name, image_size=8, num_channels=3, data_root=tmp_path, cache_dir=tmp_path / "cache")
    assert read.shape == (3, 8, 8, 3)
    assert missing_stream(name, tmp_path) == []
    assert stream_files(name, tmp_path) == stream_files(f"folder:{tmp_path}/mine/flat")
    (line,) = missing_stream(f"{name}-gone", tmp_path)
    assert f"{tmp_path}/mine/flat-gone does not exist" in line


def test_outlier_streams_fit_the_training_images(tmp_path: Path) -> None:
    np.save(
        tmp_path / "300K_random_images.npy", np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    )
    options = {"data_root": tmp_path, "cache_dir": tmp_path}
    colour = load_outliers("random-images-300k", image_size=32, num_channels=3, **options)
    grey = load_outliers("random-images-300k", image_size=28, num_channels=1, **options)
    assert colour.shape == (5, 32, 32, 3)
    assert grey.shape == (5, 28, 28, 1)
    assert load_outliers("digits", image_size=32, num_channels=3, **options).shape == (1442, 32, 32, 3)


def test_grey_is_pillows_luma() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    expected = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in pixels])
    assert np.array_equal(fit_images(pixels, image_size=8, num_channels=1)[..., 0], expected)


def test_unknown_and_missing_outlier_streams_say_the_way_out(tmp_path: Path) -> None:
    options = {"image_size": 32, "num_channels": 3, "data_root": tmp_path, "cache_dir": tmp_path}
    with pytest.raises(UnknownName, match="did you mean 'random-images-300k'"):
        load_outliers("random-images-300", **options)
    with pytest.raises(MissingData, match="choose another stream"):
        load_outliers("random-images-300k", **options)
    (tmp_path / "300K_random_images.npy").write_bytes(b"nothing")
    with pytest.raises(CorruptData, match="must be an array of images"):
        load_outliers("random-images-300k", **options)
