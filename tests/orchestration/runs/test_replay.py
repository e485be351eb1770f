"""`sync` finds in the storage which sweeps were run on it, in which size, with which options and from which files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.load import load_sweep
from orchestration.cells.resolve import resolve_sweep
from orchestration.cells.resolved import ResolvedSweep
from orchestration.cli import main
from orchestration.planning.sweep_records import record_sweep
from orchestration.runs.until_decided import with_more_seeds
from orchestration.store.files import FileStore
from orchestration.store.open import open_store
from orchestration.sweeps.overrides import parse_overrides
from tests.fakes.recorded_sweep import record_as_run, record_cell
from tests.fakes.tracking import FakeServer

OWN = """
name: mine
title: Mine
base: {dataset: digits, model: wrn-10-1, recipe: digits}
axes:
  grid: {method: [baseline, cutout]}
table: {columns: [clean/error]}
"""


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DREAMGRID_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "storage"


@pytest.fixture
def store(storage: Path) -> FileStore:
    return open_store(storage)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """The tracking server behind every address."""
    server = FakeServer()
    monkeypatch.setattr("orchestration.tracking.sync.MlflowTracking", lambda uri, **_: server)
    monkeypatch.setattr("orchestration.runs.replay.check_tracking", lambda uri, **_: None)
    return server


def loaded(name: str, *assignments: str, seeds: str | None = None, **options: Any) -> ResolvedSweep:
    overrides = parse_overrides(assignments, seeds=seeds)
    return load_sweep(name, overrides=overrides, catalogue=builtin_catalogue(Path.cwd() / "data"), **options)


def synced(storage: Path, *arguments: str) -> int:
    return main(["sync", *arguments, "--storage", str(storage), "--tracking-uri", "http://tracking"])


def shown(server: FakeServer, experiment: str) -> set[str]:
    """Return the keys of the cells that have a run in an experiment."""
    runs = server.find([server.names[experiment]], {"kind": "cell"})
    return {run.tags["cell_key"] for run in runs}


def wanted(server: FakeServer, experiment: str) -> set[str]:
    """Return the keys of those that its views show."""
    runs = server.find([server.names[experiment]], {"kind": "cell", "wanted": "true"})
    return {run.tags["cell_key"] for run in runs}


def keys(resolved: ResolvedSweep) -> set[str]:
    return {cell.train_key for cell in resolved.cells}


@pytest.mark.parametrize(
    "options",
    [
        {"assignments": ("train.epochs=3", "train.lr=0.05")},
        {"assignments": ("benchmarks.c-generated.kinds=[brightness]", "benchmarks.clean.max_images=150")},
        {"assignments": ("evaluation.precision=bf16",)},
        {"assignments": ("train.crop=resized", "train.flip=false")},
        {"seeds": "3-5,9"},
        {"name": "table-3", "size": "small", "seeds": "0"},
        {"size": "full"},
    ],
    ids=str,
)
def test_a_sweep_is_replayed_with_the_options_of_its_run(
    options: dict[str, Any], storage: Path, store: FileStore, server: FakeServer
) -> None:
    options = dict(options)
    assignments = options.pop("assignments", ())
    resolved = loaded(*[options.pop("name", "demo"), *assignments], **{"size": "smoke", **options})
    record_as_run(resolved, store)

    assert synced(storage) == 0

    assert set(server.names) == {resolved.label}
    assert shown(server, resolved.label) == wanted(server, resolved.label) == keys(resolved)
    assert {run.status for run in server.runs.values() if run.tags["kind"] == "cell"} == {"FINISHED"}


def test_two_ways_of_running_one_sweep_are_both_shown_and_the_last_one_is_wanted(
    storage: Path, store: FileStore, server: FakeServer
) -> None:
    first, second = loaded("demo", size="smoke"), loaded("demo", "train.epochs=3", size="smoke")
    record_as_run(first, store)
    record_as_run(second, store)

    assert synced(storage) == 0

    assert shown(server, "demo-smoke") == keys(first) | keys(second)
    assert wanted(server, "demo-smoke") == keys(second)


def test_a_file_of_a_user_is_replayed_after_it_was_edited_and_after_it_is_gone(
    storage: Path, store: FileStore, server: FakeServer, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(OWN)
    before = loaded(str(file))
    record_as_run(before, store)
    file.write_text(OWN.replace("cutout", "mixup"))
    after = loaded(str(file))
    record_as_run(after, store)
    file.unlink()

    assert synced(storage) == 0

    assert shown(server, "mine") == keys(before) | keys(after)
    assert wanted(server, "mine") == keys(after)


def test_a_sweep_is_asked_for_by_the_name_in_its_file(
    storage: Path, store: FileStore, server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text(OWN)
    resolved = loaded(str(tmp_path / "mine.yaml"), "train.epochs=3")
    record_as_run(resolved, store)
    record_as_run(loaded("demo", size="smoke"), store)
    (tmp_path / "mine.yaml").unlink()

    assert synced(storage, "mine") == 0

    assert set(server.names) == {"mine"}
    assert shown(server, "mine") == keys(resolved)
    assert "mine: 2 cells" in capsys.readouterr().out


def test_a_file_that_was_edited_since_is_shown_as_it_is_now_too(
    storage: Path, store: FileStore, server: FakeServer, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(OWN)
    record_as_run(loaded(str(file)), store)
    file.write_text(OWN.replace("[baseline, cutout]", "[cutout]"))

    assert synced(storage, str(file)) == 0

    assert len(shown(server, "mine")) == 2
    assert wanted(server, "mine") == keys(loaded(str(file)))


def test_options_name_one_way_of_running(storage: Path, store: FileStore, server: FakeServer) -> None:
    first, second = loaded("demo", size="smoke"), loaded("demo", "train.epochs=3", size="smoke")
    record_as_run(first, store)
    record_as_run(second, store)

    assert synced(storage, "demo", "--smoke", "--set", "train.epochs=3") == 0

    assert shown(server, "demo-smoke") == keys(second)


def test_a_size_without_names_leaves_the_others_out(storage: Path, store: FileStore, server: FakeServer) -> None:
    for size in ("smoke", "full"):
        record_as_run(loaded("demo", size=size), store)

    assert synced(storage, "--smoke") == 0

    assert set(server.names) == {"demo-smoke"}


def test_a_union_is_replayed_from_the_texts_of_its_parts(storage: Path, store: FileStore, server: FakeServer) -> None:
    resolved = loaded("cifar-all", size="smoke")
    record_sweep(resolved, store)
    record_cell(resolved.cells[0], store)

    assert synced(storage) == 0

    assert shown(server, "cifar-all-smoke") == {resolved.cells[0].train_key}


def test_seeds_that_were_added_until_verdicts_were_decided_are_replayed(
    storage: Path, store: FileStore, server: FakeServer
) -> None:
    plain = loaded("demo", size="smoke")
    row = plain.sweep.rows[-1]
    larger = resolve_sweep(with_more_seeds(plain.sweep, [row], {row: 4}), plain.catalogue)
    assert len(keys(larger)) > len(keys(plain))
    record_as_run(larger, store)

    assert synced(storage) == 0

    assert shown(server, "demo-smoke") == keys(larger)


def test_a_sweep_of_which_nothing_was_recorded_gets_no_experiment(
    storage: Path, store: FileStore, server: FakeServer
) -> None:
    record_sweep(loaded("demo", size="smoke"), store)

    assert synced(storage) == 0

    assert server.names == {}


def test_cells_of_a_storage_that_remembers_no_sweeps_are_shown_in_the_built_in_ones(
    storage: Path, store: FileStore, server: FakeServer
) -> None:
    resolved = loaded("demo", size="smoke")
    for cell in resolved.cells:
        record_cell(cell, store)

    assert synced(storage, "--smoke") == 0

    assert shown(server, "demo-smoke") == keys(resolved)


def test_cells_whose_keys_are_others_now_are_counted(
    storage: Path, store: FileStore, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    resolved = loaded("demo", "train.epochs=3", size="smoke")
    record_as_run(resolved, store)
    (record,) = store.sweeps()
    changed = replace_cell(record.cells)
    store.forget_sweep(record)
    store.record_sweep(type(record)(**{**fields_of(record), "cells": changed}))

    assert synced(storage) == 0

    number = len(keys(resolved))
    told = f"demo-smoke (train.epochs=3): 1 of {number} cells are not replayed, since its data, a plug-in or the code"
    assert told in capsys.readouterr().err


def replace_cell(cells: tuple[Any, ...]) -> tuple[Any, ...]:
    first = type(cells[0])(train_key="0" * 64, row=cells[0].row, seed=cells[0].seed)
    return (first, *cells[1:])


def fields_of(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def test_a_record_that_cannot_be_read_or_resolved_leaves_the_others(
    storage: Path, store: FileStore, server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, lost = loaded("demo", size="smoke"), tmp_path / "lost.yaml"
    record_as_run(good, store)
    lost.write_text(OWN.replace("name: mine", "name: lost"))
    resolved = loaded(str(lost))
    text = resolved.sweep.document.text.replace("cutout", "a-plug-in-of-old")
    document = replace(resolved.sweep.document, text=text)
    record_sweep(replace(resolved, sweep=replace(resolved.sweep, document=document)), store)
    (storage / "sweeps" / ("0" * 32 + ".json")).write_text("{")

    assert synced(storage) == 0

    printed = capsys.readouterr().err
    assert "lost cannot be replayed: " in printed
    assert "a-plug-in-of-old" in printed
    assert "left out because it is damaged" in printed
    assert shown(server, "demo-smoke") == keys(good)
