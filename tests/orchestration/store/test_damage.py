"""Every kind of file in a store, damaged in every way: readers see what was recorded, or an error; never another value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clusters.storage.contract import StorageError
from orchestration.cli import main
from orchestration.errors import SweepError
from orchestration.store import reading
from orchestration.store.contract import CorruptRecordError, MeasuredSeconds, StoreError
from orchestration.store.format.documents import seal
from orchestration.store.open import open_store


def flips(path: Path) -> list[bytes]:
    """Return the file with one bit changed at each of some places, the first and the last byte among them."""
    whole = path.read_bytes()
    places = sorted({0, len(whole) - 1, *range(0, len(whole), max(1, len(whole) // 5))})
    return [whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :] for at in places]


DAMAGES: dict[str, Callable[[Path], list[bytes | None]]] = {
    "one bit": lambda path: list(flips(path)),
    "truncated": lambda path: [path.read_bytes()[:-1], path.read_bytes()[: path.stat().st_size // 2]],
    "emptied": lambda path: [b""],
    "deleted": lambda path: [None],
}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def recorded(folder: Path, records: Any, *, is_indexed: bool) -> None:
    store = open_store(folder)
    for name in ("x", "y"):
        lease = store.acquire(records.key(name), "driver")
        assert lease is not None
        store.record_cell(records.training(name), [records.report("clean", arrays=True)])
        store.record_attempt(records.attempt(name))
        store.release(lease)
    store.invalidate(records.key("y"), "wrong")
    store.record_calibration("v100", "here", MeasuredSeconds(training={("digits", "m", "x"): 0.5}, evaluation={}))
    store.request("sweep", "pause")
    if is_indexed:
        open_store(folder).results([records.key("x"), records.key("y")])


Seen = dict[str, Any]


def seen(folder: Path, records: Any) -> Seen:
    """Return what a reader sees; an error stands for itself."""

    def value(read: Callable[[Any], Any]) -> Any:
        try:
            return read(open_store(folder))
        except (StoreError, StorageError, SweepError) as error:
            return error

    def clean(store: Any, name: str) -> Any:
        result = store.result(records.key(name))
        report = None if result is None else result.reports.get(digest("clean"))
        return None if report is None else report.outcome

    def error_of(store: Any, name: str) -> Any:
        outcome = clean(store, name)
        return outcome and outcome.metrics["error"].value

    def logits(store: Any) -> Any:
        outcome = clean(store, "x")
        return outcome and outcome.arrays["logits"].tolist()

    def losses(store: Any) -> Any:
        result = store.result(records.key("x"))
        return result and [row.loss for row in result.training.summary.epochs]

    def calibrated(store: Any) -> Any:
        damaged: list[Exception] = []
        found = store.calibrated("v100", damaged.append)
        return damaged[0] if damaged else dict(found.training)

    return {
        "error": value(lambda store: error_of(store, "x")),
        "invalidated": value(lambda store: error_of(store, "y")),
        "arrays": value(logits),
        "epochs": value(losses),
        "attempts": value(lambda store: [each.message for each in store.attempts(records.key("x"))]),
        "calibration": value(calibrated),
    }


@pytest.mark.parametrize("is_indexed", [False, True], ids=["files", "index"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_no_damage_becomes_another_value(
    tmp_path: Path, records: Any, monkeypatch: pytest.MonkeyPatch, damage: str, is_indexed: bool
) -> None:
    monkeypatch.setattr(reading, "INDEX_FROM", 1 if is_indexed else 10**6)
    recorded(tmp_path, records, is_indexed=is_indexed)
    expected = seen(tmp_path, records)
    assert expected["error"] == 0.25
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    for path in files:
        if damage == "deleted" and path.parts[-3] == "tombstones":
            continue  # whoever deletes a tombstone takes an invalidation back
        whole = path.read_bytes()
        for content in DAMAGES[damage](path):
            path.write_bytes(content) if content is not None else path.unlink()
            for what, found in seen(tmp_path, records).items():
                is_gone = content is None and found in (None, [], {})
                is_told = isinstance(found, Exception) or is_gone
                assert found == expected[what] or is_told, (path, what, found)
            path.write_bytes(whole)
            for another in set(tmp_path.rglob("*.*")) - set(files):
                another.unlink()
    kinds = {path.relative_to(tmp_path).parts[0] for path in files}
    assert {"results", "tombstones", "attempts", "leases", "calibrations", "control"} <= kinds
    assert ("index" in kinds) == is_indexed


def test_a_damaged_record_ends_a_command_as_the_environments_fault(
    tmp_path: Path, records: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = open_store(tmp_path / "storage")
    store.record_cell(records.training("x"), [records.report("clean")])
    (path,) = tmp_path.rglob("training.json")
    path.write_bytes(path.read_bytes()[:-9])
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))

    assert main(["cells", "show", records.key("x")[:12], "--storage", str(tmp_path / "storage")]) == 3

    assert "truncated or altered" in capsys.readouterr().err


def test_a_damaged_cell_blocks_no_verb_that_is_about_others(
    tmp_path: Path, records: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`plan` learns costs from every cell, `cells list` and `cells gc` go through all: one damaged record ended all three."""
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("orchestration.results.collection.reachable_keys", lambda *_, **__: frozenset())
    options = ["--storage", str(tmp_path / "storage")]
    store = open_store(tmp_path / "storage")
    for name in ("x", "y", "z"):
        store.record_cell(records.training(name), [records.report("clean")])
    damaged, swapped, whole = (records.key(name) for name in ("x", "y", "z"))
    (training,) = (tmp_path / "storage" / "results" / damaged).rglob("training.json")
    training.write_bytes(training.read_bytes()[:-9])
    (report,) = (tmp_path / "storage" / "results" / swapped).rglob(f"{digest('clean')}.json")
    (other,) = (tmp_path / "storage" / "results" / whole).rglob(f"{digest('clean')}.json")
    report.write_bytes(other.read_bytes())

    assert main(["plan", "demo", "--smoke", *options]) == 0
    planned = capsys.readouterr()
    assert main(["cells", "list", *options]) == 0
    listed = capsys.readouterr()
    assert main(["cells", "gc", *options]) == 0
    collected = capsys.readouterr()

    for shown in (planned, listed, collected):
        assert str(training) in shown.err
        assert str(report) in shown.err
    lines = {line[:12]: line for line in listed.out.splitlines()}
    assert "not valid: not whole" in lines[damaged[:12]]
    assert "not valid: not whole" in lines[swapped[:12]]
    assert "not valid" not in lines[whole[:12]]
    assert whole[:12] in collected.out
    assert damaged[:12] not in collected.out, "it may be one that cannot be computed again"
    assert swapped[:12] not in collected.out


def test_hidden_files_of_desktops_are_no_records(
    tmp_path: Path, records: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A storage that was looked at in a file manager ended `plan`, `cells list` and `cells gc` with code 2."""
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("orchestration.results.collection.reachable_keys", lambda *_, **__: frozenset())
    folder = tmp_path / "storage"
    recorded(folder, records, is_indexed=False)
    store, key = open_store(folder), records.key("x")
    for name in ("sweeps", "calibrations/v100", "tombstones"):
        (folder / name).mkdir(exist_ok=True)
    places = [path for path in folder.rglob("*") if path.is_dir()]
    for place in places:
        for name in (".DS_Store", "._0001.json", "._training.json"):
            (place / name).write_bytes(b"\0\5\x16\7")

    assert store.train_keys() == tuple(sorted((key, records.key("y"))))
    assert open_store(folder).result(key).reports[digest("clean")].outcome.metrics["error"].value == 0.25
    assert store.sweeps() == ()
    assert [each.message for each in store.attempts(key)] == ["out of memory"]
    for verb in (["plan", "demo", "--smoke"], ["cells", "list"], ["cells", "gc"]):
        assert main([*verb, "--storage", str(folder)]) == 0, verb
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("version", "evaluation"), [(1, "judging"), (2, "evaluation")])
def test_a_calibration_of_an_earlier_version_is_read_and_written_again_as_the_third(
    tmp_path: Path, version: int, evaluation: str
) -> None:
    store, path = open_store(tmp_path), "calibrations/v100/{}.json".format(digest("here")[:16])
    rows = {"training": [["digits", "m", "x", 0.5]], evaluation: [["digits", "m", "clean", 0.25]]}
    store.storage.write_bytes(
        path, seal("calibration", version, {"machine": "v100", "hardware": "here", "at": 1.0, **rows})
    )
    damaged: list[CorruptRecordError] = []
    assert store.calibrated("v100", damaged.append).evaluation == {("digits", "m", "clean", "fp32"): 0.25}

    store.record_calibration("v100", "here", MeasuredSeconds(training={("digits", "m", "y", "bf16"): 1.0}))

    assert b'"version":3,' in store.storage.read_bytes(path)
    found = open_store(tmp_path).calibrated("v100", damaged.append)
    assert found.training == {("digits", "m", "x", "tf32"): 0.5, ("digits", "m", "y", "bf16"): 1.0}
    assert found.evaluation == {("digits", "m", "clean", "fp32"): 0.25}
    assert damaged == []


@pytest.mark.parametrize(
    ("file", "place", "wrong", "types"),
    [
        ("training", "summary.environment.byte_digests", None, "Expected `object`, got `null`"),
        ("training", "summary.environment.weights_sha256", ["a"], "got `array`"),
        ("training", "summary.environment.assumed", {"mean": "x"}, "Expected `array`, got `str`"),
        ("training", "summary.wall_s", "long", "Expected `float`, got `str`"),
        ("training", "provenance.config.recipe.epochs", "many", "Expected `float`, got `str`"),
        ("report", "notes.files", [1], "Expected `object`, got `array`"),
        ("report", "notes.missing", 3, "Expected `object`, got `int`"),
        ("report", "metrics", [], "Expected `object`, got `array`"),
    ],
)
def test_a_field_of_another_type_is_named_with_its_place_its_types_and_the_file(
    tmp_path: Path, records: Any, file: str, place: str, wrong: Any, types: str
) -> None:
    """Known fields of free mappings (environment, configuration, notes) ended readers in errors that named nothing."""
    store = open_store(tmp_path)
    store.record_cell(records.training("x"), [records.report("clean")])
    name = "training.json" if file == "training" else f"{digest('clean')}.json"
    (path,) = tmp_path.rglob(name)
    document = json.loads(path.read_bytes())
    *parents, last = place.split(".")
    body = document["record"]
    for parent in parents:
        body = body.setdefault(parent, {})
    body[last] = wrong
    path.write_bytes(seal(file, document["version"], document["record"]))

    def read() -> list[Any]:
        found = open_store(tmp_path).result(records.key("x"))
        return [] if found is None else list(found.reports.values())

    with pytest.raises(CorruptRecordError) as met:
        read()

    assert types in str(met.value)
    assert f"`$.{place}" in str(met.value)
    assert str(path) in str(met.value)
    assert "forget the cell" in str(met.value) or "remove that file" in str(met.value)
