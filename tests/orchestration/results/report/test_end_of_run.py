"""What follows the grid of a run: sentences, the report in the storage, and commands that go on from there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clusters.storage.contract import StorageError
from clusters.storage.local import LocalStorage
from orchestration.cells.load import load_sweep
from orchestration.cli import main
from orchestration.runs.afterwards import one_more_seed
from orchestration.sweeps.model import Overrides

Recorded = Callable[..., Path]


def run(storage: Path, *options: str) -> int:
    return main(
        ["run", "demo", "--smoke", "--seeds", "0,1", "--storage", str(storage), "--tracking-uri", "none", *options]
    )


def test_a_run_ends_with_sentences_its_report_and_the_next_commands(
    recorded_store: Recorded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = recorded_store("demo", "smoke")
    monkeypatch.chdir(storage.parent)
    monkeypatch.setenv("COLUMNS", "400")  # a line for each command

    assert run(storage) == 0
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    report = storage / "reports" / "demo-smoke.html"
    commands = [line.partition(":")[2].strip() for line in lines[lines.index("next:") + 1 :]]

    assert "improve" not in printed.out
    assert any(line.startswith("No row is shown to improve on Baseline in any column (by") for line in lines)
    assert f"report: {report.relative_to(storage.parent)}" in lines
    assert report.read_text().startswith("<!doctype html>")
    assert [shlex.split(each)[1:3] for each in commands] == [["ui", "--storage"], ["plan", "demo"], ["run", "demo"]]
    assert commands[2] == f"dreamgrid run demo --smoke --storage {storage} --tracking-uri none --seeds 0,1,2"


def test_the_document_of_a_run_has_the_sentences_and_the_report(
    recorded_store: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = recorded_store("demo", "smoke")

    assert run(storage, "--json") == 0
    document = json.loads(capsys.readouterr().out)

    assert document["report"] == f"{storage}/reports/demo-smoke.html"
    assert len(document["summary"]) == 2


def test_a_run_that_only_reads_writes_no_report(recorded_store: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    storage = recorded_store("demo", "smoke")

    assert run(storage, "--mode", "read-only") == 0
    assert not (storage / "reports").exists()
    assert f"write the report:          dreamgrid report demo --smoke --seeds 0,1 --storage {storage}" in (
        capsys.readouterr().err
    )


def test_a_storage_that_takes_no_report_does_not_fail_the_run(
    recorded_store: Recorded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = recorded_store("demo", "smoke")
    write = LocalStorage.write_bytes

    def refused(self: LocalStorage, path: str, data: bytes, *, durable: bool = True) -> None:
        if path.startswith("reports/"):
            raise StorageError("permission", path, "access is denied")
        write(self, path, data, durable=durable)

    monkeypatch.setattr(LocalStorage, "write_bytes", refused)

    assert run(storage) == 0
    assert "write the report: " in capsys.readouterr().err


def test_one_more_seed_is_the_next_that_is_free_where_all_rows_have_the_same() -> None:
    loaded = {
        seeds: load_sweep("demo", size="smoke", overrides=Overrides(seeds=seeds)) for seeds in ((0,), (0, 1), (1, 4))
    }

    assert {seeds: one_more_seed(each) for seeds, each in loaded.items()} == {
        (0,): "0,1",
        (0, 1): "0,1,2",
        (1, 4): "0,1,4",
    }
    assert one_more_seed(replace(loaded[0, 1], points=loaded[0, 1].points[1:])) is None
