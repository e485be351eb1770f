"""A sweep from nothing to its grid, and again: what is recorded is never computed twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(400)]

SWEEP = """
title: A tiny sweep
base:
  dataset: digits
  model: small-cnn
  recipe: digits
  train: {{epochs: {epochs}, train_images: 256}}
axes:
  cells:
{cells}
seeds: [{seeds}]
workers: {workers}
table:
  columns: [{columns}]
"""

SweepFile = Callable[[str, str], Path]


def tiny(
    *methods: str, seeds: str = "0", epochs: int = 1, workers: int = 2, columns: str = "clean/error, clean/rms"
) -> str:
    cells = "\n".join(f"    - {{row: {method}, method: {method}}}" for method in methods)
    return SWEEP.format(cells=cells, seeds=seeds, epochs=epochs, workers=workers, columns=columns)


def trainings(storage: Path) -> dict[str, float]:
    """Every training record with its time of last change."""
    return {str(path): path.stat().st_mtime_ns for path in (storage / "results").rglob("training.json")}


def checkpoints(storage: Path) -> set[Path]:
    return set((storage / "checkpoints").rglob("*.ckpt"))


@pytest.fixture(scope="module")
def first(dreamgrid: Any, sweep_file: SweepFile) -> Any:
    """A sweep of two cells that was run from nothing."""
    ran = dreamgrid("run", str(sweep_file("first", tiny("baseline", "cutout"))), "--json")
    assert ran.code == 0, ran.err
    assert len(ran.document["computed"]) == 2
    return ran


def test_the_second_run_trains_nothing_and_shows_the_same_grid(
    dreamgrid: Any, first: Any, sweep_file: SweepFile
) -> None:
    recorded = trainings(dreamgrid.storage)

    second = dreamgrid("run", str(sweep_file("first", tiny("baseline", "cutout"))), "--json")

    assert second.code == 0, second.err
    assert second.document["computed"] == []
    assert second.document["table"] == first.document["table"]
    assert trainings(dreamgrid.storage) == recorded
    assert second.wall_s < 15


def test_mlflow_has_one_flat_run_per_cell_and_row_and_one_for_the_sweep(dreamgrid: Any, first: Any) -> None:
    query = (
        "select runs.status, count(*) from runs join experiments using (experiment_id) "
        "where experiments.name = 'first' group by runs.status"
    )
    with sqlite3.connect(dreamgrid.storage / "mlflow.db") as database:
        statuses = database.execute(query).fetchall()
        nested = database.execute("select count(*) from tags where key = 'mlflow.parentRunId'").fetchone()[0]

    assert statuses == [("FINISHED", 5)]
    assert nested == 0


def test_the_number_of_workers_does_not_change_what_a_cell_is(
    dreamgrid: Any, first: Any, sweep_file: SweepFile
) -> None:
    alone = dreamgrid("run", str(sweep_file("alone", tiny("baseline", "cutout", workers=1))), "--json")

    assert alone.code == 0, alone.err
    assert alone.document["computed"] == []


def test_a_new_seed_and_a_new_method_run_only_their_own_cells(
    dreamgrid: Any, first: Any, sweep_file: SweepFile
) -> None:
    recorded = trainings(dreamgrid.storage)

    grown = dreamgrid("run", str(sweep_file("grown", tiny("baseline", "mixup", seeds="0, 1"))), "--json")

    assert grown.code == 0, grown.err
    assert len(grown.document["computed"]) == 3
    assert not set(grown.document["computed"]) & set(first.document["computed"])
    assert recorded.items() <= trainings(dreamgrid.storage).items()


def test_a_new_benchmark_does_not_train_again(dreamgrid: Any, first: Any, sweep_file: SweepFile) -> None:
    recorded = trainings(dreamgrid.storage)

    wider = tiny("baseline", "cutout", columns="clean/error, ood-generated/auroc")
    evaluated = dreamgrid("run", str(sweep_file("wider", wider)), "--json")

    assert evaluated.code == 0, evaluated.err
    assert sorted(evaluated.document["computed"]) == sorted(first.document["computed"])
    assert trainings(dreamgrid.storage) == recorded


def test_ctrl_c_stops_cleanly_and_says_how_to_continue(dreamgrid: Any, sweep_file: SweepFile) -> None:
    stable = tiny("speckle", epochs=4000).replace("train_images: 256", "train_images: 256, lr: 0.01")
    earlier = checkpoints(dreamgrid.storage)
    driver = dreamgrid.start("run", str(sweep_file("stopped", stable)))
    deadline = time.monotonic() + 200
    while not checkpoints(dreamgrid.storage) - earlier and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(3.0)
    os.kill(driver.pid, signal.SIGINT)
    _, err = driver.communicate(timeout=120)

    assert driver.returncode == 130, err
    assert "Ctrl-C: running cells write their checkpoints" in err
    assert "  continue:                  dreamgrid run" in err
    assert "Traceback" not in err
