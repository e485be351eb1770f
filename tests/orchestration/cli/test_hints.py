"""Commands in messages: whole, quoted for a shell, with the options that were given; and storages that do not exist."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from orchestration.cli import main
from orchestration.cli.given_options import GivenOptions
from orchestration.cli.main import build_app
from orchestration.cli.verb_list import VERBS
from orchestration.errors import command, given_by
from orchestration.store.contract import AttemptRecord, SweepRecord, SweptCell
from orchestration.store.open import open_store

GIVEN = [
    "run",
    "my sweep.yaml",
    "--small",
    "--set",
    "train.epochs=1",
    "--set",
    "params.operations=[a, b]",
    "--seeds",
    "0-2",
    "--storage",
    "res x/a?b",
    "--data-root",
    "/data/it's",
    "--tracking-uri",
    "http://host:5000",
    "--max-concurrent",
    "2",
    "--mode",
    "force",
    "--own-gpus",
    "--json",
]
CHOICE = ["my sweep.yaml", "--small", "--set", "train.epochs=1", "--set", "params.operations=[a, b]", "--seeds", "0-2"]
PLACES = ["--storage", "res x/a?b", "--data-root", "/data/it's"]
SERVER = ["--tracking-uri", "http://host:5000"]


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (("sync",), ["sync", *CHOICE, *PLACES, *SERVER]),
        (("table",), ["table", *CHOICE, *PLACES]),
        (("resume",), ["resume", *CHOICE[:2], *PLACES[:2]]),
        (("ui",), ["ui", *PLACES[:2], *SERVER]),
        (("cells list",), ["cells", "list", *PLACES[:2]]),
        (("cells invalidate", "abcd"), ["cells", "invalidate", "abcd", *PLACES[:2]]),
        (("run",), ["run", *CHOICE, *PLACES, *SERVER, "--max-concurrent", "2", "--own-gpus"]),
        (("stop", "other"), ["stop", "other", "--small", *PLACES[:2]]),
    ],
)
def test_a_hint_carries_what_was_given_as_far_as_its_verb_has_it(hint: tuple[str, ...], expected: list[str]) -> None:
    with given_by(GivenOptions(GIVEN, build_app)):
        text = command(*hint)

    assert shlex.split(text) == ["dreamgrid", *expected]


def test_options_of_a_hint_replace_given_ones() -> None:
    with given_by(GivenOptions(GIVEN, build_app)):
        text = command("run", options=("--mode", "retry", "--seeds", "7"))

    assert shlex.split(text)[-4:] == ["--mode", "retry", "--seeds", "7"]
    assert "0-2" not in text


def test_without_a_command_line_a_hint_is_the_bare_command() -> None:
    assert command("cells invalidate", "a b") == "dreamgrid cells invalidate 'a b'"


@pytest.mark.parametrize("verb", [name for name in VERBS if name not in ("cluster", "submit", "doctor")])
def test_every_verb_reads_the_hints_that_lead_to_it(verb: str) -> None:
    """What a hint says is accepted by the verb's own parser."""
    group: Any = get_command(build_app(verb))
    found = group.commands[verb]
    leaves = [[verb, name] for name in found.commands] if hasattr(found, "commands") else [[verb]]
    for path in leaves:
        with given_by(GivenOptions(GIVEN, build_app)):
            words = shlex.split(command(" ".join(path)))[1 + len(path) :]
        leaf = found.commands[path[1]] if len(path) == 2 else found
        context = leaf.make_context("", words, resilient_parsing=True)
        assert not context.args


READING = [
    ["table", "demo"],
    ["status", "demo"],
    ["watch", "demo"],
    ["report", "demo"],
    ["claims", "table-3"],
    ["sync", "demo"],
    ["ui"],
    ["pause", "demo"],
    ["resume", "demo"],
    ["stop", "demo"],
    ["cells", "list"],
    ["cells", "show", "abcd"],
    ["cells", "logs", "abcd"],
    ["cells", "invalidate", "abcd", "--reason", "x"],
    ["cells", "gc"],
    ["export", "abcd1234", "--format", "openood"],
]


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_storage_that_does_not_exist_is_an_error_of_verbs_that_read(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    assert main([*words, "--storage", "no such"]) == 3

    assert f"'{tmp_path / 'no such'}' does not" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_plan_needs_no_storage(tmp_path: Path) -> None:
    assert main(["plan", "demo", "--smoke", "--storage", str(tmp_path / "none yet"), "--json"]) == 0


def smoke_record(name: str, size: str, overrides: tuple[str, ...], keys: list[str]) -> SweepRecord:
    cells = tuple(SweptCell(train_key=key, row="A", seed=0) for key in keys)
    return SweepRecord(
        name=name, size=size, files={}, overrides=overrides, data_root="", cells=cells, recorded_at=float(len(keys))
    )


def test_cells_recorded_with_other_settings_are_mentioned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six cells with other epochs are recorded, of a smaller size one: the plain sweep has none, and says so."""
    store = open_store(tmp_path)
    six = [f"{number:064x}" for number in range(6)]
    store.record_sweep(smoke_record("demo", "full", ("train.epochs=1",), six))
    store.record_sweep(smoke_record("demo", "smoke", (), ["f" * 64]))
    store.record_sweep(smoke_record("demo", "full", ("train.epochs=2",), ["e" * 64]))
    store.record_sweep(smoke_record("other", "full", ("train.epochs=9",), six))
    store.record_sweep(smoke_record("demo", "full", ("train.epochs=1", "seeds=0"), six[:3]))  # counted with the six
    recorded = {*six, "f" * 64}
    monkeypatch.setattr(
        "orchestration.store.files.FileStore.results",
        lambda self, keys, wanted=None, on_damage=None: dict.fromkeys(key for key in keys if key in recorded),
    )
    storage = ["--storage", str(tmp_path)]

    for verb in (["plan"], ["status"], ["table"], ["report", "-o", str(tmp_path / "x.html")], ["claims"]):
        assert main([*verb, "demo", *storage]) == 0
        printed = capsys.readouterr()
        text = printed.out + printed.err
        assert "6 cells are recorded with train.epochs=1\n" in text
        assert "1 cell is recorded with the smoke size\n" in text
        assert not any(other in text for other in ("epochs=2", "epochs=9", "seeds=0"))


def test_hints_of_a_table_and_of_a_plan_are_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage = tmp_path / "res x"
    storage.mkdir()
    given = ["demo", "--smoke", "--set", "train.epochs=2", "--seeds", "5", "--storage", str(storage)]
    assert main(["plan", *given, "--json"]) == 0
    key = json.loads(capsys.readouterr().out)["cells"][0]["train_key"]
    attempt = AttemptRecord(train_key=key, attempt=1, error_class="nan", message="x", started_at=1.0, ended_at=2.0)
    open_store(storage).record_attempt(attempt)

    assert main(["table", *given]) == 0
    table = capsys.readouterr().err
    assert main(["plan", *given]) == 0
    plan = capsys.readouterr().out

    assert f"compute it with: {shlex.join(['dreamgrid', 'run', *given])}\n" in table
    assert f"run them again with: {shlex.join(['dreamgrid', 'run', *given, '--mode', 'retry'])}\n" in plan


def test_the_format_of_an_imported_file_is_not_that_of_the_table_that_shows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, storage = tmp_path / "theirs.csv", ["--storage", str(tmp_path / "storage")]
    file.write_text("dataset,FPR@95,AUROC,AUPR_IN,AUPR_OUT,ACC\nsvhn,20.1,95.0,91.2,97.0,94.5\n")
    given = ["--format", "openood", "--name", "theirs", "--dataset", "cifar-10"]

    assert main(["import", str(file), *given, *storage]) == 0

    assert f"then {shlex.join(['dreamgrid', 'table', 'my-sweep.yaml', *storage])}\n" in capsys.readouterr().out
