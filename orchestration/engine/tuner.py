"""How cells reach Ray Tune: a Searcher that asks the driver for the next one, and the tuner around it.

Left to itself Ray Tune keeps one process of the trials that are over, beside those for trials that wait, and a trial whose
process is starting takes over one that comes free and gives up its own. Where cells end faster than processes start (seconds, and
the head node starts few at once) there would never be more than one process, however many groups are idle.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ray import tune
from ray.tune import tune as tune_module
from ray.tune.execution.tune_controller import TuneController
from ray.tune.search import Searcher
from ray.tune.utils.object_cache import _ObjectCache

from orchestration.engine.groups.trial import TRIAL_RESOURCES, cell_trial

if TYPE_CHECKING:
    from orchestration.engine.driver.driver import Driver

WAITING_TRIALS: Final = 32
"""Trials whose processes may be starting at once; Ray starts as many together as the head node has CPUs."""

PATIENCE_S: Final = 60.0
"""A process that has not started by then may be lost: its trial takes the next one that is free."""

_WAITING_VARIABLE: Final = "TUNE_MAX_PENDING_TRIALS_PG"


class CellSearcher(Searcher):  # type: ignore[misc]
    """Suggests the cells that the driver wants started, one at a time, each with the group that is to run it."""

    def __init__(self, driver: Driver) -> None:
        super().__init__(metric="outcome", mode="max")
        self._driver = driver
        self._jobs: dict[str, int] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the configuration of a trial, None for "not now", or `FINISHED`."""
        suggestion = self._driver.suggest()
        if suggestion is None:
            return None
        if suggestion == "finished":
            return str(Searcher.FINISHED)
        assert isinstance(suggestion, dict)
        self._jobs[trial_id] = suggestion["job"]
        return suggestion

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Notify the driver that a trial is over."""
        job = self._jobs.pop(trial_id, None)
        if job is not None:
            self._driver.trial_ended(job, has_broken=error)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the truth is in the results store, and Tune's state is never restored."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""

    def __getstate__(self) -> dict[str, Any]:
        """Pickle without the driver, since Tune stores a copy of its configuration."""
        return {}


class FreeProcesses(_ObjectCache):  # type: ignore[misc]
    """The processes of trials that are over: all of them, until the tuner has no more trials."""

    def cache_object(self, key: Any, obj: Any) -> bool:
        """Keep a process."""
        self._cached_objects[key].append(obj)
        self._num_cached_objects += 1
        return True

    def flush_cached_objects(self, force_all: bool = False) -> Iterator[Any]:
        """Give up all processes at the end, none before."""
        return iter(super().flush_cached_objects(force_all=True)) if force_all else iter(())


class PatientController(TuneController):  # type: ignore[misc]
    """Ray Tune's loop, where a trial waits for the process that was started for it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # After the base class, which makes a cache of its own.
        self._actor_cache = FreeProcesses()
        self._waiting_since: dict[str, float] = {}

    def _maybe_reuse_cached_actor(self, trial: Any) -> bool:
        # Its own process is starting: the base class would give that up for a free one.
        if trial in self._trial_to_actor and trial not in self._resetting_trials:
            since = self._waiting_since.setdefault(trial.trial_id, time.monotonic())
            if time.monotonic() - since < PATIENCE_S:
                return False
        return bool(super()._maybe_reuse_cached_actor(trial))


def run_tuner(driver: Driver, scratch: str) -> None:
    """Run trials until the driver has no more cells."""
    tuner = tune.Tuner(
        tune.with_resources(cell_trial, TRIAL_RESOURCES),
        # -1: as many trials as the searcher suggests. A process of its own for each would cost every cell seconds.
        tune_config=tune.TuneConfig(search_alg=CellSearcher(driver), num_samples=-1, reuse_actors=True),
        # No retries by Ray Tune: the driver decides what follows from a failure.
        run_config=tune.RunConfig(
            name="trials", storage_path=scratch, verbose=0, failure_config=tune.FailureConfig(max_failures=0)
        ),
    )
    with keeping_trial_processes():
        tuner.fit()


@contextlib.contextmanager
def keeping_trial_processes() -> Iterator[None]:
    """Let tuners that are started in the body keep their trials' processes."""
    before, waiting = tune_module.TuneController, os.environ.get(_WAITING_VARIABLE)
    # Ray has no option for it: `fit` looks the class up by this name.
    tune_module.TuneController = PatientController
    # A number that the user has set stays.
    os.environ.setdefault(_WAITING_VARIABLE, str(WAITING_TRIALS))
    try:
        yield
    finally:
        tune_module.TuneController = before
        if waiting is None:
            os.environ.pop(_WAITING_VARIABLE, None)
