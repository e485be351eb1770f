"""MLflow itself: an SQLite store, several writers that start at once, a server that is away, and the UI's server."""

from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from clusters.temporary.private import private_folder
from eval.tables.column import Column
from orchestration.errors import EnvironmentRefused
from orchestration.settings import sqlite_address
from orchestration.tracking import writer
from orchestration.tracking.addresses import artifacts_of
from orchestration.tracking.driver.tracker import open_tracker
from orchestration.tracking.mlflow_client import MlflowTracking
from orchestration.tracking.server import run as server
from orchestration.tracking.server.check import check_tracking
from orchestration.tracking.server.run import serve_ui
from orchestration.tracking.sync import sync

NOBODY = "http://127.0.0.1:9"

SYNC = """
import pickle, sys
from orchestration.store.open import open_store
from orchestration.tracking.sync import sync
plan, uri, start = pickle.load(sys.stdin.buffer)
import mlflow, time
time.sleep(max(0.0, start - time.time()))
sync(open_store(sys.argv[1]), plan, uri)
"""


def query(file: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.execute(sql))


def finished(store: Any, lab: Any, plan: Any) -> Any:
    for cell in plan.cells:
        lab.finish(store, cell)
    return lab.done(plan)


ODD = "res%20x a?b=1 #2 ü+&'"
"""A folder whose name has every letter that means something in an address."""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / ODD / "mlflow.db"


def test_a_run_is_shown_in_sqlite_with_its_artifacts_beside_it(
    store: Any, lab: Any, database: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plan = lab.plan()
    log = tmp_path / "mlflow.log"
    tracker = open_tracker(sqlite_address(database), store, columns=(Column.of("clean/error"),), log=log)
    before = time.monotonic()

    def recorded(cell: Any) -> None:
        tracker.report_recorded(cell, lab.training(cell).summary.checkpoint_sha256, lab.report("clean"))

    lab.show(tracker, store, plan, recorded=recorded)
    assert time.monotonic() - before < 2.0

    assert tracker.close(120.0) is None

    statuses = query(database, "select status, count(*) from runs group by status")
    assert statuses == [("FINISHED", 7)]
    latest = query(database, "select count(*), min(value), max(value) from latest_metrics where key = 'clean/error'")
    assert latest == [(6, 0.25, 0.25)]
    assert query(database, "select count(*) from metrics where key = 'train/loss'") == [(8,)]
    grids = list((database.parent / "mlflow-artifacts" / "demo").glob("*/artifacts/grid/grid.html"))
    assert [grid.read_text() for grid in grids] == ["<table></table>"]
    assert {path.name for path in tmp_path.iterdir()} == {ODD, "storage", "mlflow.log"}, "and nothing beside it"
    told = capfd.readouterr()
    assert (told.out, told.err) == ("", "")

    again = sync(store, lab.done(plan), sqlite_address(database), columns=(Column.of("clean/error"),))
    assert (again.written, again.unchanged) == (0, 4)
    assert query(database, "select count(*) from metrics where key = 'train/loss'") == [(8,)]


@pytest.mark.slow
def test_drivers_that_start_at_once_on_an_empty_store_make_each_run_once(store: Any, lab: Any, database: Path) -> None:
    import pickle

    plan = finished(store, lab, lab.plan())
    message = pickle.dumps((plan, sqlite_address(database), time.time() + 8.0))
    drivers = [subprocess.Popen([sys.executable, "-c", SYNC, store.uri], stdin=subprocess.PIPE) for _ in range(3)]
    for driver in drivers:
        assert driver.stdin is not None
        driver.stdin.write(message)
        driver.stdin.close()

    assert [driver.wait() for driver in drivers] == [0, 0, 0]
    assert query(database, "select count(*) from experiments where name = 'demo'") == [(1,)]
    kinds = query(database, "select t.value, count(*) from tags t where t.key = 'kind' group by t.value")
    assert sorted(kinds) == [("cell", 4), ("row", 2), ("sweep", 1)]


@pytest.mark.parametrize(
    ("message", "num_calls"), [("(psycopg2.errors.UniqueViolation) param_pk", 3), ("no space left on device", 1)]
)
def test_a_collision_with_another_writer_is_tried_again_and_nothing_else(
    message: str, num_calls: int, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    from orchestration.tracking.contract import TrackingError
    from orchestration.tracking.mlflow_client import MlflowTracking

    check_tracking(sqlite_address(database))
    client = MlflowTracking(sqlite_address(database))
    calls = []

    def collide_twice(*arguments: Any, **named: Any) -> None:
        calls.append(named)
        if len(calls) < 3:
            raise MlflowException(message)

    monkeypatch.setattr(MlflowClient, "log_batch", collide_twice)

    if num_calls == 3:
        client.log("run", [], {"method": "pixmix"}, {})
    else:
        with pytest.raises(TrackingError, match="no space left"):
            client.log("run", [], {"method": "pixmix"}, {})
    assert len(calls) == num_calls


def test_a_server_that_is_away_holds_nothing_up_and_a_replay_completes_it(
    store: Any, lab: Any, database: Path, tmp_path: Path
) -> None:
    plan = lab.plan()
    tracker = open_tracker(NOBODY, store, log=tmp_path / "mlflow.log", grace_s=0.5)
    before = time.monotonic()
    tracker.run_started(plan)
    finished(store, lab, plan)
    for cell in plan.cells:
        tracker.cell_state(cell, "done")
    tracker.run_ended(plan, "complete")
    assert time.monotonic() - before < 2.0

    told = tracker.close(120.0)

    assert told is not None
    assert "does not answer" in told
    assert "5 updates wait for `sync`" in told
    assert sync(store, lab.done(plan), sqlite_address(database)).written == 4


@pytest.mark.slow
def test_a_driver_that_is_killed_leaves_no_writer_and_no_open_run(
    store: Any, lab: Any, database: Path, tmp_path: Path
) -> None:
    import pickle

    code = (
        "import pickle, psutil, sys, time\n"
        "from orchestration.store.open import open_store\n"
        "from orchestration.tracking.driver.tracker import open_tracker\n"
        "plan, row, uri = pickle.load(sys.stdin.buffer)\n"
        "tracker = open_tracker(uri, open_store(sys.argv[1]))\n"
        "tracker.run_started(plan)\n"
        "tracker.cell_state(plan.cells[0], 'running')\n"
        "tracker.epoch_ended(plan.cells[0], row)\n"
        "time.sleep(0.5); print(psutil.Process().children()[0].pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    plan, uri = lab.plan(), sqlite_address(database)
    driver = subprocess.Popen([sys.executable, "-c", code, store.uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert driver.stdin is not None
    assert driver.stdout is not None
    driver.stdin.write(pickle.dumps((plan, lab.epoch(0, 1990.0), uri)))
    driver.stdin.close()
    writer = int(driver.stdout.readline())
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if database.exists() and query(database, "select count(*) from sqlite_master where name = 'tags'") == [(1,)]:
            break
        time.sleep(0.2)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    while time.monotonic() < deadline and Path(f"/proc/{writer}").exists():
        time.sleep(0.2)

    assert not Path(f"/proc/{writer}").exists()
    assert {status for (status,) in query(database, "select status from runs")} == {"KILLED"}


def test_sync_into_a_damaged_store_rebuilds_it(store: Any, lab: Any, database: Path) -> None:
    plan, uri = finished(store, lab, lab.plan()), sqlite_address(database)
    sync(store, plan, uri)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("delete from latest_metrics where key = 'pgd/error'")
        connection.execute("delete from metrics where key = 'pgd/error'")
        connection.execute("update runs set lifecycle_stage = 'deleted' where name like 'Pixmix%'")
        connection.commit()

    assert sync(store, plan, uri).written == 4
    assert query(database, "select count(*) from latest_metrics where key = 'pgd/error'") == [(6,)]
    active = "select count(*) from runs where lifecycle_stage = 'active'"
    assert query(database, active) == [(7,)]


def test_opening_a_tracker_imports_no_mlflow(store: Any) -> None:
    code = (
        "import sys\nfrom orchestration.store.open import open_store\n"
        "from orchestration.tracking.server.check import check_tracking\n"
        "from orchestration.tracking.server.run import serve_ui\n"
        "from orchestration.tracking.sync import sync\n"
        "from orchestration.tracking.driver.tracker import open_tracker\n"
        "check_tracking('sqlite:////tmp/x/mlflow.db')\n"
        "print(sorted({'mlflow', 'pandas', 'ray', 'scipy', 'torch', 'boto3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_pages_of_runs_without_end_are_refused(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient
    from mlflow.store.entities import PagedList

    from orchestration.tracking.contract import TrackingError
    from orchestration.tracking.mlflow_client import MlflowTracking

    client = MlflowTracking(sqlite_address(database))
    monkeypatch.setattr(MlflowClient, "search_runs", lambda *_, **__: PagedList([], "again"))
    with pytest.raises(TrackingError, match="its pages of runs have no end"):
        client.find(["1"], {"cell_key": "ab"})


@pytest.mark.parametrize(
    ("uri", "complaint"),
    [
        ("file:///tmp/mlruns", r"must start with sqlite:///"),
        ("./mlruns", r"must start with sqlite:///"),
        ("http://[", r"must start with sqlite:///"),
        ("sqlite:////proc/version/mlflow.db", r"folder that can be written"),
        ("sqlite:////tmp/a?b/mlflow.db", r"write '\?' in a path as %3F"),
        (NOBODY, r"must answer, but 'http://127.0.0.1:9' does not"),
        ("http://user:hunter2secret@127.0.0.1:9", r"http://\*\*\*@127.0.0.1:9"),
    ],
)
def test_an_address_that_cannot_work_is_refused_at_once(uri: str, complaint: str) -> None:
    with pytest.raises(EnvironmentRefused, match=complaint) as refusal:
        check_tracking(uri)

    assert "hunter2secret" not in str(refusal.value)


def test_artifacts_lie_beside_the_file_or_where_the_server_puts_them() -> None:
    assert artifacts_of("sqlite:////a/mlflow.db", "/b") == "file:///a/mlflow-artifacts"
    assert artifacts_of("sqlite:////a%2520%3F/mlflow.db", "/b") == "file:///a%2520%3F/mlflow-artifacts"
    assert artifacts_of("postgresql://host/db", "/b c") == "file:///b%20c/mlflow-artifacts"
    assert artifacts_of("sqlite:////a/mlflow.db", "s3://bucket/x") == "s3://bucket/x/mlflow-artifacts"
    assert artifacts_of("http://host", "/b") is None
    assert artifacts_of("postgresql://host/db", "s3://bucket/x") == "s3://bucket/x/mlflow-artifacts"


def test_nothing_is_tracked_when_nobody_wants_it(store: Any, lab: Any) -> None:
    check_tracking("none")
    tracker = open_tracker("none", store)
    tracker.run_started(lab.plan())
    tracker.publish_grid(markdown="", html="", csv="", latex="")

    assert tracker.close() is None


def test_a_tracker_that_stumbles_does_not_raise(store: Any, lab: Any, tmp_path: Path) -> None:
    tracker = open_tracker(sqlite_address(tmp_path / "mlflow.db"), store)
    tracker.run_started(None)  # type: ignore[arg-type]

    assert "could not process a message" in (tracker.close(60.0) or "")


@pytest.mark.slow
def test_the_ui_serves_on_loopback_and_ends_with_its_parent(
    store: Any, lab: Any, database: Path, tmp_path: Path
) -> None:
    uri = sqlite_address(database)
    sync(store, finished(store, lab, lab.plan()), uri)
    with serve_ui(uri, log=tmp_path / "ui.log") as ui:
        (links,) = ui.sweeps()
        assert links.sweep == "demo"
        assert links.links["by method"].startswith(f"{ui.url}/#/experiments/")
        body = json.dumps({"experiment_ids": ["1"], "filter": "tags.kind = 'cell' and tags.wanted = 'true'"}).encode()
        request = urllib.request.Request(
            f"{ui.url}/api/2.0/mlflow/runs/search", data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert len(json.load(answer)["runs"]) == 4
        check_tracking(ui.url)
        over_http = sync(store, lab.done(lab.plan("second")), ui.url, grid={"grid.html": "<p>ü</p>"})
        assert over_http.written == 4
        artifact = f"{ui.url}/get-artifact?path=grid/grid.html&run_uuid={over_http.sweep_run_id}"
        with urllib.request.urlopen(artifact, timeout=30) as answer:
            assert answer.read().decode() == "<p>ü</p>"
        assert len(list((database.parent / "mlflow-artifacts").glob("*/*/artifacts/grid/grid.html"))) == 1
        with pytest.raises(EnvironmentRefused, match="is taken"):
            serve_ui(uri, port=int(ui.url.rpartition(":")[2]))

    with pytest.raises(EnvironmentRefused, match="must answer"):
        check_tracking(ui.url)
    remaining = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert tmp_path.name not in remaining
    assert os.environ.get("MLFLOW_SERVER_ENABLE_JOB_EXECUTION") is None


@pytest.mark.slow
def test_an_answer_of_another_program_on_the_port_is_not_taken_for_the_ui(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

    other = ThreadingHTTPServer(("127.0.0.1", 0), Healthy)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    taken = other.server_address[1]
    # The port is lost after the look at it, as to a program that starts at the same moment.
    looks = iter([True])
    monkeypatch.setattr(server, "USUAL_PORT", taken)
    monkeypatch.setattr(server, "is_free", lambda port: next(looks, False) if port == taken else True)
    try:
        with serve_ui(sqlite_address(database), log=tmp_path / "ui.log") as ui:
            assert not ui.url.endswith(f":{taken}")
            check_tracking(ui.url)
    finally:
        other.shutdown()
        other.server_close()


def test_what_the_writer_writes_on_the_way_is_in_the_private_folder(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that was killed in the middle left a folder in TMPDIR for good."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert writer.main() == 0
    database.parent.mkdir()
    client = MlflowTracking(sqlite_address(database))
    run = client.create(client.experiment("x", (tmp_path / "artifacts").as_uri(), {}), "run", 0, {})

    with pytest.MonkeyPatch.context() as patch:
        made: list[str] = []
        patch.setattr(
            tempfile, "mkdtemp", lambda *a, _make=tempfile.mkdtemp, **k: made.append(_make(*a, **k)) or made[-1]
        )
        client.write_text(run, "grid.md", "a table")

    assert made
    assert all(Path(folder).is_relative_to(private_folder()) for folder in made)
