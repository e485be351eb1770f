"""Generated sets on disk."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.corruptions import cache, generate
from eval.corruptions.cache import read_record, set_path, verify_set
from eval.corruptions.generate import CorruptedSet, corrupt
from eval.errors import EvalError


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 12, 12, 3), dtype=np.uint8)


def corrupted(images: np.ndarray, kind: str, severity: int, **fields: Any) -> CorruptedSet:
    return CorruptedSet(images=images, kind=kind, severity=severity, **{"fingerprint": "f", **fields})


def test_a_cached_set_equals_the_one_made_on_the_fly_and_cannot_be_written(images: np.ndarray, tmp_path: Path) -> None:
    cached = corrupted(images, "shot_noise", 2).whole(tmp_path)
    direct = corrupted(images, "shot_noise", 2).whole(None)
    assert isinstance(cached, np.memmap)
    assert not cached.flags.writeable
    assert np.array_equal(cached, direct)
    assert np.array_equal(direct, corrupt(images, "shot_noise", 2, fingerprint="f", indices=np.arange(40)))


def test_a_set_is_made_once(images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corrupted(images, "contrast", 1).whole(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("made a second time")

    monkeypatch.setattr(generate, "corrupt", refuse)
    corrupted(images, "contrast", 1).whole(tmp_path)


@pytest.mark.parametrize("change", [{"seed": 1}, {"fingerprint": "g"}])
def test_another_seed_or_dataset_is_another_set(images: np.ndarray, change: dict[str, object]) -> None:
    key = corrupted(images, "fog", 1).key
    assert corrupted(images, "fog", 1, **change).key != key
    assert corrupted(images, "fog", 2).key.name != key.name
    assert corrupted(images[:39], "fog", 1).key.name != key.name


def test_the_record_tells_label_digest_and_substitute(images: np.ndarray, tmp_path: Path) -> None:
    corrupted(images, "frost", 1).whole(tmp_path)
    key = corrupted(images, "frost", 1).key
    record = read_record(key, tmp_path)
    assert record["label"] == "generated"
    assert record["notes"] == {"frost": "procedural ice"}
    assert record["sha256"] == verify_set(key, tmp_path)


def test_a_truncated_set_is_made_again(images: np.ndarray, tmp_path: Path) -> None:
    whole = np.array(corrupted(images, "fog", 1).whole(tmp_path))
    path = set_path(corrupted(images, "fog", 1).key, tmp_path)
    path.write_bytes(path.read_bytes()[:500])
    assert np.array_equal(corrupted(images, "fog", 1).whole(tmp_path), whole)


def test_changed_bytes_are_found(images: np.ndarray, tmp_path: Path) -> None:
    corrupted(images, "fog", 1).whole(tmp_path)
    key = corrupted(images, "fog", 1).key
    content = bytearray(set_path(key, tmp_path).read_bytes())
    content[-1] ^= 1
    set_path(key, tmp_path).write_bytes(bytes(content))
    with pytest.raises(EvalError, match="its bytes have changed"):
        verify_set(key, tmp_path)


def test_a_failed_generation_leaves_nothing_behind(images: np.ndarray, tmp_path: Path) -> None:
    key = corrupted(images, "fog", 1).key

    def fail(_: slice) -> np.ndarray:
        raise RuntimeError("no power")

    with pytest.raises(RuntimeError, match="no power"):
        cache.cached_array(key, fail, tmp_path)
    assert [path.suffix for path in (tmp_path / "generated").iterdir()] == [".lock"]
    with pytest.raises(EvalError, match="no generated set"):
        read_record(key, tmp_path)


def test_the_number_of_threads_does_not_change_the_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "VALUES_AT_ONCE", 2000)  # many parts
    images = np.random.default_rng(1).integers(0, 256, (30, 12, 12, 3), dtype=np.uint8)
    one = corrupted(images, "gaussian_noise", 3).whole(None)
    many = corrupted(images, "gaussian_noise", 3).whole(tmp_path, threads=4)
    assert np.array_equal(one, many)


def test_several_threads_share_one_generation(images: np.ndarray, tmp_path: Path) -> None:
    made: list[slice] = []
    key = corrupted(images, "fog", 1).key

    def make(rows: slice) -> np.ndarray:
        made.append(rows)
        return images[rows]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: cache.cached_array(key, make, tmp_path), range(8)))
    assert len(made) == 1
    assert all(np.array_equal(result, images) for result in results)
    assert json.loads(set_path(key, tmp_path).with_suffix(".json").read_text())["body"]["facts"]["key"]["kind"] == "fog"
