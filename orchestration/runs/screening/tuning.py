"""The part of a screening that is Ray Tune's: search space, scheduler, trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, MedianStoppingRule

from clusters.ray_api.private import keep_credentials_out_of_trials
from orchestration.engine.resources import Resources
from orchestration.errors import InputError, Mistake
from orchestration.runs.screening.request import METRIC, Screened, ScreenOptions
from orchestration.runs.screening.trial import screen_trial


def _tell_nobody(text: str, is_brief: bool) -> None:
    """Where a copy of `TrialProgress` tells what it hears."""


class TrialProgress(tune.Callback):  # type: ignore[misc]  # Ray has no type of it
    """Tells in one line how far the trainings of a screening are.

    Args:
        most: Trainings that there will be at most.
        tell: Is handed the line, and whether nobody needs to read it later.
    """

    def __init__(self, most: int, tell: Callable[[str, bool], None]) -> None:
        self._most = most
        self._tell = tell
        self._epochs: dict[str, int] = {}
        self._over: set[str] = set()

    def __reduce__(self) -> tuple[type[TrialProgress], tuple[int, Callable[[str, bool], None]]]:
        return type(self), (self._most, _tell_nobody)  # Ray Tune keeps a copy in a file; a terminal has no place in it

    def on_trial_start(self, trial: Any, **_: Any) -> None:
        """A training begins."""
        self._epochs.setdefault(trial.trial_id, 0)
        self._say(True)

    def on_trial_result(self, trial: Any, result: Mapping[str, Any], **_: Any) -> None:
        """A training was looked at."""
        self._epochs[trial.trial_id] = int(result.get("epoch", 0))
        self._say(True)

    def on_trial_complete(self, trial: Any, **_: Any) -> None:
        """A training is over, or was stopped early."""
        self._ended(trial.trial_id)

    def on_trial_error(self, trial: Any, **_: Any) -> None:
        """A training broke."""
        self._ended(trial.trial_id)

    def _ended(self, trial: str) -> None:
        self._over.add(trial)
        self._say(False)

    def _say(self, is_brief: bool) -> None:
        over, running = len(self._over), len(self._epochs.keys() - self._over)
        epochs = sum(self._epochs.values())
        text = f"{over} of {self._most} trainings ended, {running} running, epochs: {epochs}"
        self._tell(text, is_brief)


def tune_cells(
    wanted: tuple[Screened, ...],
    options: ScreenOptions,
    resources: Resources,
    folder: Path,
    tell: Callable[[str, bool], None],
) -> Any:
    """Run the trials of a screening and return what Ray Tune reports of them.

    Args:
        resources: What each trial reserves.
        tell: Is handed how far they are, and whether nobody needs to read it later.
    """
    keep_credentials_out_of_trials()
    trainable = tune.with_resources(
        tune.with_parameters(
            screen_trial,
            cells=wanted,
            threads=max(1, int(resources.cpus_per_worker)),
            gpus=resources.gpus_per_worker,
        ),
        {"cpu": resources.cpus_per_worker, "gpu": resources.gpus_per_worker},
    )
    space, search, num_samples = _search(wanted, options)
    tuner = tune.Tuner(
        trainable,
        param_space=space,
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode="min",
            scheduler=_scheduler(wanted, options),
            search_alg=search,
            num_samples=num_samples,
            max_concurrent_trials=options.max_concurrent,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="screen",
            storage_path=str(folder / "trials"),
            verbose=0,
            callbacks=[TrialProgress(len(wanted) if options.search == "all" else options.trials, tell)],
        ),
    )
    return tuner.fit()


def _search(wanted: Sequence[Screened], options: ScreenOptions) -> tuple[dict[str, Any] | None, Any, int]:
    """Return search space, search algorithm and number of samples."""
    if options.search == "all":
        return {"cell": tune.grid_search(list(range(len(wanted))))}, None, 1
    try:
        from ray.tune.search.optuna import OptunaSearch

        algorithm = OptunaSearch(_space(wanted), metric=METRIC, mode="min", seed=0)
    except (ImportError, AssertionError) as error:
        mistake = Mistake(where="--search optuna", text="Optuna must be installed: pip install 'dreamgrid[search]'")
        raise InputError("options", [mistake]) from error
    return None, algorithm, options.trials


def _space(wanted: Sequence[Screened]) -> dict[str, Any]:
    """Return the settings in which the cells differ, each with its values."""
    values: dict[str, dict[str, None]] = {}
    for cell in wanted:
        for path, value in cell.settings:
            values.setdefault(path, {})[value] = None
    varying = {path: list(found) for path, found in values.items() if len(found) > 1}
    shared = {path for path in varying if all(path in dict(cell.settings) for cell in wanted)}
    if not shared:
        return {"cell": tune.choice(list(range(len(wanted))))}
    return {path: tune.choice(varying[path]) for path in sorted(shared)}


def _scheduler(wanted: Sequence[Screened], options: ScreenOptions) -> Any:
    longest = max(cell.epochs for cell in wanted)
    grace = min(options.grace_epochs, longest)
    if options.scheduler == "asha":
        return AsyncHyperBandScheduler(
            time_attr="epoch", max_t=longest + 1, grace_period=grace, reduction_factor=options.reduction
        )
    if options.scheduler == "median":
        return MedianStoppingRule(time_attr="epoch", grace_period=grace, min_samples_required=2)
    return FIFOScheduler()
