"""The disk that generated sets may take: families are kept whole within it, in the order in which they are asked for."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.suite.evaluate import evaluate
from eval.corruptions import budget
from eval.corruptions.budget import may_keep
from eval.corruptions.cache import SetKey, set_path
from eval.corruptions.generate import CorruptedSet


def family(kind: str, *, sets: int = 2, images: int = 10) -> list[SetKey]:
    """The keys of a family of sets of so many images of 100 bytes."""
    return [
        SetKey(family="c", kind=kind, severity=severity, semantics=1, fingerprint="f", seed=0, shape=(images, 5, 20, 1))
        for severity in range(1, sets + 1)
    ]


def put(keys: list[SetKey], cache_dir: Path) -> None:
    for key in keys:
        path = set_path(key, cache_dir)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(int(np.prod(key.shape))))


def test_a_family_is_kept_if_all_of_it_fits(tmp_path: Path) -> None:
    assert may_keep(family("fog"), tmp_path, 2000)
    assert not may_keep(family("snow"), tmp_path / "other", 1999)
    assert not (tmp_path / "other").exists(), "what is not kept needs no folder"


def test_later_families_get_what_the_earlier_ones_left(tmp_path: Path) -> None:
    assert may_keep(family("fog"), tmp_path, 5000)
    assert may_keep(family("snow"), tmp_path, 5000)
    assert not may_keep(family("frost"), tmp_path, 5000)
    assert may_keep(family("frost", sets=1), tmp_path, 5000)


def test_the_decision_stays_while_the_sets_are_made_and_afterwards(tmp_path: Path) -> None:
    assert may_keep(family("fog"), tmp_path, 2000)
    assert may_keep(family("fog"), tmp_path, 2000)
    put(family("fog")[:1], tmp_path)
    assert may_keep(family("fog"), tmp_path, 2000), "its sets do not count twice"
    put(family("fog"), tmp_path)
    assert may_keep(family("fog"), tmp_path, 0), "what is there is used"


def test_sets_of_earlier_versions_count(tmp_path: Path) -> None:
    put(family("fog"), tmp_path)
    assert not may_keep(family("snow"), tmp_path, 3999)
    assert may_keep(family("snow"), tmp_path, 4000)


def test_sets_that_are_being_written_count_once(tmp_path: Path) -> None:
    assert may_keep(family("fog"), tmp_path, 4000)
    path = set_path(family("fog")[0], tmp_path)
    path.with_name(f".{path.stem}.7.npy").write_bytes(bytes(1000))
    assert may_keep(family("snow"), tmp_path, 4000)


def test_a_damaged_record_reserves_nothing(tmp_path: Path) -> None:
    assert may_keep(family("fog"), tmp_path, 2000)
    (tmp_path / "generated" / budget.RECORD).write_text("[1, 2")
    assert may_keep(family("snow"), tmp_path, 2000)


def test_workers_that_ask_at_once_agree_and_stay_within_the_budget(tmp_path: Path) -> None:
    barrier = threading.Barrier(6)

    def ask(kind: str) -> bool:
        barrier.wait()
        return may_keep(family(kind), tmp_path, 4000)

    kinds = ["fog", "snow", "frost"] * 2
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(ask, kinds))
    assert found[:3] == found[3:]
    assert sum(found[:3]) == 2


def requests(**params: Any) -> list[BenchmarkRequest]:
    wanted = {"kinds": ["fog", "contrast"], "severities": [1, 5], **params}
    return [BenchmarkRequest(name="c-generated", params=wanted, key="c")]


@pytest.mark.parametrize("threads", [0, 3])
def test_the_numbers_do_not_depend_on_what_is_kept(make_subject: Any, threads: int) -> None:
    subject = make_subject(threads=threads)
    size = subject.images.size * 4
    folder = subject.cache_dir
    outcomes = {}
    for generated_bytes in (size, size - 1, 0):
        each = dataclasses.replace(subject, generated_bytes=generated_bytes, cache_dir=folder / str(generated_bytes))
        (report,) = evaluate(each, requests())
        assert report.error is None
        outcomes[generated_bytes] = report.outcome
        assert len(list((each.cache_dir / "generated").glob("*.npy"))) == (4 if generated_bytes == size else 0)
    kept = outcomes.pop(size)
    assert len(kept.notes["digests"]) == 4
    for other in outcomes.values():
        assert other.metrics == kept.metrics
        assert other.rows == kept.rows
        assert all(np.array_equal(kept.arrays[name], other.arrays[name]) for name in kept.arrays)


def test_single_sets_that_are_there_are_used_without_a_budget(make_subject: Any, monkeypatch: Any) -> None:
    subject = make_subject(generated_bytes=0)
    CorruptedSet(images=subject.images, kind="fog", severity=1, fingerprint=subject.fingerprint).whole(
        subject.cache_dir
    )
    made = []
    original = CorruptedSet.at

    def at(self: CorruptedSet, indices: Any) -> Any:
        made.append((self.kind, self.severity))
        return original(self, indices)

    monkeypatch.setattr(CorruptedSet, "at", at)
    evaluate(subject, requests())
    assert set(made) == {("fog", 5), ("contrast", 1), ("contrast", 5)}


def test_a_limited_evaluation_reserves_nothing(make_subject: Any) -> None:
    subject = make_subject()
    evaluate(subject, requests(max_images=50))
    assert not (subject.cache_dir / "generated").exists()


def test_a_kept_set_is_made_once_by_all_threads_of_a_worker(make_subject: Any, monkeypatch: Any) -> None:
    subject = make_subject(threads=4, batch_size=64)
    asked: list[int] = []
    original = CorruptedSet.whole

    def whole(self: CorruptedSet, cache_dir: Path, *, threads: int = 1) -> Any:
        asked.append(threads)
        return original(self, cache_dir, threads=threads)

    monkeypatch.setattr(CorruptedSet, "whole", whole)
    evaluate(subject, requests())
    assert asked == [4] * 4


def test_an_unwritable_cache_is_refused_with_the_ways_on(make_subject: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (report,) = evaluate(make_subject(cache_dir=tmp_path / "file"), requests())
    assert "keep none (DREAMGRID_GENERATED_BUDGET=0)" in str(report.error)
    (fresh,) = evaluate(make_subject(cache_dir=tmp_path / "file", generated_bytes=0), requests())
    assert fresh.error is None
