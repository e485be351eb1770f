"""Processes of Ray Tune's trials on a real local Ray."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import tune
from ray.tune.execution.tune_controller import TuneController
from ray.tune.search import Searcher

from orchestration.engine import tuner as tuner_module
from orchestration.engine.groups.trial import TRIAL_RESOURCES
from orchestration.engine.tuner import PatientController, keeping_trial_processes

pytestmark = pytest.mark.ray

AT_ONCE = 3
TRIALS = 24


class Batches(Searcher):
    """Suggests trials, so many at once, and collects the processes they ran in."""

    def __init__(self) -> None:
        super().__init__(metric="pid", mode="max")
        self.processes: list[int] = []
        self.live: set[str] = set()

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if len(self.processes) + len(self.live) == TRIALS:
            return str(Searcher.FINISHED)
        if len(self.live) == AT_ONCE:
            return None
        self.live.add(trial_id)
        return {"seconds": 0.05 * len(self.live)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        assert result is not None
        self.live.remove(trial_id)
        self.processes.append(result["pid"])

    def save(self, checkpoint_path: str) -> None:
        """Save nothing."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


def sleep_trial(config: dict[str, float]) -> dict[str, int]:
    """Stand in for a cell that ends sooner than a process starts."""
    time.sleep(config["seconds"])
    return {"pid": os.getpid()}


def test_trials_that_run_at_once_have_a_process_each_and_keep_it(local_ray: None, tmp_path: Path) -> None:
    searcher = Batches()
    tuner = tune.Tuner(
        tune.with_resources(sleep_trial, TRIAL_RESOURCES),
        tune_config=tune.TuneConfig(search_alg=searcher, num_samples=-1, reuse_actors=True),
        run_config=tune.RunConfig(name="trials", storage_path=str(tmp_path), verbose=0),
    )
    with keeping_trial_processes():
        tuner.fit()
    assert len(searcher.processes) == TRIALS
    assert len(set(searcher.processes)) == AT_ONCE


def test_a_trial_whose_process_does_not_start_takes_a_free_one_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(tuner_module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(TuneController, "_maybe_reuse_cached_actor", lambda self, trial: True)
    trial = SimpleNamespace(trial_id="one")
    controller = PatientController.__new__(PatientController)
    controller._waiting_since = {}
    controller._resetting_trials = ()
    controller._trial_to_actor = [trial]

    assert not controller._maybe_reuse_cached_actor(trial)
    now[0] += tuner_module.PATIENCE_S - 1
    assert not controller._maybe_reuse_cached_actor(trial)
    now[0] += 2
    assert controller._maybe_reuse_cached_actor(trial)
    assert controller._maybe_reuse_cached_actor(SimpleNamespace(trial_id="without a process of its own"))


def test_tuners_outside_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.tune import tune as module

    monkeypatch.setenv("TUNE_MAX_PENDING_TRIALS_PG", "5")
    with keeping_trial_processes():
        assert module.TuneController is PatientController
        assert os.environ["TUNE_MAX_PENDING_TRIALS_PG"] == "5"
    assert module.TuneController is not PatientController
    assert os.environ["TUNE_MAX_PENDING_TRIALS_PG"] == "5"
    monkeypatch.delenv("TUNE_MAX_PENDING_TRIALS_PG")
    with keeping_trial_processes():
        assert os.environ["TUNE_MAX_PENDING_TRIALS_PG"] == "32"
    assert "TUNE_MAX_PENDING_TRIALS_PG" not in os.environ
