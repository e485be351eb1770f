from pathlib import Path

import numpy as np
import pytest

from trainers.datasets import load
from trainers.datasets.load import load_split, shared_split
from trainers.errors import DataError, NoSpace


def test_shared_split_equals_the_loaded_one_and_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = shared_split("digits", "test", "nowhere", tmp_path)
    expected = load_split("digits", "test", "nowhere")
    assert np.array_equal(first.images, expected.images)
    assert np.array_equal(first.labels, expected.labels)
    assert first.fingerprint == expected.fingerprint

    def fails(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(load, "load_split", fails)
    again = shared_split("digits", "test", "nowhere", tmp_path)
    assert again.fingerprint == expected.fingerprint


def test_pixels_are_mapped_and_writes_stay_private(tmp_path: Path) -> None:
    split = shared_split("digits", "test", "nowhere", tmp_path)
    before = int(split.images[0, 5, 5, 0])
    split.images[0, 5, 5, 0] = before ^ 255
    assert int(shared_split("digits", "test", "nowhere", tmp_path).images[0, 5, 5, 0]) == before


@pytest.mark.parametrize("damage", ["truncated", "changed"])
def test_damaged_array_is_made_again(tmp_path: Path, damage: str) -> None:
    expected = shared_split("digits", "test", "nowhere", tmp_path).fingerprint
    (path,) = tmp_path.rglob("test-images.npy")
    data = bytearray(path.read_bytes())
    if damage == "changed":
        data[-500] ^= 1
    path.unlink()
    path.write_bytes(data if damage == "changed" else data[:1000])
    assert shared_split("digits", "test", "nowhere", tmp_path).fingerprint == expected


def test_a_cache_that_cannot_be_written_is_not_taken_for_a_full_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(np, "save", refused)
    with pytest.raises(DataError, match=r"must be one that can be written, but .* Permission denied; name another one"):
        shared_split("digits", "test", "nowhere", tmp_path)


def test_full_disk_says_how_much_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(NoSpace, match="the cache folder needs 0 MiB"):
        shared_split("digits", "test", "nowhere", tmp_path)
