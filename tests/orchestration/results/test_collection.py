"""What a storage remembers of the sweeps that were run on it, and what the collection of garbage may take."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

from clusters.storage.open import join, open_storage
from clusters.temporary.leftovers import Leftover
from clusters.temporary.owners import owner_here
from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.load import load_sweep
from orchestration.cli import main
from orchestration.engine.options import RunOutcome
from orchestration.errors import InputError
from orchestration.results.collection import collection, delete
from orchestration.results.imported import import_file
from orchestration.runs.run import run_sweep
from orchestration.settings import Settings, read_settings
from orchestration.store.contract import CorruptRecordError, SweepRecord, SweptCell
from orchestration.store.files import FileStore, MemoryStore
from orchestration.store.open import open_store
from orchestration.sweeps.overrides import parse_overrides
from tests.fakes.records import make_training

FILE = """
name: mine
title: Mine
base: {dataset: digits, model: small-cnn, recipe: digits, train: {epochs: 3}}
seeds: [0, 1]
axes: {cells: [{row: Plain, method: baseline}, {row: Fine, method: baseline, init_from: {method: cutout}}]}
table: {columns: [clean/error]}
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("DREAMGRID_STORAGE", str(tmp_path / "storage"))
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "none")
    monkeypatch.delenv("DREAMGRID_DATA", raising=False)
    monkeypatch.setattr(
        "orchestration.results.collection.reachable_keys", lambda *_, **__: frozenset()
    )  # built-in: `test_lifecycle`
    monkeypatch.setattr("orchestration.results.collection.undecided_folders", lambda: ())  # those of this machine
    return read_settings()


@pytest.fixture
def store(settings: Settings) -> FileStore:
    return open_store(settings.storage)


@pytest.fixture
def run(settings: Settings, store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a sweep file whose cells are recorded without being trained, and a checkpoint of 1 MiB put beside each."""

    def execute(plan: Any, **_: Any) -> RunOutcome:
        for cell in plan.to_run:
            record_cell(store, settings, cell.train_key, method=cell.config.method, seed=cell.config.seed)
        return RunOutcome(status="complete", done=(), failed={}, unfinished=())

    monkeypatch.setattr("orchestration.runs.run.execute", execute)

    def run_file(text: str = FILE, *assignments: str) -> None:
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        sweep = load_sweep(
            str(path), overrides=parse_overrides(assignments), catalogue=builtin_catalogue(settings.data_root)
        )
        run_sweep(sweep, settings=settings, store=store)

    return run_file


def record_cell(store: FileStore, settings: Settings, key: str, **config: Any) -> None:
    """Record a cell with a checkpoint of 1 MiB."""
    store.record_training(
        make_training(
            key, checkpoint_sha256=key, checkpoint_uri=f"/checkpoints/{key}", config=config, recorded_at=1_700_000_000.0
        )
    )
    open_storage(join(settings.checkpoints, key)).write_bytes("final.pt", bytes(2**20))


def unwanted_of(settings: Settings, store: FileStore, **options: Any) -> set[str]:
    found = collection(
        store, checkpoints=settings.checkpoints, data_root=settings.data_root, on_damage=pytest.fail, **options
    )
    return {cell.train_key for cell in found.unwanted}


def test_cells_of_a_sweep_that_was_run_are_kept_with_options_and_when_its_file_is_edited_or_gone(
    run: Callable[..., None], settings: Settings, store: FileStore, tmp_path: Path
) -> None:
    run()
    run(FILE, "train.epochs=1")
    run(FILE.replace("epochs: 3", "epochs: 2"))
    (tmp_path / "mine.yaml").unlink()

    assert len(store.train_keys()) == 3 * 6, "two rows and a parent, two seeds, three contents"
    assert unwanted_of(settings, store) == set()
    assert [(record.name, record.overrides) for record in store.sweeps()] == [
        ("mine", ()),
        ("mine", ("train.epochs=1",)),
        ("mine", ()),
    ]
    assert store.sweeps()[0].files == {"mine": FILE}


def test_the_same_sweep_again_is_remembered_once(run: Callable[..., None], store: FileStore) -> None:
    run()
    first = store.sweeps()
    run()

    assert store.sweeps() == first


def test_what_no_sweep_wants_is_listed_with_row_sweep_date_and_size_and_deleted_only_when_agreed(
    run: Callable[..., None],
    settings: Settings,
    store: FileStore,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run()
    record_cell(store, settings, "ab" * 32, method="cutout", dataset="digits", model="small-cnn", seed=7)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)

    assert main(["cells", "gc"]) == 0
    listed = capsys.readouterr().out
    assert main(["cells", "gc", "--delete"]) == 2
    refused = capsys.readouterr().err
    assert store.result("ab" * 32) is not None
    assert main(["cells", "gc", "--delete", "--yes", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    line = next(line for line in listed.splitlines() if line.startswith("abab"))
    assert line.split()[1:] == ["cutout,", "digits,", "small-cnn", "(unknown)", "7", *line.split()[6:8], "1.0", "MiB"]
    assert line.split()[6].startswith("2023-11-1")
    assert "of sweeps that were run here: mine" in listed
    assert "--yes" in refused
    assert document["cells"] == ["ab" * 6]
    assert document["deleted"] is True
    assert store.result("ab" * 32) is None
    assert len(store.train_keys()) == 7
    assert len(store.results(store.train_keys())) == 6


@pytest.mark.parametrize(("answer", "is_there"), [(True, False), (False, True)])
def test_a_person_is_asked(
    settings: Settings, store: FileStore, monkeypatch: pytest.MonkeyPatch, answer: bool, is_there: bool
) -> None:
    record_cell(store, settings, "ab" * 32)
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda text, **_: bool(asked.append(text)) or answer)

    assert main(["cells", "gc", "--delete"]) == 0

    assert asked == ["Delete 1 cell, 1.0 MiB, permanently?"]
    assert (store.result("ab" * 32) is not None) == is_there


def test_ctrl_c_at_the_question_deletes_nothing_and_says_so(
    settings: Settings, store: FileStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def aborted(*args: object, **kwargs: object) -> None:
        raise typer.Abort

    record_cell(store, settings, "ab" * 32)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", aborted)

    assert main(["cells", "gc", "--delete"]) == 130

    assert "\nInterrupted. What was deleted stays deleted; run the same command again" in capsys.readouterr().err
    assert store.result("ab" * 32) is not None


def test_what_killed_processes_left_is_listed_and_deleted_with_the_cells(
    settings: Settings,
    store: FileStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dead = owner_here().split("/")
    dead[2] = "99999999"
    unfinished = Path(settings.storage) / "checkpoints" / "ab" / f".tmp-{','.join(dead)}"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(bytes(2**20))
    folder = tmp_path / "99999999-0000"
    (folder / "ray").mkdir(parents=True)
    left = Leftover(path=str(folder), size=0, of="process 99999999 on here, of an earlier boot or another container")
    monkeypatch.setattr("orchestration.results.collection.undecided_folders", lambda: (left,))

    assert main(["cells", "gc"]) == 0
    listed = capsys.readouterr().out
    assert unfinished.exists()
    assert main(["cells", "gc", "--delete", "--yes", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    assert "process 99999999 on" in next(line for line in listed.splitlines() if str(unfinished) in line)
    assert "of an earlier boot" in next(line for line in listed.splitlines() if str(folder) in line)
    assert "0 cells, 0.0 MiB would be deleted with --delete; 2 leftovers, 1.0 MiB would be deleted" in listed
    assert [each["path"] for each in document["leftovers"]] == [str(unfinished), str(folder)]
    assert not unfinished.exists()
    assert not folder.exists()


def test_a_dropped_sweep_is_listed_by_its_rows_and_forgotten_with_its_cells(
    run: Callable[..., None], settings: Settings, store: FileStore, capsys: pytest.CaptureFixture[str]
) -> None:
    run()

    assert main(["cells", "gc", "--drop", "mine"]) == 0
    listed = capsys.readouterr().out
    assert main(["cells", "gc", "--drop", "mnie"]) == 2
    assert "did you mean 'mine'" in capsys.readouterr().err
    assert main(["cells", "gc", "--drop", "mine", "--delete", "--yes"]) == 0

    assert sum("Plain" in line and " mine " in line for line in listed.splitlines()) == 2
    assert sum("(supporting)" in line and " mine " in line for line in listed.splitlines()) == 2
    assert store.sweeps() == ()
    assert store.results(store.train_keys()) == {}


def test_what_a_sweep_wants_that_was_run_while_the_question_stood_is_not_deleted(
    settings: Settings, store: FileStore
) -> None:
    record_cell(store, settings, "ab" * 32)
    record_cell(store, settings, "cd" * 32)
    found = collection(store, checkpoints=settings.checkpoints, data_root=settings.data_root, on_damage=pytest.fail)
    store.record_sweep(
        SweepRecord(
            name="new",
            size="full",
            files={"new": ""},
            overrides=(),
            data_root="",
            cells=(SweptCell(train_key="cd" * 32, row="A", seed=0),),
            recorded_at=1.0,
        )
    )

    deleted = delete(found, store, checkpoints=settings.checkpoints)

    assert [cell.train_key for cell in deleted] == ["ab" * 32]
    assert store.result("cd" * 32) is not None


def test_imported_cells_and_cells_under_work_are_never_garbage(
    settings: Settings, store: FileStore, tmp_path: Path
) -> None:
    file = tmp_path / "theirs.json"
    file.write_text(json.dumps({"clean_acc": "91.0", "link": "x"}))
    import_file(file, "robustbench", name="Theirs", dataset="cifar-10", model="wrn", store=store)
    record_cell(store, settings, "ab" * 32)
    lease = store.acquire("ab" * 32, "another driver")
    assert lease is not None

    assert unwanted_of(settings, store) == set()

    store.release(lease)
    assert unwanted_of(settings, store) == {"ab" * 32}


def test_while_a_sweep_record_is_not_whole_nothing_is_collected_and_everything_else_goes_on(
    run: Callable[..., None], settings: Settings, store: FileStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`plan`, `status`, `table` ended with code 3, and the advice was to remove the file that protects the cells."""
    run()
    path = str(tmp_path / "mine.yaml")
    (name,) = store.storage.names("sweeps")
    whole = store.storage.read_bytes(f"sweeps/{name}")
    store.storage.write_bytes(f"sweeps/{name}", whole.replace(b"Plain", b"Plane"))
    keys = store.train_keys()
    capsys.readouterr()

    for verb in ("plan", "status", "table"):
        assert main([verb, path, "--set", "train.epochs=2"]) == 0, verb
        assert f"sweeps/{name}" in capsys.readouterr().err
    with pytest.raises(CorruptRecordError, match="checksum"):
        store.sweeps()
    assert main(["cells", "gc"]) == 3
    assert main(["cells", "gc", "--delete", "--yes"]) == 3
    advice = capsys.readouterr().err

    assert "`cells gc` deletes nothing; run the sweep again" in advice
    assert "remove that file" not in advice
    assert store.train_keys() == keys

    run()
    assert [record.name for record in store.sweeps()] == ["mine"], "running it again writes its record again"
    assert main(["cells", "gc"]) == 0


def test_a_run_that_is_refused_remembers_nothing_and_one_that_reads_only_neither(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FILE.replace("digits, model", "cifar-10, model").replace("recipe: digits", "recipe: cifar"))
    store = MemoryStore()
    sweep = load_sweep(str(path), catalogue=builtin_catalogue(settings.data_root))

    with pytest.raises(InputError, match="lacks data"):
        run_sweep(sweep, settings=settings, store=store)
    run_sweep(sweep, settings=settings, store=store, mode="read-only")

    assert store.sweeps() == ()
    assert not (Path(settings.storage)).exists()


def test_a_remembered_sweep_comes_back_equal() -> None:
    record = SweepRecord(
        name="mine",
        size="smoke",
        files={"mine": "name: mine\n", "part": "ä: 'ß'\n"},
        overrides=("train.epochs=1", "seeds=0,1"),
        data_root="/data",
        cells=(SweptCell(train_key="ab" * 32, row="A · ü", seed=3), SweptCell(train_key="cd" * 32, row="", seed=0)),
        recorded_at=12.5,
    )
    store = MemoryStore()

    assert store.record_sweep(record)
    assert not store.record_sweep(msgspec.structs.replace(record, recorded_at=99.0))
    assert store.sweeps() == (record,)
    store.forget_sweep(record)
    assert store.sweeps() == ()
