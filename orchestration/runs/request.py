"""What one call of `run` asks for, carried out: run, look again where seeds are added, publish, compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from eval.tables.verdicts import alpha_of_look
from orchestration.cells.cell import Mode
from orchestration.cells.load import full_size
from orchestration.cells.resolved import ResolvedSweep
from orchestration.engine.observer import RunObserver
from orchestration.errors import command
from orchestration.planning.costs.estimate import estimate
from orchestration.planning.costs.machines import read_machine
from orchestration.planning.plan import make_plan
from orchestration.results.claims import evaluate_claims
from orchestration.results.compare import compared
from orchestration.runs.run import SweepRun, run_sweep
from orchestration.runs.tracked_run import LazyTracker
from orchestration.runs.until_decided import DecidingOptions, Look, look_at, run_until_decided
from orchestration.settings import Settings
from orchestration.store.files import FileStore


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What one call of `run` asks for.

    Attributes:
        engine: Fields of `RunOptions` that differ from their defaults.
        priorities: Row -> priority; rows with a higher number start first, 0 for the rest.
        deciding: How far seeds are added, or None.
        log_weights: Whether models in MLflow contain their weights.
    """

    resolved: ResolvedSweep
    settings: Settings
    store: FileStore
    mode: Mode
    engine: Mapping[str, Any] = field(default_factory=dict)
    priorities: Mapping[str, int] = field(default_factory=dict)
    deciding: DecidingOptions | None = None
    log_weights: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedRun:
    """What came of a request: the last run, of the sweep with all added seeds, and what tracking could not write."""

    run: SweepRun
    tracking_errors: tuple[str, ...]


def complete(request: RunRequest, *, observe: Callable[[], RunObserver], report: Callable[[str], None]) -> CompletedRun:
    """Run a sweep as requested, once or look by look, and publish it on the tracking server.

    Raises:
        InputError: If data are missing; nothing was started then.
        EnvironmentRefused: If the tracking server does not answer; nothing was started then.
        ClusterError: If Ray cannot be reached.
    """
    errors: list[str] = []

    def run(resolved: ResolvedSweep) -> SweepRun:
        made, error = _run_tracked(resolved, request, observe(), report)
        errors.extend([error] if error else [])
        return made

    if request.deciding is None:
        return CompletedRun(run=run(request.resolved), tracking_errors=tuple(errors))
    alpha = alpha_of_look(request.deciding.looks)

    def look(made: SweepRun) -> Look:
        claims = evaluate_claims([made.resolved], store=request.store, alpha=alpha)
        return look_at(_compared(made, alpha).tables, claims, made.resolved.sweep)

    def hours(resolved: ResolvedSweep) -> float:
        return _missing_hours(resolved, request, report)

    made = run_until_decided(request.resolved, run, look, hours, options=request.deciding, notify=report)
    return CompletedRun(run=_compared(made, alpha), tracking_errors=tuple(errors))


def _run_tracked(
    resolved: ResolvedSweep, request: RunRequest, display: RunObserver, report: Callable[[str], None]
) -> tuple[SweepRun, str | None]:
    """Bring a sweep to completion and publish it; also return what could not be written to the tracking server."""
    columns = resolved.sweep.columns
    tracker = LazyTracker(request.settings, request.store, columns=columns, log_weights=request.log_weights)
    by_row = request.priorities
    priorities = {cell.train_key: by_row[cell.cell.row] for cell in resolved.cells if cell.cell.row in by_row}
    try:
        display.stage("reading what is recorded", is_brief=True)
        made = run_sweep(
            resolved,
            settings=request.settings,
            store=request.store,
            mode=request.mode,
            options={**request.engine, "priorities": priorities},
            observers=[display, tracker],
        )
    except BaseException:
        display.stage("")
        trouble = tracker.close()
        if trouble:
            report(f"{trouble}; catch up with: {command('sync')}")
        raise
    return made, tracker.publish(made.tables)


def _compared(made: SweepRun, alpha: float) -> SweepRun:
    """Return a run whose tables show the published numbers too."""
    return replace(made, tables=compared(made.tables, made.resolved, full_size(made.resolved), alpha=alpha))


def _missing_hours(resolved: ResolvedSweep, request: RunRequest, report: Callable[[str], None]) -> float:
    """Estimate the device-hours of what is missing of a sweep."""
    plan = make_plan(resolved, store=request.store, checkpoints=request.settings.checkpoints)
    found = estimate(plan, store=request.store, catalogue=resolved.catalogue, machine=read_machine())
    for line in found.not_whole:
        report(f"estimated without damaged records: {line}")
    return found.device_hours
