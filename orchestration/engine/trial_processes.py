"""Which processes Ray Tune's trials run in: each goes on with the next trial, and none is given up while it starts.

Ray Tune keeps one process of the trials that are over, beside those for trials that wait, and a trial whose process is starting
takes over one that comes free and gives up its own. Where cells end faster than processes start (seconds, and the head node
starts few at once) there would never be more than one process, however many groups stand idle.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, Final

from ray.tune import tune
from ray.tune.execution.tune_controller import TuneController
from ray.tune.utils.object_cache import _ObjectCache

WAITING_TRIALS: Final = 32
"""Trials whose processes may be starting at once; Ray starts as many together as the head node has CPUs."""

_WAITING_VARIABLE: Final = "TUNE_MAX_PENDING_TRIALS_PG"


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
        self._actor_cache = FreeProcesses()

    def _maybe_reuse_cached_actor(self, trial: Any) -> bool:
        if trial in self._trial_to_actor and trial not in self._resetting_trials:
            return False
        return bool(super()._maybe_reuse_cached_actor(trial))


@contextlib.contextmanager
def keeping_trial_processes() -> Iterator[None]:
    """Let tuners that are started in the body keep their trials' processes."""
    before, waiting = tune.TuneController, os.environ.get(_WAITING_VARIABLE)
    tune.TuneController = PatientController
    os.environ.setdefault(_WAITING_VARIABLE, str(WAITING_TRIALS))
    try:
        yield
    finally:
        tune.TuneController = before
        if waiting is None:
            os.environ.pop(_WAITING_VARIABLE, None)
