"""`run`: bring a sweep to completion, publish it, print its grid."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from augment.lookup.parameters import nearest
from clusters.errors import ClusterError
from clusters.growth import NodeGroup, groups_of_file, growth_here, parse_group
from orchestration.cells.cell import Mode
from orchestration.cli import options
from orchestration.cli.output import EXIT_CELLS_FAILED, EXIT_DONE, EXIT_INTERRUPTED, EXIT_REFUSED, echo, echo_err
from orchestration.cli.restart import is_restarted, may_restart
from orchestration.cli.verbs.plan import ModeName, mode_of
from orchestration.cli.verbs.table import print_tables, tables_document
from orchestration.engine.options import ENGINES
from orchestration.errors import InputError, Mistake, command
from orchestration.planning.costs.actual import ledger, ledger_text
from orchestration.runs.notify import Webhook, message_of, notify, webhook_of
from orchestration.runs.progress import progress_for
from orchestration.runs.request import CompletedRun, RunRequest, complete
from orchestration.runs.run import SweepRun
from orchestration.runs.until_decided import DecidingOptions
from orchestration.sweeps.model import Sweep


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Where and how cells run."""

    address: options.RayAddress = None
    max_concurrent: Annotated[
        int | None, typer.Option("--max-concurrent", max=1_000_000, help="Maximum number of cells at once.")
    ] = None
    cpus_per_worker: Annotated[
        float | None, typer.Option("--cpus-per-worker", help="CPUs per worker [a node's CPUs / its GPUs; 1 on CPUs].")
    ] = None
    gpus_per_worker: Annotated[
        float | None,
        typer.Option("--gpus-per-worker", help="GPUs per worker; 0 for CPUs only [1 where there are any]."),
    ] = None
    share_gpus: Annotated[
        bool | None,
        typer.Option(
            "--share-gpus/--own-gpus",
            help="Run several cells on a GPU, by measured memory; without NVIDIA's MPS they take turns. Default: one per GPU.",
        ),
    ] = None
    accelerator: Annotated[
        str, typer.Option("--accelerator", help="Required kind of GPU, as Ray names it: L4, A100.")
    ] = ""
    min_workers: Annotated[
        int | None,
        typer.Option(
            "--min-workers", help="Elastic: run a cell with at least this many workers if all of them do not fit."
        ),
    ] = None
    cluster_file: Annotated[
        Path | None, typer.Option("--cluster-file", help="Cluster file, which defines how far the cluster grows.")
    ] = None
    grow_to: Annotated[
        list[str] | None,
        typer.Option(
            "--grow-to", metavar="GROUP", help="Nodes that start on demand: gpu-spot=8:cpu=16,gpu=1. Repeatable."
        ),
    ] = None
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast/--keep-going", help="Stop the run at the first failed cell.")
    ] = False
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            metavar="ENGINE",
            help="warm: groups of workers take cell after cell; plain: one Ray Train run per cell, for debugging and for "
            "releases of Ray that were not tried.",
        ),
    ] = "warm"
    cold: Annotated[bool, typer.Option("--cold", help="Start a new group of workers for every cell.")] = False

    def given(self) -> dict[str, Any]:
        """Return the fields of `orchestration.engine.options.RunOptions` that the options set.

        Raises:
            InputError: With every mistake of the options that say how far the cluster grows.
        """
        found = {
            "address": self.address,
            "max_concurrent": self.max_concurrent,
            "cpus_per_worker": self.cpus_per_worker,
            "gpus_per_worker": self.gpus_per_worker,
            "share_gpus": self.share_gpus,
            "min_workers": self.min_workers,
            "accelerator": self.accelerator or None,
            "growth": growth_of(self.address, self.cluster_file, self.grow_to or ()) or None,
            "fail_fast": self.fail_fast or None,
            "engine": engine_of(self.engine),
            "mode": "cold" if self.cold else None,
        }
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class UntilDecidedOptions:
    """Whether and how far seeds are added."""

    until_decided: Annotated[
        bool,
        typer.Option("--until-decided", help="Add seeds while a verdict is undecided, tested at a corrected level."),
    ] = False
    max_seeds: Annotated[
        int, typer.Option("--max-seeds", help="With --until-decided: maximum number of seeds per row.")
    ] = 10
    looks: Annotated[
        int, typer.Option("--looks", help="With --until-decided: planned looks; they share the level of 0.05.")
    ] = 5
    budget_hours: Annotated[
        float | None,
        typer.Option("--budget-hours", help="With --until-decided: limit on device-hours for added seeds."),
    ] = None

    def given(self) -> DecidingOptions | None:
        """Return how far seeds are added, or None where none are.

        Raises:
            InputError: With every limit that is out of range.
        """
        if not self.until_decided:
            return None
        return DecidingOptions(max_seeds=self.max_seeds, looks=self.looks, budget_hours=self.budget_hours)


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
        str | None, typer.Option("--notify", metavar="URL", help="Webhook to call at the end [DREAMGRID_WEBHOOK].")
    ] = None,
    log_weights: options.LogWeights = False,
    as_json: options.Json = False,
) -> int:
    """Run the missing cells of a sweep and print its table. Recorded cells are reused. Ctrl-C stops cleanly."""
    given, limits, chosen_mode, webhook = (
        engine.given(),
        deciding.given(),
        continued(mode_of(mode)),
        webhook_of(webhook_url),
    )
    opened = options.open_sweep(choice, places)
    resolved = opened.resolved
    try:
        request = RunRequest(
            resolved=resolved,
            settings=opened.settings,
            store=opened.store,
            mode=chosen_mode,
            engine=given,
            priorities=priorities_of(priority, resolved.sweep) if priority else {},
            deciding=limits,
            log_weights=log_weights,
        )
        completed = complete(request, observe=lambda: progress_for(sys.stderr), report=echo_err)
    except BaseException as error:
        if may_restart(error):
            raise
        # The message names the kind of error only, since its text may contain secrets.
        _notify(webhook, message_of(resolved.label, "refused", reason=f"ended with {type(error).__name__}"))
        raise
    _print(completed, as_json=as_json)
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


def engine_of(text: str) -> str:
    """Return an engine by its name.

    Raises:
        InputError: If there is no such engine.
    """
    if text not in ENGINES:
        mistake = Mistake(where=f"--engine {text}", text=f"unknown engine '{text}'{nearest(text, ENGINES)}")
        raise InputError("options", [mistake])
    return text


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


def growth_of(address: str | None, cluster_file: Path | None, grow_to: Sequence[str]) -> tuple[NodeGroup, ...]:
    """Return the node groups that a cluster starts on demand.

    Args:
        cluster_file: Its launcher file or KubeRay manifest; by default, on a head node, the file it was started from.
        grow_to: Groups as options name them; added to those of a given file, in place of those of the same name.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    groups: list[NodeGroup] = []
    mistakes: list[Mistake] = []
    try:
        if cluster_file is not None:
            groups += groups_of_file(cluster_file)
        elif address and not grow_to:
            groups += growth_here(address)
    except ClusterError as error:
        mistakes.append(Mistake(where="--cluster-file", text=str(error)))
    for text in grow_to:
        try:
            groups.append(parse_group(text))
        except ClusterError as error:
            mistakes.append(Mistake(where="--grow-to", text=str(error)))
    if mistakes:
        raise InputError("cluster options", mistakes)
    return tuple({group.name: group for group in groups}.values())


def _print(completed: CompletedRun, *, as_json: bool) -> None:
    """Print the grid, or the document, and say what follows."""
    made = completed.run
    cost = ledger(made.resolved.cells, made.results, made.resolved.catalogue)
    if as_json:
        document = {**_document(made), "tracking": list(completed.tracking_errors), "cost": cost}
        echo(json.dumps({**document, **tables_document(made.tables)}, indent=2))
    else:
        print_tables(made.tables)
    for line in [*_afterwards(made), ledger_text(cost)]:
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


def _afterwards(made: SweepRun) -> list[str]:
    outcome = made.outcome
    lines = [f"failed: {key[:12]}: {reason}" for key, reason in outcome.failed.items()]
    if outcome.reason:
        lines.append(f"ended early: {outcome.reason}")
    if outcome.failed:
        lines.append(f"run failed cells again with: {command('run', options=('--mode', 'retry'))}")
    if outcome.status in ("interrupted", "stopped"):
        lines.append(f"{outcome.status}; recorded results are kept. Continue with: {command('run')}")
    if outcome.log_file:
        lines.append(f"log of Ray: {outcome.log_file}")
    lines.append(f"browse the runs: {command('ui')}")
    return lines


def _notify(webhook: Webhook | None, message: dict[str, Any]) -> None:
    error = notify(webhook, message) if webhook is not None else None
    if error:
        echo_err(error)
