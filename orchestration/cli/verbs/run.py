"""`run`: bring a sweep to completion."""

from __future__ import annotations

import typer

from orchestration.cli import options, run_options
from orchestration.cli.cluster_options import growth_of


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("run")(run)


def run(
    sweep: options.SweepName,
    smoke: options.Smoke = False,
    small: options.Small = False,
    assignments: options.Set = None,
    seeds: options.Seeds = None,
    workers: options.Workers = None,
    mode: options.ModeName = "cached",
    storage: options.Storage = None,
    data_root: options.DataRoot = None,
    tracking_uri: options.TrackingUri = None,
    address: run_options.Address = None,
    max_concurrent: run_options.MaxConcurrent = None,
    cpus_per_worker: run_options.CpusPerWorker = None,
    gpus_per_worker: run_options.GpusPerWorker = None,
    share_gpus: run_options.ShareGpus = None,
    accelerator: run_options.Accelerator = "",
    min_workers: run_options.MinWorkers = None,
    cluster_file: run_options.ClusterFile = None,
    grow_to: run_options.GrowTo = None,
    priority: run_options.Priorities = None,
    fail_fast: run_options.FailFast = False,
    cold: run_options.Cold = False,
    until_decided: run_options.UntilDecided = False,
    max_seeds: run_options.MaxSeeds = 10,
    looks: run_options.Looks = 5,
    budget_hours: run_options.BudgetHours = None,
    notify: run_options.Notify = None,
    as_json: options.Json = False,
) -> int:
    """Run what is missing of a sweep and print its grid. What is recorded is reused; Ctrl-C stops cleanly."""
    given = dict(locals())
    from orchestration.cli.running import carry_out

    return carry_out(_request(given), as_json=as_json)


def _request(given: dict[str, object]) -> run_options.RunRequest:
    """Return what the options ask for, checked.

    Raises:
        InputError: With the mistakes of the options.
    """
    from typing import Any, cast

    from orchestration.cli.verbs.sweeps import mode_of
    from orchestration.runs.notify import webhook_of
    from orchestration.runs.until_decided import DecidingOptions

    of = cast("dict[str, Any]", given)
    choice = options.chosen(*(of[name] for name in options.CHOOSING))
    same = ("address", "max_concurrent", "cpus_per_worker", "gpus_per_worker", "share_gpus", "min_workers")
    engine = {
        **{name: of[name] for name in same},
        "accelerator": of["accelerator"] or None,
        "growth": growth_of(of["address"], of["cluster_file"], of["grow_to"] or ()) or None,
        "fail_fast": of["fail_fast"] or None,
        "mode": "cold" if of["cold"] else None,
    }
    limits = {name: of[name] for name in ("max_seeds", "looks", "budget_hours")}
    return run_options.RunRequest(
        choice=choice,
        settings=options.settings_of(of["storage"], of["data_root"], of["tracking_uri"]),
        mode=mode_of(of["mode"]),
        engine={name: value for name, value in engine.items() if value is not None},
        priorities=tuple(of["priority"] or ()),
        deciding=DecidingOptions(**limits) if of["until_decided"] else None,
        webhook=webhook_of(of["notify"]),
    )
