"""Reading an object store: few requests where the index holds what is wanted, and never a stale answer where it matters."""

from __future__ import annotations

from typing import Any

import pytest

from clusters.storage.s3 import S3Storage
from orchestration.store.open import open_store

CELLS = 12


@pytest.fixture
def filled(s3_uri: str, records: Any) -> tuple[str, dict[str, list[str]]]:
    """A store of a dozen cells with one report each, read once so that it has an index; and what is wanted of them."""
    store, wanted = open_store(s3_uri), {}
    for number in range(CELLS):
        record = records.training(f"cell {number}")
        store.record_training(record)
        report = records.report("clean")
        store.record_report(record.train_key, record.summary.checkpoint_sha256, report)
        wanted[record.train_key] = [report.benchmark_key]
    open_store(s3_uri).results(wanted)
    return s3_uri, wanted


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the folders that are listed and of the objects that are read, as they happen."""
    seen: list[str] = []
    for name in ("read_bytes", "names", "list"):
        original = getattr(S3Storage, name)

        def spied(self: S3Storage, path: str = "", *, original: Any = original, **options: Any) -> Any:
            seen.append(path)
            return original(self, path, **options)

        monkeypatch.setattr(S3Storage, name, spied)
    return seen


def test_cells_that_the_index_holds_are_not_listed(
    filled: tuple[str, dict[str, list[str]]], requests: list[str]
) -> None:
    uri, wanted = filled
    open_store(uri).results(wanted, wanted=wanted)

    assert not [path for path in requests if path.startswith("results")]
    assert len(requests) == 4


def test_the_answer_is_that_of_a_listing(filled: tuple[str, dict[str, list[str]]]) -> None:
    uri, wanted = filled

    fast, listed = open_store(uri).results(wanted, wanted=wanted), open_store(uri).results(wanted)

    assert list(fast) == list(listed) == list(wanted)
    for key, found in fast.items():
        assert found.training == listed[key].training
        assert set(found.reports) == set(listed[key].reports)
        assert all(
            report.outcome and report.outcome.metrics["error"].value == 0.25 for report in found.reports.values()
        )


def test_a_report_that_the_index_lacks_is_found(filled: tuple[str, dict[str, list[str]]], records: Any) -> None:
    uri, wanted = filled
    key, sha = next(iter(wanted)), records.training("x").summary.checkpoint_sha256
    later = records.report("pgd")
    open_store(uri).record_report(key, sha, later)

    found = open_store(uri).results(wanted, wanted={**wanted, key: [*wanted[key], later.benchmark_key]})

    assert later.benchmark_key in found[key].reports


def test_an_invalidated_cell_is_missing_whatever_the_index_holds(filled: tuple[str, dict[str, list[str]]]) -> None:
    uri, wanted = filled
    key = next(iter(wanted))
    open_store(uri).invalidate(key, "test")

    found = open_store(uri).results(wanted, wanted=wanted)

    assert set(found) == set(wanted) - {key}


def test_a_cell_that_was_computed_again_after_invalidation_is_the_new_one(
    filled: tuple[str, dict[str, list[str]]], records: Any
) -> None:
    uri, wanted = filled
    key, store = next(iter(wanted)), open_store(uri)
    store.invalidate(key, "test")
    again = records.training("cell 0", checkpoint="other", at=2000.0)
    store.record_training(again)

    found = open_store(uri).results(wanted, wanted={**wanted, key: []})

    assert again.train_key == key
    assert found[key].training == again


def test_a_store_that_read_before_sees_what_another_driver_added(
    filled: tuple[str, dict[str, list[str]]], records: Any
) -> None:
    uri, wanted = filled
    reader = open_store(uri)
    reader.results(wanted, wanted=wanted)
    new = records.training("new")
    open_store(uri).record_training(new)

    assert new.train_key in reader.results([*wanted, new.train_key], wanted={**wanted, new.train_key: []})


def test_a_damaged_index_changes_no_answer(filled: tuple[str, dict[str, list[str]]]) -> None:
    uri, wanted = filled
    storage = open_store(uri).storage
    for name in storage.names("index"):
        storage.write_bytes(f"index/{name}", b"garbage")

    assert set(open_store(uri).results(wanted, wanted=wanted)) == set(wanted)
