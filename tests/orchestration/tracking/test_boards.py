"""Second trackers: what they are told, that nothing is written twice, and what happens where they are not installed."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from orchestration.cli import main
from orchestration.errors import EnvironmentRefused, InputError
from orchestration.settings import read_settings
from orchestration.tracking.boards.contract import Board, BoardPlace, results
from orchestration.tracking.boards.notes import noted
from orchestration.tracking.boards.registry import BOARDS, board_places, check_boards
from orchestration.tracking.boards.wandb_runs import run_id
from orchestration.tracking.boards.writer import BoardWriter
from orchestration.tracking.content.state import RunState
from orchestration.tracking.content.tracked_values import TrackedCell, tracked_sweep
from orchestration.tracking.contract import Point
from orchestration.tracking.driver.tracker import open_tracker, show_on_boards

KEY = "wandb-key-0123456789-never-shown"
GRID = {"grid.md": "| grid |", "grid.html": "<b>grid</b>", "grid.csv": "a,b", "grid.tex": "x"}


class FakeBoard(Board):
    """A second tracker in memory; cells whose row it dislikes are refused."""

    def __init__(self, dislikes: str = "") -> None:
        self.dislikes = dislikes
        self.epochs: dict[str, list[Point]] = {}
        self.states: dict[str, RunState] = {}
        self.grid: Mapping[str, str] = {}
        self.is_closed = False

    def log_points(self, cell: TrackedCell, points: Sequence[Point]) -> None:
        self.epochs.setdefault(cell.key, []).extend(points)

    def show(self, cell: TrackedCell, state: RunState) -> bool:
        if cell.row == self.dislikes:
            raise ValueError(f"no {KEY} for {cell.name}")
        self.states[cell.key] = state
        return True

    def describe(self, grid: Mapping[str, str]) -> None:
        self.grid = grid

    def close(self) -> None:
        self.is_closed = True


def sweep_message(plan: Any, recorded: Sequence[str] = ()) -> dict[str, Any]:
    return {"type": "sweep", "sweep": asdict(tracked_sweep(plan)), "recorded": list(recorded)}


def test_the_writer_shows_epochs_of_what_runs_and_states_of_what_is_done(store: Any, lab: Any) -> None:
    plan, board = lab.plan(), FakeBoard()
    first, second = plan.cells[:2]
    writer = BoardWriter(lambda name: board, store, "fake")
    writer.take(sweep_message(plan))
    for cell in (first, second):
        writer.take({"type": "state", "key": cell.train_key, "state": "running"})
        writer.take({"type": "epoch", "key": cell.train_key, "row": asdict(lab.epoch(0, 1990.0))})
    writer.flush()
    lab.finish(store, first)
    writer.take({"type": "state", "key": first.train_key, "state": "done"})
    writer.take({"type": "grid", "files": GRID})
    writer.close()

    assert set(board.epochs) == {first.train_key, second.train_key}
    assert {point.step for point in board.epochs[first.train_key]} == {0}
    assert {key: state.status for key, state in board.states.items()} == {first.train_key: "FINISHED"}
    assert results(board.states[first.train_key])["clean/error"] == 0.25
    assert board.grid == GRID
    assert board.is_closed
    assert (writer.written, writer.waiting, writer.problem) == (1, 0, None)


def test_a_cell_that_is_refused_holds_up_no_other_and_is_told_without_secrets(
    store: Any, lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    plan, board = lab.plan(), FakeBoard(dislikes="Baseline")
    for cell in plan.cells:
        lab.finish(store, cell)
    writer = BoardWriter(lambda name: board, store, "fake")
    writer.take(sweep_message(plan, [cell.train_key for cell in plan.cells]))
    writer.close()

    assert (writer.written, writer.waiting) == (2, 2)
    assert writer.problem is not None
    assert writer.problem.startswith("fake could not be written: no *** for Baseline")


def test_a_tracker_that_cannot_be_opened_is_told(store: Any, lab: Any) -> None:
    def absent(name: str) -> Board:
        raise ImportError("no module")

    writer = BoardWriter(absent, store, "fake")
    writer.take(sweep_message(lab.plan()))
    writer.close()

    assert writer.problem == "fake could not be written: no module"


def test_a_note_is_written_when_its_block_has_ended_well(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "note.json"
    with noted(file) as note:
        note.digest, note.epochs = "abc", 3
    with pytest.raises(ZeroDivisionError), noted(file) as note:
        note.epochs = 1 // 0
    with noted(file) as note:
        assert (note.digest, note.epochs) == ("abc", 3)
    file.write_text("garbage")
    with noted(file) as note:
        assert (note.digest, note.epochs, note.files) == ("", 0, [])


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("orchestration.tracking.boards.registry.version", absent)


@pytest.mark.usefixtures("nothing_installed")
def test_every_tracker_that_lacks_its_package_is_told_at_once_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["run", "demo", "--smoke", "--track", "wandb", "--track", "tensorboard", "--track", "neptune"]
    assert main([*arguments, "--storage", str(tmp_path / "s"), "--tracking-uri", "none"]) == 2

    told = capsys.readouterr().err
    assert "install the extra `wandb`: pip install 'dreamgrid[wandb]'" in told
    assert "install the extra `tensorboard`: pip install 'dreamgrid[tensorboard]'" in told
    assert "unknown tracker 'neptune'; known: wandb, tensorboard" in told
    assert not (tmp_path / "s" / "cells").exists(), "nothing was started"


def test_wandb_without_a_key_is_refused_unless_it_only_writes_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.tracking.boards.registry.version", lambda name: "1")
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(
        EnvironmentRefused, match=r"set WANDB_API_KEY, log in with `wandb login`, or .*WANDB_MODE=offline"
    ):
        check_boards(["wandb"])
    monkeypatch.setenv("WANDB_MODE", "offline")
    check_boards(["wandb"])
    monkeypatch.setenv("WANDB_MODE", "online")
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password word\n")
    (tmp_path / "netrc").chmod(0o600)
    check_boards(["wandb"])
    with pytest.raises(InputError):
        check_boards(["Wandb"])


def test_trackers_come_from_the_option_or_the_environment_and_keep_their_own_in_the_storage(tmp_path: Path) -> None:
    given = {"DREAMGRID_TRACK": "wandb, tensorboard,wandb", "DREAMGRID_EXPERIMENT_PREFIX": "team-"}
    local = read_settings(environment=given, storage=str(tmp_path / "s"))

    assert local.trackers == ("wandb", "tensorboard") == tuple(BOARDS)
    assert read_settings(environment=given, track=["wandb"]).trackers == ("wandb",)
    assert read_settings(environment={}).trackers == ()
    assert board_places(local)[0] == BoardPlace(name="wandb", folder=str(tmp_path / "s"), prefix="team-")
    remote = replace(local, storage="s3://bucket/grid", cache_dir=tmp_path / "cache")
    assert {place.folder for place in board_places(remote)} == {str(tmp_path / "cache")}


def watched(plan: Any, store: Any, lab: Any, place: BoardPlace) -> None:
    """Run the first cell under the eyes of a second tracker; the others are not reached."""
    first = plan.cells[0]
    tracker = open_tracker("none", store, boards=[place])
    tracker.run_started(plan)
    tracker.cell_state(first, "running")
    for row in lab.training(first).summary.epochs:
        tracker.epoch_ended(first, row)
    lab.finish(store, first)
    tracker.cell_state(first, "done")
    tracker.run_ended(plan, "interrupted")
    assert tracker.close(200.0) is None


def replayed(plan: Any, store: Any, folder: Path, name: str) -> None:
    settings = read_settings(storage=str(folder), environment={"DREAMGRID_TRACK": name})
    assert show_on_boards(settings, store, plan, grid=GRID) is None


def records_of_wandb(file: Path) -> list[Any]:
    """Return the records of a file that W&B writes while it is offline: a log of LevelDB with messages in it."""
    internal = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    data, found, parts = file.read_bytes(), [], b""
    at = 7
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            record = internal.Record()
            record.ParseFromString(parts)
            found.append(record)
            parts = b""
    return found


@pytest.mark.slow
def test_wandb_offline_has_each_epoch_and_result_once_however_often_a_sweep_is_shown(
    store: Any, lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="the extra 'wandb' is needed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    folder = Path(store.uri)
    plan = lab.plan()
    watched(plan, store, lab, BoardPlace(name="wandb", folder=str(folder)))
    for cell in plan.cells[1:]:
        lab.finish(store, cell)
    for _ in range(2):
        replayed(lab.done(plan), store, folder, "wandb")

    runs = {file.stem.removeprefix("run-"): file for file in folder.rglob("*.wandb")}
    wanted = {run_id("demo", key) for key in ("grid", *(cell.train_key for cell in plan.cells))}
    assert set(runs) == wanted
    assert len(list(folder.rglob("*.wandb"))) == len(wanted), "one file a run: nothing was shown twice"
    for cell in plan.cells:
        records = records_of_wandb(runs[run_id("demo", cell.train_key)])
        epochs = [
            item.value_json
            for record in records
            for item in record.history.item
            if item.key == "epoch" or item.nested_key == ["epoch"]
        ]
        assert epochs == ["0", "1"]
        summary = {
            (item.key or "/".join(item.nested_key)): item.value_json
            for record in records
            for item in record.summary.update
        }
        assert summary["clean/error"] == "0.25"
        config = {item.key: item.value_json for record in records for item in record.config.update}
        assert config["method"] == f'"{cell.config.method}"'
    everything = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    assert KEY.encode() not in everything


@pytest.mark.slow
def test_tensorboard_has_each_value_once_and_touches_no_file_but_its_own(
    store: Any, lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="the extra 'tensorboard' is needed"
    )
    folder = Path(store.uri)
    plan = lab.plan()
    first = plan.cells[0]
    watched(plan, store, lab, BoardPlace(name="tensorboard", folder=str(folder)))
    (own,) = (folder / "tensorboard" / "demo").glob(f"*-{first.train_key[:12]}")
    foreign = own / "events.out.tfevents.1.elsewhere"
    foreign.write_bytes(b"")
    for cell in plan.cells[1:]:
        lab.finish(store, cell)
    replayed(lab.done(plan), store, folder, "tensorboard")
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("events.*")}
    replayed(lab.done(plan), store, folder, "tensorboard")
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("events.*")} == before, "nothing is written again"

    def values(cell: Any) -> dict[str, list[tuple[int, float]]]:
        (place,) = (folder / "tensorboard" / "demo").glob(f"*-{cell.train_key[:12]}")
        loaded = accumulator.EventAccumulator(str(place)).Reload()
        return {tag: [(e.step, round(e.value, 6)) for e in loaded.Scalars(tag)] for tag in loaded.Tags()["scalars"]}

    for cell in plan.cells:
        assert values(cell)["train/loss"] == [(0, 1.0), (1, 0.5)]
        assert values(cell)["clean/error"] == [(0, 0.25)]
    lab.finish(store, first, error=0.5, at=3000.0)
    replayed(lab.done(plan), store, folder, "tensorboard")
    assert values(first)["clean/error"] == [(0, 0.5)], "a result that changed takes the place of the older one"
    assert foreign.exists()
