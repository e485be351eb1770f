"""Sweeps from Python: run one, or load one with what is recorded of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestration.cells.cell import Mode
from orchestration.errors import SweepError
from orchestration.results.notebook import LoadedSweep, load_sweep, opened_sweep
from orchestration.runs.progress import progress_for
from orchestration.runs.request import RunRequest, complete
from orchestration.settings import read_settings
from orchestration.store.open import open_store
from orchestration.sweeps.model import Size

__all__ = ["LoadedSweep", "load_sweep", "run"]


def run(
    name_or_path: str,
    *,
    size: Size = "full",
    storage: str | None = None,
    data_root: Path | None = None,
    tracking_uri: str | None = None,
    experiment_prefix: str | None = None,
    track: Sequence[str] | None = None,
    overrides: Sequence[str] = (),
    seeds: str | None = None,
    mode: Mode = "cached",
    **engine: Any,
) -> LoadedSweep:
    """Bring every cell of a sweep to completion, reusing what is recorded, and return the sweep with its results.

        dreamgrid.run("demo", size="smoke").table()

    Args:
        name_or_path: A built-in sweep, or the path of a YAML file.
        size: "full", "smoke" or "small".
        storage: Folder or s3:// prefix of results; this and the next two by default as for the command line.
        data_root: Folder of datasets.
        tracking_uri: MLflow tracking URI; "none" for no tracking.
        experiment_prefix: What the names of its experiments begin with, such as "/Users/me/".
        track: Names of second trackers: "wandb", "tensorboard".
        overrides: Texts such as "train.epochs=5".
        seeds: Text such as "0-4".
        mode: "cached", "retry", "force" or "read-only".
        engine: Options of the engine: `address`, `max_concurrent`, `engine`, ... (`orchestration.engine.options.RunOptions`).

    Raises:
        InputError: With every mistake of the sweep or the overrides, or what data are missing; nothing was started then.
        EnvironmentRefused: If storage or tracking server cannot be used; nothing was started then.
        ClusterError: If Ray cannot be reached.
        SweepError: If cells failed or the run was stopped; the message has the reasons, and what is recorded is kept.
    """
    settings = read_settings(
        storage=storage,
        data_root=data_root,
        tracking_uri=tracking_uri,
        experiment_prefix=experiment_prefix,
        track=track,
    )
    store = open_store(settings.storage)
    loaded = opened_sweep(name_or_path, size=size, settings=settings, store=store, overrides=overrides, seeds=seeds)
    request = RunRequest(resolved=loaded.resolved, settings=settings, store=store, mode=mode, engine=engine)
    outcome = complete(request, observe=lambda: progress_for(sys.stderr), report=_say).run.outcome
    if outcome.status != "complete":
        reasons = [f"{key[:12]}: {reason}" for key, reason in outcome.failed.items()]
        raise SweepError(
            f"sweep '{loaded.resolved.label}' is {outcome.status}: {'; '.join([outcome.reason, *reasons]).strip('; ')}"
        )
    return loaded


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
