"""A writer that dies is started again and knows what the one before it knew; one that cannot live is reported."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from eval.tables.column import Column
from orchestration.settings import sqlite_address
from orchestration.tracking.driver.sinks import Journal, ProcessSink, ThreadSink
from orchestration.tracking.driver.tracker import Tracker, open_tracker

WRITER = """
import json, os, signal, sys
from pathlib import Path
log, deaths, word = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
lines = []
for line in sys.stdin:
    lines.append(json.loads(line))
    if word in line and (word == "always" or not deaths.exists()):
        deaths.touch()
        os.kill(os.getpid(), signal.SIGKILL)
if word == "end" and not deaths.exists():
    deaths.touch()
    os.kill(os.getpid(), signal.SIGKILL)
log.write_text(json.dumps(lines))
print(json.dumps({"written": 0, "waiting": 0, "problem": None}))
"""


def sink_in(folder: Path, word: str) -> ProcessSink:
    """A sink whose first writer kills itself: at a message with a word in it, or at the end."""
    command = (sys.executable, "-c", WRITER, str(folder / "log"), str(folder / "deaths"), word)
    return ProcessSink({"hello": "always there"}, None, command)


def run_through(sink: ProcessSink) -> str | None:
    """Send what a run of two cells sends."""
    sink.send({"type": "sweep", "sweep": {"name": "demo"}, "recorded": ["a"]})
    sink.send({"type": "state", "key": "b", "state": "running"})
    sink.send({"type": "epoch", "key": "b", "row": {"epoch": 0}})
    sink.send({"type": "recorded", "key": "b"})
    sink.send({"type": "refused", "key": "b", "benchmark": "c", "reason": "no files"})
    sink.send({"type": "state", "key": "b", "state": "done"})
    sink.send({"type": "grid", "files": {"grid.md": "x"}})
    sink.send({"type": "ended", "status": "complete"})
    return sink.close(60.0)


@pytest.mark.parametrize("word", ["sweep", "running", "epoch", "refused", "grid", "ended", "end"])
def test_a_writer_that_is_killed_is_replaced_by_one_that_knows_everything(word: str, tmp_path: Path) -> None:
    assert run_through(sink_in(tmp_path, word)) is None

    assert (tmp_path / "deaths").exists()
    told: list[dict[str, Any]] = json.loads((tmp_path / "log").read_text())
    known = Journal()
    for message in told[1:]:
        known.note(message)
    sweep, *others = known.replay()
    assert told[0] == {"hello": "always there"}
    assert sweep["recorded"] == ["a", "b"]
    assert [message.get("state", message["type"]) for message in others] == ["done", "refused", "grid", "ended"]


def test_a_writer_that_always_dies_is_given_up_and_reported(tmp_path: Path) -> None:
    told = run_through(sink_in(tmp_path, "always"))

    assert told == "the tracking writer ended with code -9, 5 times"


def test_a_writer_that_dies_while_nothing_is_sent_is_replaced_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.tracking.driver.sinks._LOOK_S", 0.1)
    sink = sink_in(tmp_path, "sweep")
    sink.send({"type": "sweep", "sweep": {"name": "demo"}, "recorded": ["a"]})
    _until(lambda: (tmp_path / "deaths").exists())
    dead = sink._process

    _until(lambda: sink._process is not dead)

    assert sink.close(60.0) is None


def test_deaths_that_are_far_apart_never_end_in_giving_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of weeks may lose more writers than one of minutes."""
    monkeypatch.setattr("orchestration.tracking.driver.sinks._MINUTE_S", 0.0)
    monkeypatch.setattr("orchestration.tracking.driver.sinks._LOOK_S", 0.05)
    sink = sink_in(tmp_path, "always")
    processes = set()
    for number in range(8):
        sink.send({"type": "state", "key": f"always {number}", "state": "running"})
        _until(lambda: sink._process is not None and sink._process.pid not in processes)
        assert sink._process is not None
        processes.add(sink._process.pid)
    monkeypatch.setattr("orchestration.tracking.driver.sinks._MINUTE_S", 60.0)

    assert "5 times" in (sink.close(60.0) or "")
    assert len(processes) == 8


def test_a_sink_that_breaks_is_reported() -> None:
    class Broken(ProcessSink):
        def _pass_on(self) -> Any:
            raise ValueError("out of luck")

    assert "could not be served (ValueError: out of luck), 5 times" in (Broken({}, None).close(60.0) or "")


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert is_so()


def test_a_writer_that_cannot_be_started_is_reported() -> None:
    told = ProcessSink({}, None, ("/no/such/program",)).close(60.0)

    assert "could not be started" in (told or "")


def test_a_journal_keeps_the_epochs_of_trainings_that_the_store_has_not() -> None:
    journal = Journal()
    journal.note({"type": "sweep", "recorded": []})
    for key in ("a", "b"):
        journal.note({"type": "epoch", "key": key, "row": {"epoch": 0}})
    journal.note({"type": "recorded", "key": "a"})

    sweep, *others = journal.replay()

    assert sweep["recorded"] == ["a"]
    assert others == [{"type": "epoch", "key": "b", "row": {"epoch": 0}}]


def test_a_writer_thread_that_breaks_is_reported() -> None:
    def broken(messages: Any) -> None:
        raise RuntimeError("out of luck")

    assert ThreadSink(broken).close(60.0) == "the tracking writer ended with RuntimeError: out of luck"


@pytest.mark.slow
def test_nothing_is_missing_in_mlflow_after_its_writer_was_killed(store: Any, lab: Any, tmp_path: Path) -> None:
    """Killed in the middle of a run: every cell has its run, its curve and its numbers, and the sweep has ended."""
    database, plan = tmp_path / "mlflow.db", lab.plan()
    tracker = open_tracker(sqlite_address(database), store, columns=(Column.of("clean/error"),))
    assert isinstance(tracker, Tracker)

    def recorded(cell: Any) -> None:
        if cell is plan.cells[1]:
            _kill_when_at_work(database)

    lab.show(tracker, store, plan, recorded=recorded)

    assert tracker.close(120.0) is None

    with closing(sqlite3.connect(database)) as connection:
        statuses = list(connection.execute("select status, count(*) from runs group by status"))
        latest = list(connection.execute("select count(*) from latest_metrics where key = 'clean/error'"))
        curves = list(connection.execute("select count(*) from metrics where key = 'train/loss'"))
    assert (statuses, latest, curves) == ([("FINISHED", 7)], [(6,)], [(8,)])


def _kill_when_at_work(database: Path) -> None:
    """Kill the writer once it has made the sweep's run and that of a cell."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with closing(sqlite3.connect(database)) as connection:
                if len(list(connection.execute("select 1 from runs"))) > 1:
                    break
        except sqlite3.OperationalError:  # no such table yet
            pass
        time.sleep(0.05)
    (writer,) = [
        child for child in psutil.Process().children() if "orchestration.tracking" in " ".join(child.cmdline())
    ]
    writer.kill()
