"""Kept files and their records."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from augment.files import kept as kept_files
from augment.files.kept import DamagedFileError, UnsealedRecordError, file_digest, keep, kept_facts


@pytest.fixture
def record(tmp_path: Path) -> Path:
    (tmp_path / "pixels.npy").write_bytes(bytes(range(256)) * 40)
    keep(tmp_path / "set.json", {"pixels.npy": tmp_path / "pixels.npy"}, {"broken": ["a.png"], "shape": (2, 3)})
    return tmp_path / "set.json"


def long_ago(path: Path) -> None:
    os.utime(path, (1_000_000_000, 1_000_000_000))


def test_facts_come_back_as_plain_values(record: Path) -> None:
    assert kept_facts(record) == {"broken": ["a.png"], "shape": [2, 3]}


@pytest.mark.parametrize("name", ["pixels.npy", "set.json"])
def test_no_byte_of_file_or_record_can_change_unseen(record: Path, name: str) -> None:
    path = record.with_name(name)
    whole = path.read_bytes()
    facts = kept_facts(record)
    for position in range(0, len(whole), 97 if name == "pixels.npy" else 1):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        try:
            assert kept_facts(record) == facts, position  # a record may be spelled otherwise, such as "\u0041" for "A"
            assert name == "set.json"
        except DamagedFileError:
            continue


@pytest.mark.parametrize("name", ["pixels.npy", "set.json"])
@pytest.mark.parametrize("length", [0, 1, 100, 400])
def test_a_truncated_file_or_record_is_damaged(record: Path, name: str, length: int) -> None:
    path = record.with_name(name)
    path.write_bytes(path.read_bytes()[: min(length, path.stat().st_size - 1)])
    with pytest.raises(DamagedFileError, match=path.name.replace(".", r"\.")):
        kept_facts(record)


def test_a_file_that_is_gone_is_damage_and_a_record_that_is_gone_is_none(record: Path) -> None:
    record.with_name("pixels.npy").unlink()
    with pytest.raises(DamagedFileError, match="cannot be read"):
        kept_facts(record)
    record.unlink()
    with pytest.raises(FileNotFoundError):
        kept_facts(record)


def test_a_record_of_another_form_is_told_apart(record: Path) -> None:
    record.write_text(json.dumps({"sha256": "0" * 64}))
    with pytest.raises(UnsealedRecordError):
        kept_facts(record)


def test_a_file_is_hashed_once_and_again_when_it_was_written_since(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []

    def counted(path: Path) -> str:
        hashed.append(path.name)
        return file_digest(path)

    monkeypatch.setattr(kept_files, "file_digest", counted)
    long_ago(record.with_name("pixels.npy"))
    for _ in range(5):
        kept_facts(record)
    assert hashed == ["pixels.npy"]
    pixels = record.with_name("pixels.npy")
    pixels.write_bytes(pixels.read_bytes()[::-1])
    long_ago(pixels)  # a copy that keeps size and time is another inode; a write that keeps all three cannot be seen
    os.utime(pixels, ns=(1, 1))
    with pytest.raises(DamagedFileError):
        kept_facts(record)


def test_a_file_written_just_now_is_not_trusted_the_next_time(record: Path) -> None:
    pixels = record.with_name("pixels.npy")
    kept_facts(record)
    at = pixels.stat().st_mtime_ns
    data = bytearray(pixels.read_bytes())
    data[7] ^= 1
    pixels.write_bytes(data)
    os.utime(pixels, ns=(at, at))  # within one tick of the clock
    with pytest.raises(DamagedFileError):
        kept_facts(record)


def test_an_empty_file_has_a_digest(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    keep(tmp_path / "r.json", {"empty": tmp_path / "empty"}, {})
    assert kept_facts(tmp_path / "r.json") == {}
