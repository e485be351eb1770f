"""Every kind of array that is kept in the cache, damaged in every way, gives the same values as before when it is opened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment.files import content
from augment.files.walk import walk_images
from augment.mixing_sets.build import ensure_mixing_set, open_mixing_set
from augment.mixing_sets.procedural.dead_leaves import DEAD_LEAVES
from eval.corruptions.generate import CorruptedSet
from trainers.datasets.folders.listing import list_split
from trainers.datasets.folders.split import read_folder
from trainers.datasets.load import load_split, shared_split
from trainers.datasets.registry import dataset_for

Values = list[np.ndarray]
Use = Callable[[Path], Values]


def generated(folder: Path) -> Values:
    images = np.random.default_rng(0).integers(0, 256, (30, 12, 12, 3), dtype=np.uint8)
    made = CorruptedSet(images=images, kind="fog", severity=1, fingerprint="f")
    return [np.array(made.whole(folder / "cache"))]


def split(folder: Path) -> Values:
    found = shared_split("digits", "test", "nowhere", folder / "cache")
    return [np.array(found.images), np.array(found.labels), np.array([found.fingerprint])]


def mixing_set(folder: Path) -> Values:
    file = ensure_mixing_set(
        DEAD_LEAVES,
        num_images=4,
        image_size=8,
        num_channels=3,
        seed=0,
        params={},
        cache_dir=folder / "cache",
        data_root=folder,
        threads=1,
    )
    return [np.array(open_mixing_set(file)), np.array([file.sha256])]


def class_folders(root: Path) -> Path:
    for number in range(12):
        path = root / str(number % 2) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            pixels = np.random.default_rng(number).integers(0, 256, (9, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
    return root


def decoded_folder(folder: Path) -> Values:
    found = read_folder(class_folders(folder / "images"), image_size=8, cache_dir=folder / "cache")
    return [np.array(found.images), found.labels, np.array([found.fingerprint])]


def listing(folder: Path) -> Values:
    for half in ("train", "test"):
        class_folders(folder / "root" / half)
    spec = dataset_for(f"folder:{folder / 'root'}@8")
    found = list_split(spec, "test", folder, folder / "cache")
    return [np.array(found.names), found.labels, np.array([found.fingerprint])]


USES: dict[str, Use] = {use.__name__: use for use in (generated, split, mixing_set, decoded_folder, listing)}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-(len(data) // 3)] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "one bit": flip,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "emptied": lambda path: path.write_bytes(b""),
    "deleted": lambda path: path.unlink(),
}


def kept(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "cache").rglob("*") if path.suffix in {".npy", ".json"})


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_made_again(tmp_path: Path, use: Use, damage: Callable[[Path], object]) -> None:
    before = use(tmp_path)
    files = kept(tmp_path)
    assert files
    for path in files:
        damage(path)
        after = use(tmp_path)
        assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True)), path
        assert kept(tmp_path) == files


def unsealed(record: Path) -> dict[str, object]:
    facts: dict[str, object] = json.loads(record.read_text())["body"]["facts"]
    record.write_text(json.dumps(facts))
    return facts


@pytest.mark.parametrize("use", [generated, split, mixing_set])
def test_a_record_of_an_earlier_version_is_verified_by_its_sha256(tmp_path: Path, use: Use) -> None:
    before = use(tmp_path)
    record, array = (next(path for path in kept(tmp_path) if path.suffix == suffix) for suffix in (".json", ".npy"))
    written = array.stat().st_mtime_ns
    unsealed(record)
    assert all(np.array_equal(one, other) for one, other in zip(before, use(tmp_path), strict=True))
    assert array.stat().st_mtime_ns == written, "a whole array is not made again"
    assert "seal" in json.loads(record.read_text())
    unsealed(record)
    flip(array)
    assert all(np.array_equal(one, other) for one, other in zip(before, use(tmp_path), strict=True))


def test_a_decoded_folder_of_an_earlier_version_has_no_digest_and_is_decoded_again(tmp_path: Path) -> None:
    before = decoded_folder(tmp_path)
    unsealed(next((tmp_path / "cache").rglob("facts.json")))
    flip(next((tmp_path / "cache").rglob("images.npy")))
    assert all(np.array_equal(one, other) for one, other in zip(before, decoded_folder(tmp_path), strict=True))


def test_the_cache_holds_what_the_dataset_holds(tmp_path: Path) -> None:
    kept_split = shared_split("digits", "test", "nowhere", tmp_path)
    loaded = load_split("digits", "test", "nowhere")
    assert hashlib.sha256(kept_split.images.tobytes()).digest() == hashlib.sha256(loaded.images.tobytes()).digest()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_note_of_a_content_hash_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], object]
) -> None:
    folder = class_folders(tmp_path / "images")
    monkeypatch.setattr(content, "SETTLED_S", -10.0)  # remember what was written just now
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))
    before = content.folder_hash(walk_images(folder))
    (note,) = (tmp_path / "cache").rglob("*.json")
    damage(note)
    content._REMEMBERED.clear()
    assert content.folder_hash(walk_images(folder)) == before
