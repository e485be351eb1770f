"""`watch` next to a run in another process: what it says follows the run, and reading leaves no trace."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestration.cells.load import load_sweep
from orchestration.planning.costs.machines import read_machine
from orchestration.runs.watching.looks import Looks
from orchestration.runs.watching.snapshot import Snapshot
from orchestration.store.open import open_store

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(600)]

SWEEP = """
title: A sweep to watch
base:
  dataset: digits
  model: small-cnn
  recipe: digits
  train: {epochs: 20, train_images: 1000, lr: 0.02}
axes:
  cells:
    - {row: Baseline, method: baseline}
seeds: [0, 1]
workers: 1
table: {columns: [clean/error]}
"""


def followed(looks: Looks, until: Callable[[Snapshot], bool], *, within_s: float = 400.0) -> list[Snapshot]:
    """Look until something is so; return what was seen."""
    ends, seen = time.monotonic() + within_s, [looks.look()]
    while not until(seen[-1]):
        assert time.monotonic() < ends, seen[-1]
        time.sleep(0.5)
        seen.append(looks.look(is_asked=not seen[-1].is_run))
    return seen


def test_a_run_in_another_process_is_followed_from_before_its_start_to_its_end(
    dreamgrid: Any, sweep_file: Callable[[str, str], Path]
) -> None:
    path = str(sweep_file("watched", SWEEP))
    dreamgrid.storage.mkdir(parents=True)
    looks = Looks(
        load_sweep(path), open_store(dreamgrid.storage), machine=read_machine(), on_damage=lambda _: None, every_s=0.5
    )
    assert looks.look().counts == "2 cells: 2 waiting"
    assert list(dreamgrid.storage.iterdir()) == []

    run = dreamgrid.start("run", path, "--max-concurrent", "1")
    try:
        seen = followed(looks, lambda shown: shown.is_over)
        assert [cell.note for cell in seen[-1].failed] == []
        _, err = run.communicate(timeout=120)
        assert run.returncode == 0, err
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)

    running = [cell for shown in seen for cell in shown.cells if cell.state == "running"]
    assert any(shown.is_run and "process" in shown.activity for shown in seen)
    assert any("of 20" in cell.progress and cell.loss is not None and cell.images_per_s for cell in running)
    assert any(shown.loads and 0.0 < shown.loads[0].cpu <= 1.0 for shown in seen)
    assert any(shown.eta_s is not None and shown.cells_per_hour for shown in seen)
    assert max(shown.share for shown in seen if shown.share is not None) > 0.5
    last = followed(looks, lambda shown: not shown.is_run)[-1]
    assert (last.counts, last.activity) == ("2 cells: 2 done", "complete")
    assert last.cost.spent_h == last.cost.expected_h > 0.0
    assert list((dreamgrid.storage / "drivers").iterdir()) == []
    watched = dreamgrid("watch", path)
    assert watched.code == 0
    assert "2 cells: 2 done" in watched.out
    assert "| Baseline |" in watched.out
