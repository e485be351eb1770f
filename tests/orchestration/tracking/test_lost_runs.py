"""At the end of a run every cell has its run on the tracking server, whatever happened to runs and writers, or it is said."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest

from eval.tables.column import Column
from orchestration.settings import sqlite_address
from orchestration.tracking.content.tracked_values import tracked_sweep
from orchestration.tracking.contract import TrackedRun
from orchestration.tracking.driver.tracker import Tracker, open_tracker
from orchestration.tracking.gathering import Writer
from tests.fakes.tracking import FakeServer


def written(store: Any, lab: Any, server: FakeServer, plan: Any) -> Writer:
    """A writer that has shown every cell of a plan, before the run ends."""
    writer = Writer(lambda: server, store, "http://tracking", None)
    writer.take({"type": "sweep", "sweep": asdict(tracked_sweep(plan)), "recorded": []})
    for cell in plan.cells:
        lab.finish(store, cell)
        writer.take({"type": "state", "key": cell.train_key, "state": "done"})
    writer.take({"type": "grid", "files": {"grid.md": "| grid |"}})
    writer.flush(everything=True)
    assert writer.waiting == 0
    return writer


def end(writer: Writer) -> None:
    writer.take({"type": "ended", "status": "complete"})
    for _ in range(3):
        writer.flush(everything=True)


def test_a_run_that_was_deleted_meanwhile_is_back_at_the_end(store: Any, lab: Any, server: FakeServer) -> None:
    plan = lab.plan()
    writer = written(store, lab, server, plan)
    server.delete(server.of(plan.cells[1]).run_id)

    end(writer)

    assert (writer.waiting, writer.problem) == (0, None)
    assert [server.of(cell).status for cell in plan.cells] == ["FINISHED"] * 4
    assert server.find(["1"], {"kind": "sweep"})[0].status == "FINISHED"


def test_runs_that_are_gone_for_good_are_made_again_with_the_sweeps_own(
    store: Any, lab: Any, server: FakeServer
) -> None:
    plan = lab.plan()
    writer = written(store, lab, server, plan)
    server.runs.clear()
    server.artifacts.clear()

    end(writer)

    assert (writer.waiting, writer.problem) == (0, None)
    assert [server.of(cell).status for cell in plan.cells] == ["FINISHED"] * 4
    (sweep,) = server.find(["1"], {"kind": "sweep"})
    assert sweep.status == "FINISHED"
    assert server.artifacts[sweep.run_id, "grid/grid.md"] == "| grid |"


def test_a_run_that_the_server_does_not_keep_is_reported(store: Any, lab: Any, server: FakeServer) -> None:
    plan = lab.plan()
    writer = written(store, lab, server, plan)
    lost, find = plan.cells[2].train_key, server.find

    def forgetful(*arguments: Any, **named: Any) -> Sequence[TrackedRun]:
        return [run for run in find(*arguments, **named) if run.tags.get("cell_key") != lost]

    server.find = forgetful  # type: ignore[method-assign]

    end(writer)

    assert writer.problem == "1 of 4 cells have no run on the tracking server"
    assert writer.waiting == 0


def rows(database: Path, sql: str) -> list[tuple[Any, ...]]:
    try:
        with closing(sqlite3.connect(database)) as connection:
            return list(connection.execute(sql))
    except sqlite3.OperationalError:  # no such table yet
        return []


def writers() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        try:
            if "orchestration.tracking.writer" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def kill_writer_when(is_time: Callable[[], bool]) -> threading.Thread:
    """Kill the writer once, at a moment that a function recognises, from a thread."""

    def wait() -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if is_time() and (alive := writers()):
                alive[0].kill()
                return
            time.sleep(0.005)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "as it starts": lambda database: True,
    "as tables are made": lambda database: len(rows(database, "select 1 from sqlite_master")) > 12,
    "at the first run": lambda database: bool(rows(database, "select 1 from runs")),
    "in the middle": lambda database: len(rows(database, "select 1 from runs")) == 3,
    "as runs are ended": lambda database: bool(rows(database, "select 1 from runs where status = 'FINISHED'")),
}


def show_run(store: Any, lab: Any, database: Path, plan: Any) -> str | None:
    """Tell a tracker what a run of a plan tells; return what it could not write."""
    tracker = open_tracker(sqlite_address(database), store, columns=(Column.of("clean/error"),))
    assert isinstance(tracker, Tracker)
    lab.show(tracker, store, plan)
    return tracker.close()


def assert_complete(database: Path) -> None:
    assert rows(database, "select status, count(*) from runs where lifecycle_stage = 'active' group by status") == [
        ("FINISHED", 7)
    ]
    assert rows(database, "select count(*), min(value), max(value) from latest_metrics where key = 'clean/error'") == [
        (6, 0.25, 0.25)
    ]
    assert rows(database, "select count(*) from metrics where key = 'train/loss'") == [(8,)]


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_writer_that_is_killed_leaves_nothing_missing(moment: str, store: Any, lab: Any, tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    killer = kill_writer_when(lambda: MOMENTS[moment](database))

    trouble = show_run(store, lab, database, lab.plan())

    killer.join(120)
    assert trouble is None
    assert_complete(database)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(3))
def test_a_writer_that_is_killed_again_and_again_leaves_nothing_missing_or_says_so(
    seed: int, store: Any, lab: Any, tmp_path: Path
) -> None:
    database, is_over, kills = tmp_path / "mlflow.db", threading.Event(), []
    draws = random.Random(seed)

    def kill_often() -> None:
        # The first one dies while it still imports its libraries: however fast the machine is, one is hit.
        life_s = 1.0
        while not is_over.wait(0.01):
            alive = writers()
            if alive and not is_over.wait(draws.uniform(0.0, life_s)):
                alive[0].kill()
                kills.append(alive[0].pid)
                life_s = 9.0

    thread = threading.Thread(target=kill_often, daemon=True)
    thread.start()

    trouble = show_run(store, lab, database, lab.plan())

    is_over.set()
    thread.join(60)
    assert kills
    if trouble is None:
        assert_complete(database)
    else:
        assert "the tracking writer ended with code -9, 5 times" in trouble
