"""The audit of the matrix finds what it is there to find."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from orchestration.cells.load import load_sweep
from orchestration.store.files import FileStore
from orchestration.store.open import open_store
from tests.fakes.recorded_sweep import record_as_run, record_cell
from tests.fakes.records import make_training
from tests.faults.campaign import drawn
from tests.faults.harness import audit as audits
from tests.faults.harness.audit import audit, kinds_of, shared_memory, tracking_problems
from tests.faults.harness.processes import MARK
from tests.faults.harness.recorded import Numbers, plan_of, recorded_numbers
from tests.faults.harness.scene import Scene, new_scene
from tests.faults.harness.workloads import SINGLE


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A scene whose two cells are recorded; no tracking server."""
    monkeypatch.setattr("tests.faults.harness.processes.LEAVE_S", 0.0)
    made = new_scene(SINGLE)
    made.prepare()
    made.tracking = "none"
    plan_of(made.sweep, made.storage)
    record_as_run(load_sweep(str(made.sweep)), open_store(made.storage))
    yield made
    made.close()


def found(scene: Scene, expected: Mapping[str, Numbers]) -> dict[str, int]:
    """Return how many problems of each kind there are."""
    problems = audit(scene, expected, shared_before=shared_memory())
    return {kind: number for kind, number in kinds_of(problems).items() if number}


def first_key(scene: Scene) -> str:
    return plan_of(scene.sweep, scene.storage)[0].cells[0].train_key


def lose_a_report(scene: Scene, store: FileStore) -> None:
    reports = (scene.folder / "results" / first_key(scene)).glob("*/[!t]*.json")
    next(reports).unlink()


def double(scene: Scene, store: FileStore) -> None:
    store.record_training(make_training(first_key(scene), checkpoint_sha256="e" * 64, recorded_at=1.0))


def hold(scene: Scene, store: FileStore) -> None:
    assert store.acquire(first_key(scene), "somebody else") is not None


def leave_a_file(scene: Scene, store: FileStore) -> None:
    (scene.folder / "results" / ".tmp-1-abc").touch()


def leave_a_folder(scene: Scene, store: FileStore) -> None:
    path = scene.temporary / "dg-0" / "1-abcd" / "ray" / "file"
    path.parent.mkdir(parents=True)
    path.touch()


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lose_a_report, "lost"),
        (double, "doubled"),
        (hold, "lease"),
        (leave_a_file, "temporary file"),
        (leave_a_folder, "temporary file"),
    ],
)
def test_what_is_wrong_with_a_storage_is_found(
    scene: Scene, spoil: Callable[[Scene, FileStore], None], kind: str
) -> None:
    expected = recorded_numbers(scene.sweep, scene.storage)
    assert found(scene, expected) == {}

    spoil(scene, open_store(scene.storage))

    assert kind in found(scene, expected)


def test_a_cell_without_a_record_is_lost(scene: Scene) -> None:
    expected = recorded_numbers(scene.sweep, scene.storage)
    other = new_scene(SINGLE)
    try:
        other.prepare()
        other.tracking = "none"
        record_cell(load_sweep(str(other.sweep)).cells[1], open_store(other.storage))
        assert found(other, expected) == {"lost": 1}
    finally:
        other.close()


def test_another_number_is_found(scene: Scene) -> None:
    expected = recorded_numbers(scene.sweep, scene.storage)
    key = first_key(scene)
    changed = {**expected[key].metrics, "clean/error": (0.5, 100)}

    numbers = Numbers(weights=expected[key].weights, metrics=changed, losses=expected[key].losses)

    assert found(scene, {**expected, key: numbers}) == {"altered": 1}


def test_a_cell_that_two_runs_completed_is_doubled(scene: Scene) -> None:
    expected = recorded_numbers(scene.sweep, scene.storage)
    for _ in range(2):
        driver = scene.call("--version")
        driver.end(120.0)
        driver.printed.write_text(json.dumps({"computed": [first_key(scene)[:12]]}))

    assert found(scene, expected) == {"doubled": 1}


def test_a_process_that_is_left_is_found_and_ended(scene: Scene) -> None:
    expected = recorded_numbers(scene.sweep, scene.storage)
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    left = subprocess.Popen(command, env={**os.environ, MARK: scene.mark}, start_new_session=True)

    assert found(scene, expected) == {"process": 1}
    left.wait(30)  # it would sleep for minutes


def test_a_tracking_server_without_a_database_is_found(scene: Scene) -> None:
    plan, store = plan_of(scene.sweep, scene.storage)

    assert tracking_problems(Path(scene.root, "none.db"), plan, store)


def test_shared_memory_that_nobody_maps_is_found(scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(audits, "_SHARED", tmp_path)
    before = shared_memory()
    (tmp_path / "left").touch()

    assert audit(scene, recorded_numbers(scene.sweep, scene.storage), shared_before=before) == ["shared memory: left"]


def test_a_seed_draws_the_same_faults_again() -> None:
    first, again, other = ([row.id for row in itertools.islice(drawn(seed), 30)] for seed in (7, 7, 8))

    assert first == again != other
