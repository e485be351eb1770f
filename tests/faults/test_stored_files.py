"""Every kind of stored file, damaged in every way, before every verb: the recorded value, or a message; never another value."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from orchestration.cells.load import load_sweep
from orchestration.cli import main
from orchestration.planning.plan import make_plan
from orchestration.store import reading
from orchestration.store.contract import AttemptRecord, MeasuredSeconds
from orchestration.store.open import open_store
from tests.fakes import in_process

pytestmark = [pytest.mark.faults, pytest.mark.slow]

SWEEP: Final = """
name: stored
title: Cells without training
base: {dataset: digits, model: small-cnn, recipe: noop}
axes:
  cells:
    - {row: Baseline, method: baseline}
seeds: [0, 1]
workers: 1
table: {columns: [clean/error]}
benchmarks: {clean: {max_images: 60}}
"""

DAMAGES: Final[dict[str, Callable[[bytes], bytes | None]]] = {
    "half": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "one-byte": lambda data: data[: len(data) // 3] + bytes([data[len(data) // 3] ^ 0x10]) + data[len(data) // 3 + 1 :],
    "deleted": lambda data: None,
    "newer-version": lambda data: data.replace(b'"version":1,', b'"version":99,', 1),
}
KINDS: Final[dict[str, str]] = {
    "training": "results/*/*/training.json",
    "report": "results/*/*/[!t]*.json",
    "arrays": "results/*/*/*.npz",
    "checkpoint": "checkpoints/*/final.ckpt",
    "attempt": "attempts/*/*.json",
    "lease": "leases/*/*.json",
    "control": "control/*.json",
    "sweep": "sweeps/*.json",
    "calibration": "calibrations/*/*.json",
    "index-table": "index/*.toc.json",
    "index-body": "index/*.body",
    "tracking": "mlflow.db",
}
"""Kind of file -> where files of it are. A tombstone is left out: whoever deletes one takes an invalidation back."""

VERSIONED: Final = frozenset({"training", "report", "attempt", "sweep"})
CASES: Final = [
    (kind, damage) for kind in KINDS for damage in DAMAGES if damage != "newer-version" or kind in VERSIONED
]
Shown = dict[tuple[str, str, str], float]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a sweep file, and a storage that has a file of every kind."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("recorded")
        (folder / "stored.yaml").write_text(SWEEP)
        _places(folder, patch)
        store = open_store(folder / "storage")
        plan = make_plan(load_sweep(str(folder / "stored.yaml")), store=store)
        key = plan.cells[0].train_key
        store.record_attempt(
            AttemptRecord(
                train_key=key, attempt=1, error_class="worker-died", message="x", started_at=1.0, ended_at=2.0
            )
        )
        store.record_calibration(
            "v100", "here", MeasuredSeconds(training={("digits", "small-cnn", "baseline", "tf32"): 0.5})
        )
        assert main(["run", str(folder / "stored.yaml"), "--mode", "retry"]) == 0
        assert main(["pause", str(folder / "stored.yaml")]) == 0
        assert main(["table", str(folder / "stored.yaml")]) == 0
        yield folder


def _places(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let all verbs use the folder, run cells in this process, and write an index of few cells."""
    patch.setenv("DREAMGRID_STORAGE", str(folder / "storage"))
    patch.setenv("DREAMGRID_CACHE", str(folder / "cache"))
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    patch.setattr("orchestration.runs.run.execute", in_process.execute)
    patch.setattr(reading, "INDEX_FROM", 1)


@pytest.fixture
def scene(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the recorded folder that a test may damage."""
    folder = tmp_path / "scene"
    shutil.copytree(recorded, folder)
    _places(folder, monkeypatch)
    return folder


class Verbs:
    """Calls verbs on a folder and keeps to what each of them promises."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.sweep = str(folder / "stored.yaml")
        self._capsys = capsys

    def call(self, verb: str, *options: str) -> tuple[int, str, str]:
        """Return the exit code, what was printed, and the messages; an unforeseen error fails the test."""
        self._capsys.readouterr()
        code = main([verb, self.sweep, *options])
        printed, messages = self._capsys.readouterr()
        assert "unforeseen" not in messages, messages
        assert code in (0, 1, 3), messages
        return code, printed, messages

    def table(self) -> tuple[int, Shown, str]:
        """Return the exit code of `table`, its numbers, and the messages."""
        code, printed, messages = self.call("table", "--json")
        return code, _values(json.loads(printed)) if code == 0 else {}, messages


def _values(document: Any) -> Shown:
    """Return (row, column, seed) -> value of a table."""
    return {
        (row, column["key"], seed): value
        for row, entries in zip(document["rows"], document["entries"], strict=True)
        for column, entry in zip(document["columns"], entries, strict=True)
        if entry is not None
        for seed, value in entry["values"].items()
    }


@pytest.mark.parametrize(("kind", "damage"), CASES)
def test_a_damaged_file_is_reported_or_repaired(
    kind: str, damage: str, scene: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verbs = Verbs(scene, capsys)
    _, expected, _ = verbs.table()
    assert expected
    path = sorted((scene / "storage").glob(KINDS[kind]))[0]
    content = DAMAGES[damage](path.read_bytes())
    path.unlink() if content is None else path.write_bytes(content)

    for verb in ("plan", "status", "sync"):
        code, _, messages = verbs.call(verb)
        assert code != 3 or path.name in messages or path.parent.name in messages, f"{verb}: {messages}"
    code, shown, messages = verbs.table()
    assert shown.items() <= expected.items()
    assert code == 0 or path.name in messages or path.parent.name in messages, messages
    code, _, messages = verbs.call("run")
    if code == 3:
        assert path.name in messages or path.parent.name in messages, messages
        _follow(messages, verbs, path)
        assert verbs.call("run")[0] == 0
    assert verbs.table()[1] == expected


def _follow(messages: str, verbs: Verbs, path: Path) -> None:
    """Do what the message asks for."""
    forget = re.search(r"cells invalidate (\w+)", messages)
    if forget:
        assert main(["cells", "invalidate", forget[1], "--reason", "damaged"]) == 0
    else:
        assert "remove that file" in messages, messages
        path.unlink()
