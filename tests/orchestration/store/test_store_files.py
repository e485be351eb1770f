"""The store's files: processes that race, drivers that die, damage that is named, an index that can be thrown away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clusters.storage.contract import StorageError
from clusters.storage.local import LocalStorage
from clusters.temporary.owners import describe, is_dead, owner_here
from orchestration.store.contract import CorruptRecordError
from orchestration.store.format.documents import body_text, seal
from orchestration.store.format.records import decode_attempt, decode_training, encode_attempt, encode_training
from orchestration.store.leases import FileLeases
from orchestration.store.open import open_store

HOLDER = """
import sys, time
from orchestration.store.open import open_store
from clusters.temporary.owners import owner_here
store = open_store(sys.argv[1])
print("held" if store.acquire(sys.argv[2], owner_here()) else "refused", flush=True)
time.sleep(60)
"""

WRITER = """
import pickle, sys, time
from orchestration.store.open import open_store
store, (start, training, reports) = open_store(sys.argv[1]), pickle.load(sys.stdin.buffer)
while time.time() < start:
    pass
won = [store.record_training(training)]
won += [store.record_report(training.train_key, training.summary.checkpoint_sha256, report) for report in reports]
won.append(store.acquire("shared", sys.argv[2]) is not None)
print(*map(int, won))
"""


def record_cells(store: Any, records: Any, count: int, *, epochs: int = 2, reports: int = 1) -> list[str]:
    keys = []
    for i in range(count):
        training = records.training(str(i), epochs=epochs)
        store.record_training(training)
        for j in range(reports):
            store.record_report(training.train_key, training.summary.checkpoint_sha256, records.report(f"b{j}"))
        keys.append(training.train_key)
    return keys


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of records need not survive a power cut here."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def test_each_record_and_lease_has_one_winner_among_processes(tmp_path: Path, records: Any) -> None:
    import pickle

    start = time.time() + 1.5
    drivers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name], stdin=-1, stdout=-1, text=False)
        for name in ("a", "b", "c")
    ]
    answers = []
    for number, driver in enumerate(drivers):
        reports = [records.report(f"b{i}", error=number / 10, arrays=i % 2 == 0) for i in range(20)]
        assert driver.stdin is not None
        driver.stdin.write(pickle.dumps((start, records.training("x", at=float(number)), reports)))
        driver.stdin.close()
    for driver in drivers:
        assert driver.stdout is not None
        answers.append([int(word) for word in driver.stdout.read().split()])
        assert driver.wait() == 0

    assert [sum(wins) for wins in zip(*answers, strict=True)] == [1] * 22
    found = open_store(tmp_path).result(records.key("x"))
    assert found.training.provenance.recorded_at == next(i for i, wins in enumerate(answers) if wins[0])
    for i in range(20):
        outcome = found.reports[records.report(f"b{i}").benchmark_key].outcome
        assert outcome.metrics["error"].value == next(j for j, wins in enumerate(answers) if wins[1 + i]) / 10
        assert len(outcome.arrays.get("labels", ())) == (3 if i % 2 == 0 else 0)


def test_the_lease_of_a_killed_driver_on_this_host_is_free_at_once(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path), "cell"], stdout=-1, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    store = open_store(tmp_path)
    assert store.acquire("cell", owner_here()) is None
    assert f"process {holder.pid} on " in describe(store.holders(["cell"])["cell"])

    holder.send_signal(signal.SIGKILL)
    holder.wait()

    assert store.holders(["cell"]) == {}
    assert store.acquire("cell", owner_here()) is not None


def test_an_owner_is_dead_only_when_this_host_knows(tmp_path: Path) -> None:
    here = owner_here()
    host, boot, pid, started, token = here.split("/")

    assert not is_dead(here)
    assert not is_dead("a free name")
    assert is_dead("/".join([host, boot, pid, str(int(started) - 1), token]))
    assert not is_dead("/".join(["elsewhere", boot, "999999", started, token]))
    assert not is_dead("/".join([host, "before-the-reboot", "999999", started, token]))
    assert is_dead("/".join([host, boot, "99999999", started, token]))


def test_a_lease_file_of_garbage_goes_stale_like_any_other(tmp_path: Path) -> None:
    now = [0.0]
    store = open_store(tmp_path)
    store.storage.write_bytes("leases/cell/000007.json", b'{"own')
    leases = FileLeases(store.storage, expiry_s=60, clock=lambda: now[0])
    assert leases.acquire("cell", "me") is None
    now[0] = 60.0

    assert leases.acquire("cell", "me").generation == 8


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda data: data[: len(data) // 2], "truncated or altered"),
        (lambda data: data.replace(b"pixmix", b"PIXMIX"), "truncated or altered"),
        (lambda data: b"", "this is not one"),
        (lambda data: b"[]", "this is not one"),
        (lambda data: data.replace(b'"version":1', b'"version":2', 1), "version 1, but this one has 2"),
        (lambda data: data.replace(b"dreamgrid/training", b"dreamgrid/attempt"), "this is not one"),
    ],
)
def test_a_damaged_record_is_named_and_never_trusted(tmp_path: Path, records: Any, damage: Any, complaint: str) -> None:
    store = open_store(tmp_path)
    training = records.training("x")
    store.record_training(training)
    file = next(tmp_path.glob("results/*/*/training.json"))
    file.write_bytes(damage(file.read_bytes()))

    with pytest.raises(CorruptRecordError, match=complaint) as refusal:
        open_store(tmp_path).result(training.train_key)
    assert str(file) in str(refusal.value)

    file.unlink()
    assert store.result(training.train_key) is None
    assert store.record_training(training)


def test_a_record_in_the_wrong_place_is_refused(tmp_path: Path, records: Any) -> None:
    store = open_store(tmp_path)
    store.record_training(records.training("x"))
    wrong = tmp_path / "results" / records.key("y")
    next(tmp_path.glob("results/*")).rename(wrong)

    with pytest.raises(CorruptRecordError, match="must be stored where it belongs"):
        store.result(records.key("y"))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"extra": 1}, "unknown field `extra`"),
        ({"message": None}, r"Expected `str`, got `null` - at `\$\.message`"),
        ({"attempt": True}, r"Expected `int`, got `bool` - at `\$\.attempt`"),
        ({"error_class": "gremlins"}, r"'gremlins' - at `\$\.error_class`"),
        ({"context": {"loss": float("nan")}, "ended_at": "now"}, r"Expected `float`, got `str` - at `\$\.ended_at`"),
    ],
)
def test_fields_of_another_type_are_named(records: Any, changes: dict[str, Any], fault: str) -> None:
    body = msgspec.structs.asdict(records.attempt("x")) | changes

    with pytest.raises(CorruptRecordError, match=f"must follow its format, but: .*{fault}.*'here'; remove that file"):
        decode_attempt(seal("attempt", 1, body), "here")


def test_a_missing_field_is_named(records: Any) -> None:
    body = msgspec.structs.asdict(records.attempt("x"))
    del body["message"]

    with pytest.raises(CorruptRecordError, match="missing required field `message`"):
        decode_attempt(seal("attempt", 1, body), "here")


HELD_OUT = {"validation_loss": 0.5, "validation_accuracy": 0.75}
GPU = {"gpu_busy": 0.93, "gpu_memory_mib": 2048.0, "gpu_power_w": 250.5}


@pytest.mark.parametrize("values", [{}, HELD_OUT, GPU, {**HELD_OUT, **GPU}, {"gpu_memory_mib": 2048.0}])
def test_epochs_have_the_columns_that_something_was_measured_for(records: Any, values: dict[str, float]) -> None:
    training = records.training("x")
    rows = tuple(replace(row, **values) for row in training.summary.epochs)
    record = replace(training, summary=replace(training.summary, epochs=rows))

    data = encode_training(record)

    columns = json.loads(body_text(data, "training", 1))["epoch_columns"]
    assert ("validation_loss" in columns, "gpu_busy" in columns) == (
        "validation_loss" in values,
        "gpu_memory_mib" in values,
    )
    assert decode_training(data, "here") == record


def test_a_training_that_came_to_a_gpu_halfway_keeps_what_is_known(records: Any) -> None:
    training = records.training("x")
    first, second = training.summary.epochs
    record = replace(training, summary=replace(training.summary, epochs=(first, replace(second, **GPU))))

    found = decode_training(encode_training(record), "here")

    assert [row.gpu_busy for row in found.summary.epochs] == [None, 0.93]


def test_numbers_that_json_lacks_come_back(records: Any) -> None:
    attempt = msgspec.structs.replace(records.attempt("x"), context={"loss": float("inf")}, started_at=float("-inf"))

    assert decode_attempt(encode_attempt(attempt), "here") == attempt


def test_damaged_arrays_are_named_when_asked_for(tmp_path: Path, records: Any) -> None:
    store = open_store(tmp_path)
    training, report = records.training("x"), records.report("c", arrays=True)
    store.record_training(training)
    store.record_report(training.train_key, training.summary.checkpoint_sha256, report)
    file = next(tmp_path.glob("results/*/*/*.npz"))
    file.write_bytes(file.read_bytes()[:-5])

    outcome = store.result(training.train_key).reports[report.benchmark_key].outcome

    assert outcome.metrics["error"].value == 0.25
    with pytest.raises(CorruptRecordError, match="arrays must have the recorded SHA-256"):
        outcome.arrays["labels"]


def test_records_are_one_line_of_plain_json(tmp_path: Path, records: Any) -> None:
    store = open_store(tmp_path)
    store.record_training(records.training("x"))
    document = json.loads(next(tmp_path.glob("results/*/*/training.json")).read_text())

    assert document["format"] == "dreamgrid/training"
    assert document["record"]["provenance"]["config"]["method"] == "pixmix"


@pytest.mark.usefixtures("quick_disk")
def test_an_index_is_written_and_used(tmp_path: Path, records: Any, hide_records: Any) -> None:
    store = open_store(tmp_path)
    keys = record_cells(store, records, 60)
    first = store.results(keys)
    assert len(list(tmp_path.glob("index/*.body"))) == 1

    hide_records()
    again = open_store(tmp_path).results(keys)

    assert {key: cell.training for key, cell in again.items()} == {key: cell.training for key, cell in first.items()}
    assert all(dict(again[key].reports).keys() == dict(first[key].reports).keys() for key in keys)


@pytest.mark.usefixtures("quick_disk")
def test_an_index_never_hides_what_was_recorded_or_invalidated_later(tmp_path: Path, records: Any) -> None:
    store = open_store(tmp_path)
    keys = record_cells(store, records, 60)
    store.results(keys)
    newer = records.training("0", checkpoint="newer", at=2000.0)
    store.record_training(newer)
    store.record_report(keys[1], records.training("1").summary.checkpoint_sha256, records.report("later"))
    store.invalidate(keys[2], "wrong")

    found = open_store(tmp_path).results(keys)

    assert found[keys[0]].training == newer
    assert len(found[keys[1]].reports) == 2
    assert keys[2] not in found
    assert len(found) == 59


@pytest.mark.usefixtures("quick_disk")
@pytest.mark.parametrize("damage", ["truncate", "garbage", "remove-body", "remove-all", "flip"])
def test_a_damaged_or_absent_index_changes_no_answer(tmp_path: Path, records: Any, damage: str) -> None:
    store = open_store(tmp_path)
    keys = record_cells(store, records, 55)
    expected = {key: cell.training for key, cell in store.results(keys).items()}
    table, body = next(tmp_path.glob("index/*.toc.json")), next(tmp_path.glob("index/*.body"))
    if damage == "truncate":
        body.write_bytes(body.read_bytes()[:1000])
    elif damage == "garbage":
        table.write_bytes(b'{"format": "dreamgrid/index/1", "cells": {"x": 3}}')
    elif damage == "flip":
        body.write_bytes(bytes(byte ^ 1 for byte in body.read_bytes()))
    else:
        body.unlink()
    if damage == "remove-all":
        table.unlink()

    found = open_store(tmp_path).results(keys)

    assert {key: cell.training for key, cell in found.items()} == expected
    assert {key: cell.training for key, cell in open_store(tmp_path).results(keys).items()} == expected


@pytest.mark.usefixtures("quick_disk")
def test_segments_are_merged_when_there_are_many(
    tmp_path: Path, records: Any, monkeypatch: pytest.MonkeyPatch, hide_records: Any
) -> None:
    monkeypatch.setattr("orchestration.store.reading.INDEX_FROM", 1)
    writer = open_store(tmp_path)
    keys = record_cells(writer, records, 12)
    for key in keys:
        open_store(tmp_path).results([key])

    assert len(list(tmp_path.glob("index/*.toc.json"))) < 9
    hide_records()
    assert len(open_store(tmp_path).results(keys)) == 12


@pytest.mark.usefixtures("quick_disk")
def test_a_read_only_store_is_read_without_an_index(
    tmp_path: Path, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = record_cells(open_store(tmp_path), records, 55)
    store = open_store(tmp_path)

    def refused(path: str, data: bytes, *, durable: bool = True) -> None:
        raise StorageError("permission", path, "access is denied")

    monkeypatch.setattr(store.storage, "write_bytes", refused)

    assert len(store.results(keys)) == 55


@pytest.mark.slow
@pytest.mark.usefixtures("quick_disk")
def test_a_thousand_cells_among_ten_thousand_are_read_without_opening_a_record(
    tmp_path: Path, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look for the files of each cell and one piece of the index; `benchmarks.scale` says what that takes."""
    store = open_store(tmp_path)
    keys = record_cells(store, records, 10_000, epochs=5, reports=2)
    open_store(tmp_path).results(keys)
    calls: Counter[str] = Counter()
    for name in ("read_bytes", "read_range", "names", "list", "write_bytes"):
        method = getattr(LocalStorage, name)

        def counted(self: LocalStorage, *arguments: Any, original: Any = method, **options: Any) -> Any:
            calls[original.__name__] += 1
            return original(self, *arguments, **options)

        monkeypatch.setattr(LocalStorage, name, counted)
    wanted = keys[::10]

    found = open_store(tmp_path).results(wanted)
    errors = [report.outcome.metrics["error"].value for cell in found.values() for report in cell.reports.values()]

    assert len(errors) == 2000
    assert calls == {"read_range": 1000, "names": 2002, "read_bytes": 1}


def test_a_driver_killed_while_it_records_leaves_a_readable_store(tmp_path: Path, records: Any) -> None:
    import pickle

    code = (
        "import os, pickle, sys\n"
        "from orchestration.store.open import open_store\n"
        "store, training, report, left = open_store(sys.argv[1]), *pickle.load(sys.stdin.buffer)\n"
        "calls = [0]\n"
        "def fatal(descriptor):\n"
        "    calls[0] += 1\n"
        "    if calls[0] > left: os.kill(os.getpid(), 9)\n"
        "os.fsync = fatal\n"
        "store.record_training(training)\n"
        "store.record_report(training.train_key, training.summary.checkpoint_sha256, report)\n"
    )
    training, report = records.training("x"), records.report("c", arrays=True)
    seen = []
    for left in range(4):
        place = tmp_path / str(left)
        subprocess.run(
            [sys.executable, "-c", code, str(place)], input=pickle.dumps((training, report, left)), check=False
        )
        found = open_store(place).result(training.train_key)
        seen.append(None if found is None else len(found.reports))
        again = open_store(place)
        again.record_training(training)
        again.record_report(training.train_key, training.summary.checkpoint_sha256, report)
        assert len(again.result(training.train_key).reports[report.benchmark_key].outcome.arrays["labels"]) == 3

    assert seen == [None, 0, 0, 1]


def test_plain_use_imports_nothing_heavy(tmp_path: Path, records: Any) -> None:
    record_cells(open_store(tmp_path), records, 1)
    code = (
        "import sys\nfrom orchestration.store.open import open_store\n"
        "store = open_store(sys.argv[1])\n"
        "print(len(store.results(store.train_keys())), store.failures(store.train_keys()))\n"
        "print(sorted({'boto3', 'matplotlib', 'mlflow', 'numba', 'pandas', 'ray', 'scipy', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["1 {}", "[]"]


def test_replace_keeps_lazily_read_results_whole(tmp_path: Path, records: Any) -> None:
    store = open_store(tmp_path)
    (key,) = record_cells(store, records, 1)
    found = store.result(key)

    assert replace(found, reports=dict(found.reports)).reports.keys() == found.reports.keys()
