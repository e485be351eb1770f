"""A training with its reports as one object: read line by line, refused when it is not whole, written in one request."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from clusters.storage.open import open_storage
from clusters.storage.s3 import S3Storage
from orchestration.store.contract import CorruptRecordError
from orchestration.store.format.bundles import bundled, unbundled
from orchestration.store.format.documents import Document, check_seal, decode, seal
from orchestration.store.format.records import VERSION, encode_report, encode_training
from orchestration.store.open import open_store


@pytest.fixture
def texts(records: Any) -> tuple[bytes, dict[str, bytes]]:
    """The records of a training and of two reports on it."""
    record = records.training("x")
    reports = [records.report("clean"), records.report("c", rows=3)]
    encoded = {
        one.benchmark_key: encode_report(record.train_key, record.summary.checkpoint_sha256, one, None)
        for one in reports
    }
    return encode_training(record), encoded


def test_a_bundle_comes_apart_into_the_records_it_was_made_of(texts: tuple[bytes, dict[str, bytes]]) -> None:
    training, reports = texts
    data = bundled(training, reports)

    assert unbundled(data, "here") == (training, reports)
    assert data.splitlines(keepends=True)[1:] == [training, *reports.values()]


def test_a_training_record_alone_is_a_bundle_without_reports(texts: tuple[bytes, dict[str, bytes]]) -> None:
    assert unbundled(texts[0], "here") == (texts[0], {})


@pytest.mark.parametrize("line", [0, 1, 2, 3])
def test_a_bundle_that_was_altered_or_cut_anywhere_is_refused(texts: tuple[bytes, dict[str, bytes]], line: int) -> None:
    lines = bundled(*texts).splitlines(keepends=True)
    damaged = [
        b"".join([*lines[:line], lines[line].replace(b"1", b"2"), *lines[line + 1 :]]),
        b"".join([*lines[:line], lines[line][: len(lines[line]) // 2]]),
        b"".join([*lines[:line], *lines[line + 1 :]]),
        b"".join([*lines, lines[line]]),
    ]
    if line:
        damaged.append(b"".join(lines[:line]))
    for data in damaged:
        with pytest.raises(CorruptRecordError, match="here"):
            unbundled(data, "here")


def test_a_training_with_its_reports_is_one_write_and_one_look_for_tombstones_on_an_object_store(
    s3_uri: str, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_storage(s3_uri).write_exclusive("first", b"")  # the server is asked once whether it honours conditions
    seen: list[str] = []
    for name in ("read_bytes", "names", "list", "stat", "write_bytes", "write_exclusive", "delete"):
        method = getattr(S3Storage, name)

        def spied(self: S3Storage, *arguments: Any, original: Any = method, **options: Any) -> Any:
            seen.append(original.__name__)
            return original(self, *arguments, **options)

        monkeypatch.setattr(S3Storage, name, spied)
    store, record = open_store(s3_uri), records.training("x")
    store.record_cell(record, [records.report(f"b{number}") for number in range(7)])
    assert seen == ["names", "write_exclusive"]

    seen.clear()
    for number in range(7):
        store.record_report(record.train_key, record.summary.checkpoint_sha256, records.report(f"b{number}"))
    assert seen == []


def test_a_crash_before_the_one_write_leaves_nothing_that_counts(
    s3_uri: str, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(self: S3Storage, path: str, data: bytes, *, durable: bool = True) -> bool:
        raise KeyboardInterrupt

    record, report = records.training("x"), records.report("c", arrays=True)
    with monkeypatch.context() as patch:
        patch.setattr(S3Storage, "write_exclusive", crash)
        with pytest.raises(KeyboardInterrupt):
            open_store(s3_uri).record_cell(record, [report])
    assert open_store(s3_uri).result(record.train_key) is None

    assert open_store(s3_uri).record_cell(record, [report])
    found = open_store(s3_uri).result(record.train_key)
    assert list(found.reports[report.benchmark_key].outcome.arrays["labels"]) == [0, 1, 2]


def test_a_bundle_is_indexed_like_single_files(s3_uri: str, records: Any) -> None:
    wanted = {}
    for number in range(10):
        record = records.training(f"cell {number}")
        reports = [records.report("clean"), records.report("c")]
        open_store(s3_uri).record_cell(record, reports)
        wanted[record.train_key] = [report.benchmark_key for report in reports]
    first = open_store(s3_uri).results(wanted)
    assert hashlib.sha256(b"clean").hexdigest() in first[next(iter(wanted))].reports

    again = open_store(s3_uri).results(wanted, wanted=wanted)

    assert {key: set(found.reports) for key, found in again.items()} == {k: set(v) for k, v in wanted.items()}


def test_a_record_that_is_listed_twice_is_refused(texts: tuple[bytes, dict[str, bytes]]) -> None:
    training, reports = texts
    (name, text), *_ = reports.items()
    sizes = [["training", len(training)], [name, len(text)], [name, len(text)]]
    data = seal("bundle", VERSION, {"records": sizes}) + training + text + text

    with pytest.raises(CorruptRecordError, match="each once"):
        unbundled(data, "here")


def test_a_field_that_the_format_lacks_is_refused() -> None:
    class Small(Document, frozen=True):
        size: int

    assert decode(b'{"size": 1}', "here", Small).size == 1
    with pytest.raises(CorruptRecordError, match="colour"):
        decode(b'{"size": 1, "colour": 2}', "here", Small)


def test_a_record_of_another_version_names_both() -> None:
    with pytest.raises(CorruptRecordError, match="must have version 1, but this one has 2"):
        check_seal(seal("report", 2, {}), "report", 1, "here")
