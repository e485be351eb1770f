"""What `run` does: run, look again where seeds are added, publish, print, notify."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from orchestration.cells.load import full_size
from orchestration.cli.output import EXIT_CELLS_FAILED, EXIT_DONE, EXIT_REFUSED, show, tell
from orchestration.cli.table_output import print_tables, tables_document
from orchestration.errors import command
from orchestration.results.compare import compared
from orchestration.runs.run import run_sweep
from orchestration.runs.tracked_run import LazyTracker

if TYPE_CHECKING:
    from orchestration.cells.resolved import ResolvedSweep
    from orchestration.cli.run_options import RunRequest
    from orchestration.runs.run import SweepRun
    from orchestration.runs.until_decided import Look
    from orchestration.store.files import FileStore


@dataclass(slots=True)
class Runner:
    """Runs a sweep as one call of `run` asks, once or look by look.

    Args:
        request: What was asked.
        store: The truth.
    """

    request: RunRequest
    store: FileStore
    troubles: list[str] = field(default_factory=list)

    def run(self, resolved: ResolvedSweep) -> SweepRun:
        """Bring a sweep to completion and publish it on the tracking server."""
        from orchestration.runs.progress import progress_for

        settings = self.request.settings
        tracker = LazyTracker(settings, self.store, columns=resolved.sweep.columns)
        try:
            made = run_sweep(
                resolved,
                settings=settings,
                store=self.store,
                mode=self.request.mode,
                options={**self.request.engine, **self._priorities(resolved)},
                observers=[progress_for(sys.stderr), tracker],
            )
        except BaseException:
            tracker.close()
            raise
        trouble = tracker.publish(made.tables)
        self.troubles += [trouble] if trouble else []
        return made

    def look(self, made: SweepRun) -> Look:
        """Look at the verdicts of a run at the level that several looks leave each."""
        from eval.tables.verdicts import alpha_of_look
        from orchestration.results.claims import evaluate_claims
        from orchestration.runs.until_decided import look_at

        deciding = self.request.deciding
        assert deciding is not None
        alpha = alpha_of_look(deciding.looks)
        evaluated = evaluate_claims([made.resolved], store=self.store, alpha=alpha)
        return look_at(self.compared(made, alpha).tables, evaluated, made.resolved.sweep)

    def hours(self, resolved: ResolvedSweep) -> float:
        """Estimate the device-hours of what is missing of a sweep."""
        from orchestration.planning.costs.estimate import estimate, read_machine
        from orchestration.planning.plan import make_plan

        plan = make_plan(resolved, store=self.store, checkpoints=self.request.settings.checkpoints)
        found = estimate(plan, store=self.store, catalogue=resolved.catalogue, machine=read_machine())
        for line in found.not_whole:
            tell(f"estimated without what is not whole: {line}")
        return found.device_hours

    def compared(self, made: SweepRun, alpha: float) -> SweepRun:
        """Return a run whose tables are next to the published ones."""
        tables = compared(made.tables, made.resolved, full_size(made.resolved), alpha=alpha)
        return replace(made, tables=tables)

    def _priorities(self, resolved: ResolvedSweep) -> dict[str, Any]:
        from orchestration.cli.run_options import priorities_of

        if not self.request.priorities:
            return {}
        rows = [row for part in resolved.sweep.leaves for row in part.rows]
        by_row = priorities_of(self.request.priorities, rows)
        return {
            "priorities": {cell.train_key: by_row[cell.cell.row] for cell in resolved.cells if cell.cell.row in by_row}
        }


def carry_out(request: RunRequest, *, as_json: bool) -> int:
    """Do what one call of `run` asks and return its exit code; the webhook hears of every end, also of a refusal."""
    from orchestration.cells.catalogue import builtin_catalogue
    from orchestration.cli.options import store_of

    catalogue = builtin_catalogue(request.settings.data_root)
    resolved = request.choice.load(catalogue)
    runner = Runner(request, store_of(request.settings))
    try:
        made = _run(runner, resolved)
    except BaseException as error:
        _notify_of(request, resolved.label, type(error).__name__)
        raise
    _finish(made, runner, as_json=as_json)
    _notify(request, made)
    if made.outcome.status != "complete":
        return EXIT_CELLS_FAILED
    return EXIT_REFUSED if runner.troubles else EXIT_DONE


def _run(runner: Runner, resolved: ResolvedSweep) -> SweepRun:
    deciding = runner.request.deciding
    if deciding is None:
        return runner.run(resolved)
    from eval.tables.verdicts import alpha_of_look
    from orchestration.runs.until_decided import run_until_decided

    made = run_until_decided(resolved, runner.run, runner.look, runner.hours, options=deciding, tell=tell)
    return runner.compared(made, alpha_of_look(deciding.looks))


def _finish(made: SweepRun, runner: Runner, *, as_json: bool) -> None:
    """Print the grid, or the document, and say what follows."""
    from orchestration.planning.costs.actual import ledger, ledger_text

    cost = ledger(made.resolved.cells, made.results, made.resolved.catalogue)
    if as_json:
        import json

        document = {**_document(made), "tracking": runner.troubles, "cost": cost}
        show(json.dumps({**document, **tables_document(made.tables)}, indent=2))
    else:
        print_tables(made.tables)
    for line in [*_afterwards(made), ledger_text(cost)]:
        tell(line)
    for trouble in runner.troubles:
        tell(f"{trouble}; catch up with: {command('sync')}")


def _document(made: SweepRun) -> dict[str, Any]:
    outcome = made.outcome
    return {
        "sweep": made.plan.sweep,
        "status": outcome.status,
        "reason": outcome.reason,
        "computed": [key[:12] for key in outcome.computed],
        "failed": {key[:12]: reason for key, reason in outcome.failed.items()},
        "unfinished": [key[:12] for key in outcome.unfinished],
        "wall_s": outcome.wall_s,
        "log_file": outcome.log_file,
    }


def _afterwards(made: SweepRun) -> list[str]:
    outcome = made.outcome
    lines = [f"failed: {key[:12]}: {reason}" for key, reason in outcome.failed.items()]
    if outcome.reason:
        lines.append(f"ended early: {outcome.reason}")
    if outcome.failed:
        lines.append(f"failed cells run again with: {command('run', options=('--mode', 'retry'))}")
    if outcome.status in ("interrupted", "stopped"):
        lines.append(f"{outcome.status}; what is recorded stays. Continue with: {command('run')}")
    if outcome.log_file:
        lines.append(f"log of Ray: {outcome.log_file}")
    lines.append(f"browse the runs: {command('ui')}")
    return lines


def _notify(request: RunRequest, made: SweepRun) -> None:
    if request.webhook is None:
        return
    from orchestration.runs.notify import message_of, notify

    outcome = made.outcome
    message = message_of(
        made.resolved.label,
        outcome.status,
        computed=len(outcome.computed),
        failed={key[:12]: reason for key, reason in outcome.failed.items()},
        wall_s=outcome.wall_s,
        reason=outcome.reason,
    )
    trouble = notify(request.webhook, message)
    if trouble:
        tell(trouble)


def _notify_of(request: RunRequest, label: str, error: str) -> None:
    """Tell the webhook of a run that broke; the message names the kind of error only, since its text may hold secrets."""
    if request.webhook is None:
        return
    from orchestration.runs.notify import message_of, notify

    trouble = notify(request.webhook, message_of(label, "refused", reason=f"ended with {error}"))
    if trouble:
        tell(trouble)
