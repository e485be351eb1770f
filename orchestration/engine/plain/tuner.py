"""The tuner of the plain engine: a trial for every attempt at a cell."""

from __future__ import annotations

from ray import tune

from orchestration.engine.driver.driver import Driver
from orchestration.engine.groups.trial import TRIAL_RESOURCES
from orchestration.engine.plain.trial import plain_trial
from orchestration.engine.tuner import CellSearcher


def run_plain_tuner(driver: Driver, scratch: str) -> None:
    """Run trials until the driver has no more cells."""
    tune.Tuner(
        tune.with_resources(plain_trial, TRIAL_RESOURCES),
        # -1: as many trials as the searcher suggests.
        tune_config=tune.TuneConfig(search_alg=CellSearcher(driver), num_samples=-1),
        # No retries by Ray Tune: the driver decides what follows from a failure.
        run_config=tune.RunConfig(
            name="trials", storage_path=scratch, verbose=0, failure_config=tune.FailureConfig(max_failures=0)
        ),
    ).fit()
