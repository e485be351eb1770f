"""An SQLite tracking store that cannot be used is told for what it is within seconds, moved aside or upgraded, and made again."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestration.cells.load import load_sweep
from orchestration.cli import main
from orchestration.errors import EnvironmentRefused
from orchestration.settings import sqlite_address
from orchestration.store.open import open_store
from orchestration.tracking.mlflow_client import MlflowTracking
from orchestration.tracking.server import database as databases
from orchestration.tracking.server import schema
from orchestration.tracking.server.check import check_tracking
from orchestration.tracking.server.database import examine, look, one_at_a_time
from orchestration.tracking.server.repair import repair_database
from orchestration.tracking.sync import sync
from tests.fakes.recorded_sweep import record_as_run

LIMIT_S = 5.0
OLD = "867495a8f9d4"
"""A revision of MLflow's schema of two years ago."""

CREATE = """
import sys
from orchestration.tracking.mlflow_client import MlflowTracking
MlflowTracking(sys.argv[1])
"""

OLDER = """
import sys
from alembic import command
from mlflow.store.db.utils import _get_alembic_config, create_sqlalchemy_engine
from mlflow.store.tracking.dbmodels.initial_models import Base
engine = create_sqlalchemy_engine(sys.argv[1])
Base.metadata.create_all(engine)
config = _get_alembic_config(sys.argv[1])
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, sys.argv[2])
"""


def execute(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def query(file: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.execute(sql))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database that MLflow made, with one run."""
    file = tmp_path_factory.mktemp("whole") / "mlflow.db"
    client = MlflowTracking(sqlite_address(file))
    client.create(client.experiment("before", None, {}), "a run", 1, {"mine": "yes"})
    return file.read_bytes()


def truncated(file: Path, whole: bytes) -> None:
    file.write_bytes(whole[: len(whole) // 2])


def damaged(file: Path, whole: bytes) -> None:
    file.write_bytes(whole[: 4096 * 3] + bytes(4096 * 20) + whole[4096 * 23 :])


def half_created(file: Path, whole: bytes) -> None:
    file.write_bytes(whole)
    execute(file, "delete from experiments", f"update alembic_version set version_num = '{OLD}'")


def newer(file: Path, whole: bytes) -> None:
    file.write_bytes(whole)
    execute(file, "update alembic_version set version_num = 'ffffffffffff'")


def lacking(file: Path, whole: bytes) -> None:
    file.write_bytes(whole)
    execute(file, "drop table latest_metrics")


def versionless(file: Path, whole: bytes) -> None:
    file.write_bytes(whole)
    execute(file, "drop table alembic_version")


def foreign(file: Path, whole: bytes) -> None:
    execute(file, "create table alembic_version (version_num text)", "insert into alembic_version values ('x')")


REPLACED: dict[str, tuple[Callable[[Path, bytes], object], str, str]] = {
    "folder": (lambda file, whole: file.mkdir(), "folder", "is a folder"),
    "garbage": (lambda file, whole: file.write_bytes(b"hello " * 999), "garbage", "is no SQLite database"),
    "zeros": (lambda file, whole: file.write_bytes(bytes(8192)), "garbage", "is no SQLite database"),
    "half": (truncated, "truncated", r"is truncated \(\d+ of \d+ bytes are left\)"),
    "a page": (lambda file, whole: file.write_bytes(whole[:4096]), "truncated", "is truncated"),
    "a piece of a header": (lambda file, whole: file.write_bytes(whole[:50]), "truncated", "is truncated"),
    "damaged": (damaged, "damaged", "is damaged"),
    "half-created": (half_created, "half-created", "was never created to its end"),
    "newer": (newer, "newer", "was written by a newer MLflow .its schema is ffffffffffff.; use that MLflow, or"),
    "lacking": (lacking, "damaged", "is damaged .it lacks latest_metrics."),
    "versionless": (versionless, "damaged", "is damaged .it has no schema version."),
}
"""Name -> how it is made, what it is, and how that is said."""


@pytest.mark.parametrize("name", REPLACED)
def test_what_cannot_be_used_is_told_for_what_it_is(name: str, whole: bytes, tmp_path: Path) -> None:
    make, kind, text = REPLACED[name]
    file = tmp_path / "mlflow.db"
    make(file, whole)
    began = time.monotonic()

    assert examine(file).kind == kind
    with pytest.raises(EnvironmentRefused, match=text) as refusal:
        check_tracking(sqlite_address(file))

    assert time.monotonic() - began < 2 * LIMIT_S
    assert f"the MLflow database '{file}' " in str(refusal.value)
    assert "make it again from the results with: dreamgrid sync; or do without it: --tracking-uri none" in str(
        refusal.value
    )
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", REPLACED)
def test_what_cannot_be_used_is_moved_aside_as_it_is(name: str, whole: bytes, tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    REPLACED[name][0](file, whole)
    (tmp_path / "mlflow.db-wal").write_bytes(b"")
    before = file.read_bytes() if file.is_file() else None

    (line,) = repair_database(sqlite_address(file))

    (moved,) = [path for path in tmp_path.glob("mlflow.db.broken-*") if not path.name.endswith("-wal")]
    assert moved.name in line
    assert moved.is_dir() if before is None else moved.read_bytes() == before
    assert not file.exists()
    assert not (tmp_path / "mlflow.db-wal").exists()
    assert repair_database(sqlite_address(file)) == ()


@pytest.mark.parametrize(
    "make", [lambda file: None, lambda file: file.touch(), lambda file: execute(file, "create table a (b)")]
)
def test_what_mlflow_can_fill_with_its_tables_is_let_be(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path / "mlflow.db")

    check_tracking(sqlite_address(tmp_path / "mlflow.db"))
    assert repair_database(sqlite_address(tmp_path / "mlflow.db")) == ()


def test_a_whole_database_is_let_be_also_while_another_program_writes(whole: bytes, tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    file.write_bytes(whole)
    check_tracking(sqlite_address(file))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("begin exclusive")

        check_tracking(sqlite_address(file))
        assert repair_database(sqlite_address(file)) == ()

    assert file.read_bytes() == whole


def test_what_another_process_is_just_creating_is_not_taken_for_broken(
    whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mlflow.db"
    half_created(file, whole)
    monkeypatch.setattr(databases, "_CREATION_S", 0.2)
    with one_at_a_time(file):
        found: list[str] = []
        other = threading.Thread(target=lambda: found.append(examine(file).kind))
        other.start()
        other.join(60)

    assert found == ["busy"]
    assert examine(file).kind == "half-created"


def test_what_cannot_be_written_is_an_error_with_a_fix_and_stays(
    whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mlflow.db"
    file.write_bytes(whole)
    uri = sqlite_address(file)
    with monkeypatch.context() as patch:  # of a file that may be opened only for reading SQLite says this
        address = f"file:{file}?mode=ro"
        patch.setattr(databases, "_opened", lambda file: sqlite3.connect(address, uri=True, isolation_level=None))
        with pytest.raises(EnvironmentRefused, match=r"cannot be written .*; give this user the right to write it"):
            check_tracking(uri)
        assert repair_database(uri) == ()
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != file and allowed(path, mode))
    with pytest.raises(EnvironmentRefused, match="cannot be written by this user; give this user the right"):
        check_tracking(uri)
    assert repair_database(uri) == ()
    check_tracking(uri, is_only_read=True)
    assert file.read_bytes() == whole


def test_a_full_disk_is_no_damage(whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mlflow.db"
    file.write_bytes(whole)

    def full(connection: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(databases, "_contents", full)

    with pytest.raises(EnvironmentRefused, match="has no space left on its disk; free some, or name another"):
        check_tracking(sqlite_address(file))
    assert repair_database(sqlite_address(file)) == ()


def test_the_database_of_another_program_is_never_moved(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    foreign(file, b"")

    with pytest.raises(EnvironmentRefused, match="belongs to another program; name another with --tracking-uri"):
        check_tracking(sqlite_address(file))
    assert repair_database(sqlite_address(file)) == ()


def test_the_revisions_of_the_installed_mlflow_are_found() -> None:
    from mlflow.store.db.utils import _get_latest_schema_revision

    assert schema.installed_schema().head == _get_latest_schema_revision()
    assert OLD in schema.installed_schema().known


def test_where_mlflow_keeps_its_revisions_elsewhere_no_version_is_refused(
    whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = schema.schema_in(tmp_path)
    monkeypatch.setattr(databases, "installed_schema", lambda: nothing)
    file = tmp_path / "mlflow.db"
    newer(file, whole)

    assert examine(file).kind == "usable"


@pytest.mark.parametrize("verb", [["run", "demo", "--smoke"], ["ui"]], ids=lambda verb: verb[0])
def test_verbs_tell_it_in_one_line_before_anything_starts(
    verb: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a Ray or a server is started")

    monkeypatch.setattr("orchestration.engine.run.connect", refuse)
    monkeypatch.setattr("orchestration.cli.verbs.environment.serve_ui", refuse)
    storage = tmp_path / "storage"
    storage.mkdir()
    (storage / "mlflow.db").write_bytes(b"garbage" * 99)
    began = time.monotonic()

    assert main([*verb, "--storage", str(storage)]) == 3

    assert time.monotonic() - began < LIMIT_S
    printed = capfd.readouterr().err
    assert "is no SQLite database" in printed
    assert f"dreamgrid sync {'demo --smoke ' if verb[0] == 'run' else ''}--storage {storage}" in printed
    assert printed.count("\n") == 1


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A storage on which two sweeps were run, with a folder of its own for caches."""
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))
    for name in ("DREAMGRID_DATA", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    store = open_store(tmp_path / "storage")
    record_as_run(load_sweep("demo", size="smoke"), store)
    record_as_run(load_sweep("mnist-report-1", size="smoke"), store)
    return tmp_path / "storage"


def test_a_broken_database_makes_room_also_before_anything_was_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mlflow.db"
    file.write_bytes(b"garbage" * 99)
    arguments = ["--storage", str(tmp_path / "new"), "--tracking-uri", sqlite_address(file)]

    assert main(["sync", *arguments]) == 3

    printed = capfd.readouterr().err
    assert "is no SQLite database; it is now mlflow.db.broken-" in printed
    assert "a storage must exist before it can be read" in printed
    check_tracking(sqlite_address(file))


SHOWN = (
    "select e.name, count(*), min(r.status), max(r.status) from runs r join experiments e using (experiment_id)"
    " join tags t on t.run_uuid = r.run_uuid and t.key = 'kind' and t.value = 'cell' group by e.name order by e.name"
)


@pytest.mark.parametrize(
    "name", ["garbage", *[pytest.param(name, marks=pytest.mark.slow) for name in REPLACED if name != "garbage"]]
)
def test_sync_makes_everything_again_from_the_results(
    name: str, whole: bytes, storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also what is not named: the database that had it is gone."""
    file = storage / "mlflow.db"
    REPLACED[name][0](file, whole)

    assert main(["sync", "demo", "--smoke", "--storage", str(storage)]) == 0

    printed = capsys.readouterr()
    (moved,) = storage.glob("mlflow.db.broken-*")
    assert f"it is now {moved.name}, and another is made from the results" in printed.err
    assert query(file, SHOWN) == [
        ("demo-smoke", 5, "FINISHED", "FINISHED"),
        ("mnist-report-1-smoke", 3, "FINISHED", "FINISHED"),
    ]
    assert main(["sync", "--storage", str(storage)]) == 0
    assert query(file, "select count(*) from tags where key = 'kind' and value != 'row'") == [(10,)]


@pytest.mark.slow
def test_damage_that_only_mlflow_finds_is_mended_too(
    whole: bytes, storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = storage / "mlflow.db"
    file.write_bytes(whole)
    execute(file, "alter table runs rename column status to condition")
    assert look(file).kind == "usable"

    assert main(["sync", "--storage", str(storage)]) == 0

    assert "no such column" in capsys.readouterr().err
    assert len(list(storage.glob("mlflow.db.broken-*"))) == 1
    assert [row[0] for row in query(file, SHOWN)] == ["demo-smoke", "mnist-report-1-smoke"]


def older(file: Path) -> None:
    """Make a database as MLflow of two years ago left it, with a run that is not ours."""
    subprocess.run([sys.executable, "-c", OLDER, sqlite_address(file), OLD], check=True, capture_output=True)
    execute(
        file,
        "insert into experiments (experiment_id, name, artifact_location, lifecycle_stage) values (0, 'Default', '/a', 'active')",
        "insert into runs (run_uuid, name, experiment_id, status, lifecycle_stage, start_time, artifact_uri)"
        " values ('abc', 'theirs', 0, 'FINISHED', 'active', 1, '/a/b')",
    )


@pytest.mark.slow
def test_an_older_schema_is_upgraded_after_a_copy_and_nothing_is_moved(
    storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = storage / "mlflow.db"
    older(file)
    with pytest.raises(EnvironmentRefused, match=f"an older MLflow .its schema is {OLD}.; upgrade it, after a copy"):
        check_tracking(sqlite_address(file))

    assert main(["sync", "--storage", str(storage)]) == 0

    (copy,) = storage.glob("mlflow.db.before-upgrade-*")
    assert f"is upgraded; a copy is {copy.name}" in capsys.readouterr().err
    assert query(copy, "select version_num from alembic_version") == [(OLD,)]
    assert not list(storage.glob("mlflow.db.broken-*"))
    assert query(file, "select name from runs where run_uuid = 'abc'") == [("theirs",)]
    assert [row[0] for row in query(file, SHOWN)] == ["demo-smoke", "mnist-report-1-smoke"]
    assert look(file).kind == "usable"


@pytest.mark.slow
def test_an_older_schema_that_cannot_be_upgraded_is_moved_aside(
    whole: bytes, storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = storage / "mlflow.db"
    file.write_bytes(whole)
    execute(file, f"update alembic_version set version_num = '{OLD}'")  # what follows it is there already

    assert main(["sync", "--storage", str(storage)]) == 0

    assert "could not be upgraded by `mlflow db upgrade`" in capsys.readouterr().err
    assert len(list(storage.glob("mlflow.db.broken-*"))) == len(list(storage.glob("mlflow.db.before-upgrade-*"))) == 1
    assert [row[0] for row in query(file, SHOWN)] == ["demo-smoke", "mnist-report-1-smoke"]


def num_tables(file: Path) -> int:
    try:
        return int(query(file, "select count(*) from sqlite_master")[0][0]) if file.exists() else 0
    except sqlite3.OperationalError:
        return 0


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("tables", [1, 12, 30, 60])
def test_a_creation_that_is_killed_is_followed_by_another(tables: int, store: Any, lab: Any, tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    creator = subprocess.Popen([sys.executable, "-c", CREATE, sqlite_address(file)])
    while creator.poll() is None and num_tables(file) < tables:
        time.sleep(0.002)
    creator.send_signal(signal.SIGKILL)
    creator.wait(60)
    found = examine(file).kind
    assert found in {"half-created", "usable"}
    plan = lab.plan()
    for cell in plan.cells:
        lab.finish(store, cell)

    assert sync(store, lab.done(plan), sqlite_address(file)).written == 4

    assert len(list(tmp_path.glob("mlflow.db.broken-*"))) == (found == "half-created")
    assert examine(file).kind == "usable"
