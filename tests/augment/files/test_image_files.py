"""One walk of image folders, one hash of what it finds, one decoder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from augment.files import content, trial
from augment.files.content import file_hash, folder_hash
from augment.files.decode import UndecodableImage, decode_image
from augment.files.trial import tried_images_in
from augment.files.walk import ImageFolderError, images_in, named, walk_images

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.fixture(autouse=True)
def own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "memory"))


def written(path: Path, pixels: Any = RAMP, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels)).save(path, **options)
    return path


def rgb(path: Path, **options: Any) -> NDArray[np.uint8]:
    return np.asarray(decode_image(path, **options))


def hash_of(folder: Path) -> str:
    return folder_hash(walk_images(folder))


def three_times(levels: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(levels[..., None], 3, axis=2)


# The walk


def test_every_suffix_is_found_in_any_case_and_the_others_are_named(tmp_path: Path) -> None:
    for name in ("a.GIF", "b.tif", "c.TIFF", "d.webp", "e.jfif", "f.JPG", "g.ppm", "h.bmp", "i.heic", "notes.txt"):
        (tmp_path / "set").mkdir(exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"x")

    found = walk_images(tmp_path / "set")

    assert found.names == ("a.GIF", "b.tif", "c.TIFF", "d.webp", "e.jfif", "f.JPG", "g.ppm", "h.bmp")
    assert found.unread == ("i.heic",)


@pytest.mark.parametrize(
    "litter",
    [
        ".DS_Store",
        "cat/._0.png",
        ".ipynb_checkpoints/0.png",
        "cat/.thumbs/1.png",
        "__MACOSX/cat/._0.png",
        "cat/Thumbs.db",
    ],
)
def test_what_editors_and_systems_leave_behind_is_no_part_of_a_folder(tmp_path: Path, litter: str) -> None:
    written(tmp_path / "pets" / "cat" / "0.png")
    before = hash_of(tmp_path / "pets")
    (tmp_path / "pets" / litter).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "pets" / litter).write_bytes(b"\x00\x05\x16\x07")

    assert walk_images(tmp_path / "pets").names == ("cat/0.png",)
    assert hash_of(tmp_path / "pets") == before


def test_files_without_the_suffix_of_an_image_are_named(tmp_path: Path) -> None:
    written(tmp_path / "cat" / "0.png")
    for name in ("cat/1", "cat/2.png.part", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "cat" / "3").symlink_to(tmp_path / "notes.txt")
    (tmp_path / "cat" / os.fsdecode(b"caf\xe9\n")).write_bytes(b"x")
    found = walk_images(tmp_path)
    assert (found.names, found.unread) == (("cat/0.png",), ())
    assert found.others == ("cat/1", "cat/2.png.part", "cat/3", "cat/caf\udce9\n", "notes.txt")
    assert named(found.others[3:]) == r"cat/caf\udce9\n, notes.txt"
    (tmp_path / "cat" / "0.png").unlink()
    with pytest.raises(ImageFolderError, match="its 5 files have no image suffix: cat/1, cat/2"):
        images_in(tmp_path, "a set")


def test_a_hidden_folder_above_the_root_hides_nothing(tmp_path: Path) -> None:
    written(tmp_path / ".data" / "pets" / "0.png")

    assert walk_images(tmp_path / ".data" / "pets").names == ("0.png",)


def test_links_to_splits_classes_and_files_are_followed_and_hashed_as_what_they_lead_to(tmp_path: Path) -> None:
    written(tmp_path / "real" / "train" / "cat" / "0.png")
    for name, link, target in (
        ("splits", "train", "real/train"),
        ("classes", "train/cat", "real/train/cat"),
        ("files", "train/cat/0.png", "real/train/cat/0.png"),
    ):
        (tmp_path / name / link).parent.mkdir(parents=True)
        (tmp_path / name / link).symlink_to(tmp_path / target)

    assert len({hash_of(tmp_path / name) for name in ("real", "splits", "classes", "files")}) == 1

    written(tmp_path / "real" / "train" / "cat" / "0.png", 255 - RAMP)

    assert len({hash_of(tmp_path / name) for name in ("real", "splits", "classes", "files")}) == 1


def test_a_link_to_a_folder_around_it_ends(tmp_path: Path) -> None:
    written(tmp_path / "set" / "cat" / "0.png")
    (tmp_path / "set" / "cat" / "again").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "self").symlink_to(tmp_path / "set" / "self")

    with pytest.raises(ImageFolderError, match="must point to a file"):
        walk_images(tmp_path / "set")
    (tmp_path / "set" / "self").unlink()

    assert walk_images(tmp_path / "set").names == ("cat/0.png",)


def test_a_class_on_a_disk_that_is_not_there_is_refused_and_a_lost_image_named(tmp_path: Path) -> None:
    written(tmp_path / "set" / "cat" / "0.png")
    (tmp_path / "set" / "cat" / "1.png").symlink_to(tmp_path / "gone.png")

    assert walk_images(tmp_path / "set").unread == ("cat/1.png",)

    (tmp_path / "set" / "dog").symlink_to(tmp_path / "gone")

    with pytest.raises(ImageFolderError, match=r"set/dog does not; restore its target"):
        walk_images(tmp_path / "set")


def test_images_that_have_no_class_are_stray(tmp_path: Path) -> None:
    written(tmp_path / "set" / "cat" / "deep" / "0.png")
    written(tmp_path / "set" / "montage.png")

    found = walk_images(tmp_path / "set")

    assert found.stray == ("montage.png",)


def test_folders_without_readable_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    written(tmp_path / "mixed" / "0.png")
    (tmp_path / "mixed" / "1.heic").write_bytes(b"x")

    with pytest.raises(ImageFolderError, match=r"set 'x' needs a folder of images, but .*absent does not exist"):
        images_in(tmp_path / "absent", "set 'x'")
    with pytest.raises(ImageFolderError, match="has none"):
        images_in(tmp_path / "empty", "set 'x'")
    with pytest.raises(ImageFolderError, match=r"1 of 2 are: 1.heic; convert"):
        images_in(tmp_path / "mixed", "set 'x'")
    with pytest.raises(ImageFolderError, match="to have an identity"):
        hash_of(tmp_path / "empty")


# The hash


def test_a_copy_has_the_same_hash_and_any_changed_byte_another(tmp_path: Path) -> None:
    for number in range(3):
        written(tmp_path / "one" / f"{number}.bmp", np.full((4, 4), number, np.uint8))
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    before = hash_of(tmp_path / "one")

    assert hash_of(tmp_path / "two") == before

    for number in range(3):
        path = tmp_path / "two" / f"{number}.bmp"
        status, changed = path.stat(), bytearray(path.read_bytes())
        changed[-1] ^= 1
        path.write_bytes(changed)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert hash_of(tmp_path / "two") != before
        changed[-1] ^= 1
        path.write_bytes(changed)
    assert hash_of(tmp_path / "two") == before


def test_other_names_and_classes_give_another_hash(tmp_path: Path) -> None:
    written(tmp_path / "one" / "cat" / "0.gif")
    written(tmp_path / "two" / "dog" / "0.gif")

    assert hash_of(tmp_path / "one") != hash_of(tmp_path / "two")


def test_a_remembered_hash_reads_no_file_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "SETTLED_S", -1.0)
    path = written(tmp_path / "set" / "0.png")
    first, first_file = hash_of(tmp_path / "set"), file_hash(path)
    content._REMEMBERED.clear()
    monkeypatch.setattr(content, "_digest_of", lambda *_, **__: pytest.fail("a file was read"))

    assert (hash_of(tmp_path / "set"), file_hash(path)) == (first, first_file)


def test_what_has_just_changed_is_read_again(tmp_path: Path) -> None:
    written(tmp_path / "set" / "0.png")
    hash_of(tmp_path / "set")

    assert not list((tmp_path / "memory").rglob("*.json"))


def test_large_folders_are_hashed_by_sizes_and_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MOST_WHOLE_BYTES", 1000)
    path = written(tmp_path / "set" / "0.bmp", np.zeros((128, 128, 3), np.uint8))
    first = hash_of(tmp_path / "set")
    for place in (60, path.stat().st_size // 2, path.stat().st_size - 1):
        changed = bytearray(path.read_bytes())
        changed[place] ^= 1
        path.write_bytes(changed)
        assert hash_of(tmp_path / "set") != first
        changed[place] ^= 1
        path.write_bytes(changed)

    assert first.startswith("sampled-")
    assert hash_of(tmp_path / "set") == first


def test_only_kinds_whose_pixels_changed_have_the_version_of_the_decoder(tmp_path: Path) -> None:
    for name in ("plain.jpg", "plain.png", "plain.bmp", "plain.webp"):
        written(tmp_path / name / name)
    written(tmp_path / "wide" / "16.png", RAMP.astype(np.uint16))
    written(tmp_path / "clear" / "a.png", np.zeros((4, 4, 4), np.uint8))

    marked = {name: "-decoder" in hash_of(tmp_path / name) for name in ("wide", "clear")}

    assert marked == {"wide": True, "clear": True}
    for name in ("plain.jpg", "plain.png", "plain.bmp", "plain.webp"):
        assert "-decoder" not in hash_of(tmp_path / name)


def test_walk_and_hash_import_nothing_heavy() -> None:
    code = "import sys, augment.files.trial; print([m for m in ('torch', 'scipy', 'numba') if m in sys.modules])"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


# The trial while planning


def set_of(folder: Path, number: int, broken: int = 0) -> Path:
    """Write images, of which some that are evenly spread cannot be decoded."""
    step = number // broken if broken else number + 1
    for index in range(number):
        path = written(folder / f"{index:05d}.png", RAMP[:2, :2])
        if index % step == 0 and index // step < broken:
            path.write_bytes(b"no image")
    return folder


def test_a_small_folder_is_tried_as_a_whole_by_the_rule_of_its_reader(tmp_path: Path) -> None:
    tried_images_in(set_of(tmp_path / "good", 100, broken=1), "set 'x'")

    with pytest.raises(
        ImageFolderError, match=r"at most 1% .* but 2 of 100 are: 00000.png, 00050.png \(cannot identify"
    ):
        tried_images_in(set_of(tmp_path / "bad", 100, broken=2), "set 'x'")


def test_a_large_folder_is_tried_by_a_sample_that_refuses_only_what_is_sure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "FEW", 10)
    monkeypatch.setattr(trial, "FIRST", 50)
    monkeypatch.setattr(trial, "MORE", 100)

    tried_images_in(set_of(tmp_path / "doubtful", 200, broken=3), "set 'x'")
    with pytest.raises(ImageFolderError, match=r"but 20 of the 100 that were tried are: 00000.png"):
        tried_images_in(set_of(tmp_path / "bad", 200, broken=20), "set 'x'")


def test_a_trial_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "SETTLED_S", -1.0)
    folder = set_of(tmp_path / "set", 3)
    tried_images_in(folder, "set 'x'")
    content._REMEMBERED.clear()
    monkeypatch.setattr("augment.files.decode.decode_image", lambda *_: pytest.fail("tried again"))

    assert len(tried_images_in(folder, "set 'x'").files) == 3


# The decoder


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".gif", ".tif"])
@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 3)])
def test_eight_bits_are_read_as_pillow_reads_them(tmp_path: Path, suffix: str, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = written(tmp_path / f"a{suffix}", pixels)

    with Image.open(path) as stored:
        assert np.array_equal(rgb(path), np.asarray(stored.convert("RGB")))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_sixteen_bits_of_grey_are_scaled(tmp_path: Path, suffix: str) -> None:
    """A value v is v / 257 of 255, rounded."""
    values = np.random.default_rng(0).integers(0, 65536, (16, 16), dtype=np.uint16)
    exact = written(tmp_path / f"exact{suffix}", RAMP.astype(np.uint16) * 257)
    other = written(tmp_path / f"other{suffix}", values)

    assert np.array_equal(rgb(exact), three_times(RAMP))
    assert np.array_equal(rgb(other), three_times(np.rint(values / 257).astype(np.uint8)))


def test_sixteen_bits_are_read_in_either_byte_order_and_with_white_as_zero(tmp_path: Path) -> None:
    values = RAMP.astype(np.uint16) * 257
    big = tmp_path / "big.tif"
    Image.frombytes("I;16B", (16, 16), values.astype(">u2").tobytes()).save(big)
    inverted = written(tmp_path / "inverted.tif", values, tiffinfo={262: 0})

    assert np.array_equal(rgb(big), three_times(RAMP))
    assert np.array_equal(rgb(inverted), three_times(255 - RAMP))


def test_fewer_than_sixteen_bits_have_their_own_white(tmp_path: Path) -> None:
    """TIFF with 12 bits a pixel, two pixels in three bytes."""
    path = tmp_path / "twelve.tif"
    values = np.array([[0, 4095], [2048, 16]])
    packed = b"".join(bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255]) for a, b in values.tolist())
    tags = [(256, 2), (257, 2), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 2), (279, len(packed))]
    start = 8 + len(packed)
    entries = b"".join(
        tag.to_bytes(2, "little") + (3).to_bytes(2, "little") + (1).to_bytes(4, "little") + value.to_bytes(4, "little")
        for tag, value in tags
    )
    directory = len(tags).to_bytes(2, "little") + entries + bytes(4)
    path.write_bytes(b"II*\0" + start.to_bytes(4, "little") + packed + directory)

    assert rgb(path)[..., 0].tolist() == [[0, 255], [128, 1]]


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    bits = RAMP % 2 == 0
    path = written(tmp_path / "a.png", bits)

    assert np.array_equal(rgb(path), three_times(np.where(bits, 255, 0)))


def test_palettes_give_their_colours_and_transparent_entries_black(tmp_path: Path) -> None:
    image = Image.new("P", (2, 2))
    image.putpalette([10, 20, 30, 200, 100, 50, 1, 2, 3])
    image.putdata([0, 1, 2, 1])
    image.save(tmp_path / "plain.png")
    image.save(tmp_path / "clear.png", transparency=1)
    image.save(tmp_path / "clear.gif", transparency=1)

    assert rgb(tmp_path / "plain.png").tolist() == [[[10, 20, 30], [200, 100, 50]], [[1, 2, 3], [200, 100, 50]]]
    for name in ("clear.png", "clear.gif"):
        assert rgb(tmp_path / name).tolist() == [[[10, 20, 30], [0, 0, 0]], [[1, 2, 3], [0, 0, 0]]]


def test_transparency_is_laid_over_black(tmp_path: Path) -> None:
    pixels = np.array([[[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 50, 128]]], np.uint8)
    colour = written(tmp_path / "rgba.png", pixels)
    grey = written(tmp_path / "la.png", pixels[..., [0, 3]])
    Image.fromarray(pixels[..., :3]).save(tmp_path / "key.png", transparency=(200, 100, 50))
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey-key.png", transparency=200)

    assert rgb(colour).tolist() == [[[200, 100, 50], [0, 0, 0], [100, 50, 25]]]
    assert rgb(grey).tolist() == [[[200, 200, 200], [0, 0, 0], [100, 100, 100]]]
    assert not rgb(tmp_path / "key.png").any()
    assert not rgb(tmp_path / "grey-key.png").any()


def test_floats_are_read_from_zero_to_one_and_refused_elsewhere(tmp_path: Path) -> None:
    written(tmp_path / "unit.tif", (RAMP / 255).astype(np.float32))
    written(tmp_path / "wide.tif", RAMP.astype(np.float32))
    written(tmp_path / "nan.tif", np.array([[0, np.nan]], np.float32))

    assert np.array_equal(rgb(tmp_path / "unit.tif"), three_times(RAMP))
    with pytest.raises(
        UndecodableImage, match=r"wide.tif .*from 0 \(black\) to 1 \(white\), but have values from 0 to 255"
    ):
        decode_image(tmp_path / "wide.tif")
    with pytest.raises(UndecodableImage, match="floating-point"):
        decode_image(tmp_path / "nan.tif")


def test_wide_integers_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "wide.tif", RAMP.astype(np.int32))

    with pytest.raises(UndecodableImage, match="do not define which value is white"):
        decode_image(tmp_path / "wide.tif")


def test_cmyk_is_read_as_pillow_converts_it(tmp_path: Path) -> None:
    image = Image.fromarray(np.dstack([RAMP, RAMP.T, RAMP, RAMP // 4]), mode="CMYK")
    image.save(tmp_path / "a.tif")
    image.save(tmp_path / "a.jpg", quality=95)

    assert np.array_equal(rgb(tmp_path / "a.tif"), np.asarray(image.convert("RGB")))
    assert np.abs(rgb(tmp_path / "a.jpg").astype(int) - np.asarray(image.convert("RGB"))).mean() < 10


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((4, 4), level, np.uint8)) for level in (10, 200)]
    for name in ("a.gif", "a.tif", "a.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])

        assert (rgb(tmp_path / name) == 10).all()


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "bomb"])
def test_damaged_files_are_undecodable_and_absent_ones_an_error_of_the_disk(
    tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8))
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[:200], "text": b"<html>", "bomb": whole}[damage])
    if damage == "bomb":
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)

    with pytest.raises(UndecodableImage, match=r"a.png cannot be decoded"):
        decode_image(path)
    with pytest.raises(FileNotFoundError):
        decode_image(tmp_path / "absent.png")


def test_a_smaller_scale_is_an_option_for_jpeg_and_a_few_levels_off(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    path = written(tmp_path / "a.jpg", pixels)

    assert decode_image(path).size == (256, 256)
    assert decode_image(path, at_least=64).size == (64, 64)


@pytest.mark.parametrize(("mode", "share"), [("RGB", 2), ("L", 2), ("RGBA", 1), ("F", 0.5)])
def test_an_image_that_claims_more_pixels_than_are_read_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, share: float
) -> None:
    path = tmp_path / ("a.tif" if mode == "F" else "a.png")
    Image.new(mode, (50, 40)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(2000 / share))
    monkeypatch.setattr(Image, "_decompression_bomb_check", lambda size: None)
    assert decode_image(path).size == (50, 40)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(1998 / share))
    with pytest.raises(UndecodableImage, match=r"claims 50 x 40 pixels, more than the 1,99\d that are read"):
        decode_image(path)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16"])
def test_bands_of_rows_give_the_pixels_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    values = np.random.default_rng(0).integers(0, 2**16, (40, 30, 4))
    image = Image.fromarray(values[..., 0].astype(np.uint16))
    if mode != "I;16":
        image = Image.fromarray((values % 256).astype(np.uint8), "RGBA").convert(mode)
    image.save(tmp_path / "a.png")
    whole = rgb(tmp_path / "a.png")
    monkeypatch.setattr("augment.files.decode._BAND_PIXELS", 70)
    assert (rgb(tmp_path / "a.png") == whole).all()
