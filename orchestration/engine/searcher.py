"""How cells reach Ray Tune: a Searcher that asks the driver for the next one, and the tuner around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ray import tune
from ray.tune.search import Searcher

from orchestration.engine.trial import TRIAL_RESOURCES, cell_trial, keep_credentials_out_of_trials
from orchestration.engine.trial_processes import keeping_trial_processes

if TYPE_CHECKING:
    from orchestration.engine.driver import Driver


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
        """Tell the driver that a trial is over."""
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


def run_tuner(driver: Driver, scratch: str) -> None:
    """Run trials until the driver has no more cells."""
    keep_credentials_out_of_trials()
    tuner = tune.Tuner(
        tune.with_resources(cell_trial, TRIAL_RESOURCES),
        tune_config=tune.TuneConfig(search_alg=CellSearcher(driver), num_samples=-1, reuse_actors=True),
        run_config=tune.RunConfig(
            name="trials",
            storage_path=scratch,
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=0),
        ),
    )
    with keeping_trial_processes():
        tuner.fit()
