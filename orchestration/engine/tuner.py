"""How cells reach Ray Tune: a Searcher that asks the driver for the next one, and the tuner around it.

A trial carries cell after cell, a few at once, and reports each. Left to itself Ray Tune starts a process for a trial, which
takes seconds and memory of the head node, so that a cell of a second would cost more than itself. Whenever Ray Tune asks for a
trial, or passes on a report, the driver is asked which cell is next; it goes to a trial that has room, or becomes a new trial.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import ray
from ray import tune
from ray.tune.search import Searcher

from orchestration.engine.driver.driver import Driver
from orchestration.engine.groups.trial import TRIAL_RESOURCES, cells_trial

CELLS_AT_ONCE: Final = 4
"""Cells that a trial has under way: its process takes about 115 MiB of the head node, which so many groups share."""


class CellSearcher(Searcher):  # type: ignore[misc]
    """Suggests the cells that the driver wants started, one at a time, each with the group that is to run it.

    Args:
        cells_at_once: Cells that a trial may have under way; it takes more of them as `cells_trial` does. With 1 every cell is a
            trial that ends with it, whatever it runs.
    """

    def __init__(self, driver: Driver, cells_at_once: int = 1) -> None:
        super().__init__(metric="cells", mode="max")
        self._driver = driver
        self._cells_at_once = cells_at_once
        self._mailbox: Any = None
        self._under_way: dict[str, set[int]] = {}
        """Trial -> the jobs that it has and has not reported."""

        self._first: dict[str, int] = {}
        """Trial -> its first job, by which it is known in the mailbox."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the configuration of a new trial, None for "not now", or `FINISHED`."""
        while isinstance(suggestion := self._driver.suggest(), dict):
            trial = self._with_room()
            if trial is None:
                self._mailbox = self._mailbox or mailbox_of(suggestion)
                self._first[trial_id] = suggestion["job"]
                self._under_way[trial_id] = {suggestion["job"]}
                return suggestion
            self._hand_over(trial, suggestion)
        if suggestion is None:
            return None
        self._dismiss()
        return str(Searcher.FINISHED)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Note the end of a trial's cell, and hand over the next ones while there is room for them."""
        job = int(result.get("job", -1))
        # What a trial returns at its end is passed on as well, and is no end of a cell.
        if job not in self._under_way.get(trial_id, ()):
            return
        self._under_way[trial_id].remove(job)
        self._driver.trial_ended(job)
        while (trial := self._with_room()) is not None:
            suggestion = self._driver.suggest()
            if suggestion == "finished":
                self._dismiss()
            if not isinstance(suggestion, dict):
                return
            self._hand_over(trial, suggestion)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Notify the driver that a trial is over, and of the jobs that it had not reported."""
        self._first.pop(trial_id, None)
        for job in sorted(self._under_way.pop(trial_id, ())):
            self._driver.trial_ended(job, has_broken=error)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the truth is in the results store, and Tune's state is never restored."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""

    def __getstate__(self) -> dict[str, Any]:
        """Pickle without the driver, since Tune stores a copy of its configuration."""
        return {}

    def _with_room(self) -> str | None:
        """Return the first trial that can take another cell."""
        return next((trial for trial, jobs in self._under_way.items() if len(jobs) < self._cells_at_once), None)

    def _hand_over(self, trial: str, suggestion: dict[str, Any]) -> None:
        self._under_way[trial].add(suggestion["job"])
        ray.get(self._mailbox.hand_over.remote(self._first[trial], suggestion["group"], suggestion["job"]))

    def _dismiss(self) -> None:
        for first in self._first.values():
            self._mailbox.dismiss.remote(first)


def mailbox_of(trial: Mapping[str, Any]) -> Any:
    """Return the mailbox by which a trial has its cells delivered, from its configuration."""
    return ray.get_actor(trial["mailbox"], namespace=trial["namespace"])


def run_tuner(driver: Driver, scratch: str) -> None:
    """Run trials until the driver has no more cells."""
    tuner = tune.Tuner(
        tune.with_resources(cells_trial, TRIAL_RESOURCES),
        # -1: as many trials as the searcher suggests.
        tune_config=tune.TuneConfig(search_alg=CellSearcher(driver, CELLS_AT_ONCE), num_samples=-1, reuse_actors=True),
        # No retries by Ray Tune: the driver decides what follows from a failure.
        run_config=tune.RunConfig(
            name="trials", storage_path=scratch, verbose=0, failure_config=tune.FailureConfig(max_failures=0)
        ),
    )
    tuner.fit()
