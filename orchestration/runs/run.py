"""Running a sweep: plan, execute what is missing, gather the table."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clusters.ray_api.address import check_address
from clusters.storage.contract import StorageError
from clusters.storage.open import check_storage, open_storage
from eval.tables.grid import Table
from orchestration.cells.cell import Mode, Plan
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.resolved import ResolvedSweep
from orchestration.engine.observer import Observers, RunObserver, RunStatus
from orchestration.engine.options import RunOptions, RunOutcome
from orchestration.engine.run import execute
from orchestration.errors import InputError, Mistake
from orchestration.planning.checkpoints import forget
from orchestration.planning.column_values import unfilled
from orchestration.planning.costs.estimate import schedule_stages
from orchestration.planning.lookup import recorded
from orchestration.planning.plan import make_plan
from orchestration.planning.sweep_records import record_sweep
from orchestration.results.table import sweep_tables
from orchestration.runs.driver_reports import DriverReports
from orchestration.settings import Settings
from orchestration.store.contract import CellResult, ResultsStore
from orchestration.store.driver_report import report_every_s
from orchestration.sweeps.model import Sweep
from orchestration.tracking.boards.registry import check_boards
from orchestration.tracking.server.check import check_tracking
from trainers.job import SOURCE_VARIABLE, JobPaths


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRun:
    """What came of running a sweep.

    Attributes:
        results: Train key -> what is recorded of its cells now.
    """

    resolved: ResolvedSweep
    plan: Plan
    outcome: RunOutcome
    results: Mapping[str, CellResult]
    tables: tuple[Table, ...]


def run_sweep(
    resolved: ResolvedSweep,
    *,
    settings: Settings,
    store: ResultsStore,
    mode: Mode = "cached",
    options: Mapping[str, Any] | None = None,
    observers: Sequence[RunObserver] = (),
) -> SweepRun:
    """Bring every cell of a sweep to completion, reusing what is recorded, and return its tables.

    Args:
        mode: "cached", "retry", "force" or "read-only"; see `orchestration.planning.plan.make_plan`.
        options: Fields of `RunOptions` that differ from their defaults.
    """
    check_boards(settings.trackers)
    plan = make_plan(resolved, store=store, mode=mode, checkpoints=settings.checkpoints)
    if plan.to_run and plan.missing_data:
        mistakes = [Mistake(where="", text=line) for line in plan.missing_data]
        raise InputError(f"sweep '{resolved.label}' lacks data in {settings.data_root}", mistakes)
    storage = open_storage(settings.storage)
    reports = DriverReports(store, resolved.label, every_s=report_every_s(is_remote=storage.is_remote))
    observer = CheckedCompletion([*observers, reports], plan, store)
    if plan.to_run:
        observer.stage("checking the storage and the tracking server", is_brief=True)
        check_address((options or {}).get("address"))
        # Before tracking, whose file is in the storage unless another place is named.
        check_storage(storage)
        check_tracking(settings.tracking, prefix=settings.experiment_prefix)
    if mode == "force":  # last: what cannot run is not forgotten
        _forget_all(resolved.cells, settings, store)
    _remember(resolved, plan, store)
    if plan.to_run:
        stages = schedule_stages(plan, store=store, catalogue=resolved.catalogue)
        options = {"estimates_s": {key: math.fsum(each.values()) for key, each in stages.items()}, **(options or {})}
        observer.work_estimated(stages)
    engine = run_options(settings, resolved.sweep, options)
    with reports if plan.to_run else contextlib.nullcontext():
        outcome = execute(plan, store=store, options=engine, observer=observer)
    results = recorded(resolved.cells, store)
    outcome = _truthful(outcome, unfilled(plan.cells, results))
    tables = sweep_tables(resolved, results)
    return SweepRun(resolved=resolved, plan=plan, outcome=outcome, results=results, tables=tables)


class CheckedCompletion(Observers):
    """Reports a run as "complete" only where every wanted column has its values."""

    def __init__(self, observers: Sequence[RunObserver], plan: Plan, store: ResultsStore) -> None:
        super().__init__(observers)
        self._wanted = plan.cells
        self._store = store

    def run_ended(self, plan: Plan, status: RunStatus) -> None:
        lines = unfilled(self._wanted, recorded(self._wanted, self._store)) if status == "complete" else ()
        for line in lines:
            self.message(f"not complete: {line}")
        super().run_ended(plan, "failed" if lines else status)


def _truthful(outcome: RunOutcome, lines: Sequence[str]) -> RunOutcome:
    """Return how a run ended, which is not complete where wanted columns are empty."""
    if outcome.status != "complete" or not lines:
        return outcome
    return replace(outcome, status="failed", reason="; ".join(lines))


def _remember(resolved: ResolvedSweep, plan: Plan, store: ResultsStore) -> None:
    """Let the storage remember the sweep, before anything runs, so that its cells are kept."""
    if plan.mode == "read-only":
        return
    try:
        record_sweep(resolved, store)
    except StorageError:
        if plan.to_run:
            raise  # where nothing runs, the storage may be one that this user can only read


def _forget_all(cells: Sequence[ResolvedCell], settings: Settings, store: ResultsStore) -> None:
    """Forget the cells that are recorded, and those of which a checkpoint is stored: none of them may be taken over."""
    keys = dict.fromkeys(cell.train_key for cell in cells)
    recorded = store.results(keys)
    stored = {name.removesuffix("/") for name in open_storage(settings.checkpoints).names()}
    standing = [key for key in keys if key in recorded or key in stored]
    forget(standing, store=store, checkpoints=settings.checkpoints, reason="run again with --mode force")


def run_options(settings: Settings, sweep: Sweep, options: Mapping[str, Any] | None) -> RunOptions:
    """Return the engine's options: paths from the settings, the sweep's workers, and what is given."""
    paths = JobPaths(
        checkpoints=settings.checkpoints,
        data_root=str(settings.data_root),
        cache_dir=str(settings.cache_dir),
        data_source=os.environ.get(SOURCE_VARIABLE, ""),
        generated_bytes=settings.generated_bytes,
    )
    workers = {"workers": sweep.asked_workers, "cpu_workers": sweep.workers}
    return RunOptions(**{"paths": paths, **workers, **(options or {})})
