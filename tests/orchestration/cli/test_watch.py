"""`watch` on the command line: a screen on a terminal, one snapshot elsewhere, and the exit code of `status`."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestration.cells.load import load_sweep
from orchestration.cli import main
from orchestration.runs.watching import screen
from orchestration.runs.watching.looks import Looks
from orchestration.runs.watching.snapshot import Snapshot
from orchestration.store.files import FileStore
from orchestration.store.open import open_store
from tests.fakes.recorded_sweep import record_cell


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileStore:
    monkeypatch.setenv("DREAMGRID_STORAGE", str(tmp_path))
    return open_store(tmp_path)


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[Snapshot]:
    """Let the command find a terminal; return what its screen was opened with."""
    opened: list[Snapshot] = []

    def follow(looks: Looks, first: Snapshot) -> Snapshot:
        opened.append(first)
        return first

    monkeypatch.setattr(screen, "follow", follow)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True, raising=False)
    return opened


def test_elsewhere_than_on_a_terminal_one_snapshot_is_printed(
    store: FileStore, capsys: pytest.CaptureFixture[str]
) -> None:
    record_cell(load_sweep("demo", size="smoke").cells[0], store)

    assert main(["watch", "demo", "--smoke"]) == 1  # a column that is empty though its benchmark is recorded
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["demo-smoke: Five methods on the digits", "no driver runs it", "5 cells: 1 done, 4 waiting"]
    assert any(line.startswith("cost so far: 1 s of device time") for line in lines)
    assert any(line.split()[1:4] == ["Baseline", "0", "done"] for line in lines)
    assert any(line.startswith("| Baseline |") for line in lines)


@pytest.mark.parametrize("columns", ["120", "80", "50"])
def test_a_snapshot_is_no_wider_than_the_terminal(
    columns: str, store: FileStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    assert main(["watch", "demo", "--smoke"]) == 0
    listed = [line for line in capsys.readouterr().out.splitlines() if " waiting" in line and "cells" not in line]
    assert len(listed) == 5
    assert all(len(line) <= int(columns) for line in listed)


def test_a_terminal_gets_the_screen_and_once_does_not(
    store: FileStore, on_terminal: list[Snapshot], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", "demo", "--smoke"]) == 0
    assert [shown.label for shown in on_terminal] == ["demo-smoke"]
    assert capsys.readouterr().out == ""

    assert main(["watch", "demo", "--smoke", "--once"]) == 0
    assert len(on_terminal) == 1
    assert "5 cells: 5 waiting" in capsys.readouterr().out


def test_a_terminal_that_cannot_be_drawn_on_gets_a_snapshot(
    store: FileStore, on_terminal: list[Snapshot], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "dumb")

    assert main(["watch", "demo", "--smoke"]) == 0
    assert on_terminal == []
    assert "5 waiting" in capsys.readouterr().out


def test_costs_are_in_the_prices_of_the_machine_that_is_named(
    store: FileStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", "demo", "--smoke", "--machine", "l4"]) == 0
    assert " on l4" in capsys.readouterr().out
    assert main(["watch", "demo", "--smoke", "--machine", "l5"]) == 2
