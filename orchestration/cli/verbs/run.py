"""`run`: bring a sweep to completion, publish it, print its grid."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from augment.lookup.parameters import nearest
from orchestration.cells.cell import Mode
from orchestration.cli import options
from orchestration.cli.engine_options import EngineOptions, UntilDecidedOptions
from orchestration.cli.output import (
    EXIT_CELLS_FAILED,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
    drawing_stream,
    echo,
    echo_err,
)
from orchestration.cli.parsing import checked
from orchestration.cli.restart import is_restarted, may_restart
from orchestration.cli.verbs.plan import ModeName, mode_of
from orchestration.cli.verbs.table import print_tables, tables_document
from orchestration.errors import InputError, Mistake, command
from orchestration.planning.costs.actual import ledger, ledger_text
from orchestration.runs.afterwards import closing_lines, sentences, write_report
from orchestration.runs.notify import Webhook, message_of, notify, webhook_of
from orchestration.runs.progress import progress_for
from orchestration.runs.request import CompletedRun, RunRequest, complete
from orchestration.runs.run import SweepRun
from orchestration.store.files import FileStore
from orchestration.sweeps.model import Sweep


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    options.add_verbs(app, {"run": run})


def run(
    choice: options.PlannedSweepOptions,
    places: options.TrackedPlaceOptions,
    engine: EngineOptions,
    deciding: UntilDecidedOptions,
    mode: ModeName = "cached",
    priority: Annotated[
        list[str] | None,
        typer.Option("--priority", metavar="ROW=N", help="Priority of a row [0]; higher ones start first. Repeatable."),
    ] = None,
    webhook_url: Annotated[
        str | None,
        typer.Option(
            "--notify",
            metavar="URL",
            help="Webhook to call at the end [DREAMGRID_WEBHOOK].",
            callback=checked(webhook_of),
        ),
    ] = None,
    log_weights: options.LogWeights = False,
    as_json: options.Json = False,
) -> int:
    """Run the missing cells of a sweep and print its table. Recorded cells are reused. Ctrl-C stops cleanly."""
    webhook = webhook_of(webhook_url)
    opened = options.open_sweep(choice, places)
    resolved = opened.resolved
    try:
        request = RunRequest(
            resolved=resolved,
            settings=opened.settings,
            store=opened.store,
            mode=continued(mode_of(mode)),
            engine=engine.given(),
            priorities=priorities_of(priority, resolved.sweep) if priority else {},
            deciding=deciding.given(),
            log_weights=log_weights,
        )
        completed = complete(request, observe=lambda: progress_for(drawing_stream()), report=echo_err)
    except BaseException as error:
        if may_restart(error):
            raise
        # The message names the kind of error only, since its text may contain secrets.
        _notify(webhook, message_of(resolved.label, "refused", reason=f"ended with {type(error).__name__}"))
        raise
    _print(completed, opened.store, as_json=as_json)
    outcome = completed.run.outcome
    failed = {key[:12]: reason for key, reason in outcome.failed.items()}
    message = message_of(
        resolved.label,
        outcome.status,
        computed=len(outcome.computed),
        failed=failed,
        wall_s=outcome.wall_s,
        reason=outcome.reason,
    )
    _notify(webhook, message)
    if outcome.status != "complete":
        return EXIT_INTERRUPTED if outcome.is_ctrl_c else EXIT_CELLS_FAILED
    return EXIT_REFUSED if completed.tracking_errors else EXIT_DONE


def continued(mode: Mode) -> Mode:
    """Return the mode in which a command goes on that has started itself again: what it forgot is not forgotten once more."""
    return "cached" if mode == "force" and is_restarted() else mode


def priorities_of(texts: Sequence[str], sweep: Sweep) -> dict[str, int]:
    """Return row -> priority from texts such as "PixMix=5"."""
    rows = [row for part in sweep.leaves for row in part.rows]
    found: dict[str, int] = {}
    mistakes = []
    for text in texts:
        row, _, number = text.rpartition("=")
        try:
            found[row] = int(number)
        except ValueError:
            mistakes.append(Mistake(where=f"--priority {text}", text="write ROW=N with a whole number: PixMix=5"))
            continue
        if row not in rows:
            mistakes.append(Mistake(where=f"--priority {text}", text=f"unknown row '{row}'{nearest(row, rows)}"))
    if mistakes:
        raise InputError("options", mistakes)
    return found


def _print(completed: CompletedRun, store: FileStore, *, as_json: bool) -> None:
    """Print the grid, or the document, and what follows it."""
    made = completed.run
    cost = ledger(made.resolved.cells, made.results, made.resolved.catalogue)
    said = sentences(made)
    report = write_report(made, store)
    if as_json:
        document = {**_document(made), "tracking": list(completed.tracking_errors), "cost": cost}
        document |= {"summary": said, "report": report}
        echo(json.dumps({**document, **tables_document(made.tables)}, indent=2))
    elif made.results:
        print_tables(made.tables)
        echo_err("\n".join(["", *said, ""]) if said else "")
    for line in [ledger_text(cost), *closing_lines(made, report)]:
        echo_err(line)
    for error in completed.tracking_errors:
        echo_err(f"{error}; catch up with: {command('sync')}")


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
        "resources": outcome.resources.document if outcome.resources else None,
    }


def _notify(webhook: Webhook | None, message: dict[str, Any]) -> None:
    error = notify(webhook, message) if webhook is not None else None
    if error:
        echo_err(error)
