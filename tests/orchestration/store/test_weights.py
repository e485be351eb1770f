"""Results belong to weights: what is recorded of bit-identical networks is recorded of one network."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from pathlib import Path
from typing import Any

import pytest

from orchestration.cli import main
from orchestration.store import reading
from orchestration.store.contract import CorruptRecordError, TrainingRecord
from orchestration.store.files import FileStore
from orchestration.store.open import open_store


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


WEIGHTS = digest("weights")


def of_a_file(records: Any, name: str, file: str, *, at: float) -> TrainingRecord:
    """Return a record of an earlier version: the hash of the file in front, that of the weights in the environment."""
    record: TrainingRecord = records.training(name, checkpoint=file, at=at)
    return dataclasses.replace(
        record, summary=dataclasses.replace(record.summary, environment={"weights_sha256": WEIGHTS})
    )


def of_weights(records: Any, name: str, *, at: float, **environment: str) -> TrainingRecord:
    record: TrainingRecord = records.training(name, checkpoint="weights", at=at)
    return dataclasses.replace(record, summary=dataclasses.replace(record.summary, environment=environment))


def test_reports_of_an_earlier_version_count_for_the_retrained_bit_identical_network(records: Any, stores: Any) -> None:
    store = stores.open()
    old = of_a_file(records, "x", "file", at=1.0)
    store.record_cell(old, [records.report("clean", arrays=True)])

    new = of_weights(records, "x", at=2.0)
    store.record_cell(new, [records.report("pgd", error=0.7)])

    result = stores.open().result(old.train_key)
    assert result is not None
    assert result.training.summary.checkpoint_sha256 == WEIGHTS
    assert {report.benchmark for report in result.reports.values()} == {"clean", "pgd"}
    clean = result.reports[digest("clean")].outcome
    assert clean is not None
    assert clean.metrics["error"].value == 0.25
    assert clean.arrays["logits"].shape == (3, 4)


def test_reports_on_a_file_whose_weights_nobody_named_count_once_the_file_is_loaded(
    records: Any, store: FileStore
) -> None:
    nameless = records.training("x", checkpoint="file", at=1.0)
    store.record_cell(nameless, [records.report("clean")])
    store.record_training(of_weights(records, "x", at=2.0, file_sha256=digest("file")))
    result = store.result(nameless.train_key)
    assert result is not None
    assert [report.benchmark for report in result.reports.values()] == ["clean"]


def test_reports_on_other_weights_do_not_count(records: Any, store: FileStore) -> None:
    store.record_cell(of_a_file(records, "x", "file", at=1.0), [records.report("clean")])
    store.record_training(records.training("x", checkpoint="others", at=2.0))
    result = store.result(records.key("x"))
    assert result is not None
    assert not result.reports


def test_reports_of_before_an_invalidation_do_not_count(records: Any, store: FileStore) -> None:
    store.record_cell(of_a_file(records, "x", "file", at=1.0), [records.report("clean")])
    store.invalidate(records.key("x"), "wrong")
    store.record_training(of_weights(records, "x", at=2.0))
    result = store.result(records.key("x"))
    assert result is not None
    assert not result.reports


def test_the_index_has_reports_of_all_folders(
    records: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hide_records: Any
) -> None:
    monkeypatch.setattr(reading, "INDEX_FROM", 1)
    store = open_store(tmp_path)
    store.record_cell(of_a_file(records, "x", "file", at=1.0), [records.report("clean", arrays=True)])
    store.record_cell(of_weights(records, "x", at=2.0), [records.report("pgd")])
    assert open_store(tmp_path).result(records.key("x")) is not None
    assert list((tmp_path / "index").iterdir())
    hide_records()
    result = open_store(tmp_path).result(records.key("x"))
    assert result is not None
    assert len(result.reports) == 2
    outcome: Any = result.reports[digest("clean")].outcome
    assert outcome.arrays["labels"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("suffix", [".toc.json", ".body"])
@pytest.mark.parametrize("damage", ["bit", "truncated", "emptied", "deleted"])
def test_a_damaged_segment_is_read_past(
    records: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, damage: str
) -> None:
    monkeypatch.setattr(reading, "INDEX_FROM", 1)
    store = open_store(tmp_path)
    for name in ("x", "y"):
        store.record_cell(records.training(name), [records.report("clean", error=0.25 if name == "x" else 0.5)])
    keys = [records.key("x"), records.key("y")]
    open_store(tmp_path).results(keys)
    (path,) = (tmp_path / "index").glob(f"*{suffix}")
    whole = path.read_bytes()
    positions = range(0, len(whole), max(1, len(whole) // 60)) if damage == "bit" else [0]
    for position in positions:
        if damage == "deleted":
            path.unlink()
        else:
            flipped = whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]
            path.write_bytes({"bit": flipped, "truncated": whole[:-1], "emptied": b""}[damage])
        results = open_store(tmp_path).results(keys)
        values = [results[key].reports[digest("clean")].outcome for key in keys]
        assert [value.metrics["error"].value for value in values if value] == [0.25, 0.5]
        for segment in (tmp_path / "index").iterdir():
            if segment != path:
                continue
            segment.write_bytes(whole)


def test_an_earlier_training_never_stands_in_for_the_newest_one_whose_record_is_gone(
    records: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error of 0.5 of the earlier network was shown with exit code 0 where 0.25 had been."""
    monkeypatch.setattr(reading, "INDEX_FROM", 1)
    store, key = open_store(tmp_path), records.key("x")
    store.record_cell(records.training("x", checkpoint="earlier", at=1.0), [records.report("clean", error=0.5)])
    assert store.result(key) is not None  # a segment of the index has it as the newest
    store.record_cell(records.training("x", checkpoint="newest", at=2.0), [records.report("clean", error=0.25)])
    training = tmp_path / "results" / key / digest("newest") / "training.json"
    whole = training.read_bytes()

    training.write_bytes(whole[:-9])
    with pytest.raises(CorruptRecordError, match=f"cells invalidate {key[:12]} --reason damaged") as truncated:
        open_store(tmp_path).result(key)
    training.unlink()
    with pytest.raises(CorruptRecordError, match=f"is gone: .*cells invalidate {key[:12]} --reason damaged"):
        open_store(tmp_path).result(key)
    assert "remove that file" not in str(truncated.value)

    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))
    assert main(["cells", "invalidate", key[:12], "--reason", "damaged", "--storage", str(tmp_path)]) == 0
    assert open_store(tmp_path).result(key) is None
    training.write_bytes(whole)
    assert open_store(tmp_path).result(key) is None


def test_reports_without_their_training_are_ignored_where_the_cell_was_trained_since(
    records: Any, tmp_path: Path
) -> None:
    store, key = open_store(tmp_path), records.key("x")
    store.record_cell(records.training("x", checkpoint="earlier", at=1.0), [records.report("clean", error=0.5)])
    (tmp_path / "results" / key / digest("earlier") / "training.json").unlink()
    assert open_store(tmp_path).result(key) is None

    store.record_cell(records.training("x", checkpoint="other", at=time.time() + 1), [records.report("clean")])

    result = open_store(tmp_path).result(key)
    assert result is not None
    assert result.training.summary.checkpoint_sha256 == digest("other")
