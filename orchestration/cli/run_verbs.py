"""`run` and `status`: bring a sweep to completion, and see how far it is."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli import options
from orchestration.cli.cluster_options import growth_of
from orchestration.cli.output import EXIT_CELLS_FAILED, EXIT_DONE, columns, emit, show, tell
from orchestration.cli.sweep_verbs import mode_of

if TYPE_CHECKING:
    from eval.tables.grid import Table
    from orchestration.cells import Plan, PlannedCell
    from orchestration.run import SweepRun
    from orchestration.settings import Settings
    from orchestration.store.base import ResultsStore


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("run")(run)
    app.command("status")(status)


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
    address: Annotated[
        str | None, typer.Option("--address", help="Ray cluster to run on; by default this machine.")
    ] = None,
    max_concurrent: Annotated[int | None, typer.Option("--max-concurrent", help="Most cells at once.")] = None,
    cpus_per_worker: Annotated[
        float | None, typer.Option("--cpus-per-worker", help="CPUs that a worker reserves.")
    ] = None,
    gpus_per_worker: Annotated[
        float | None, typer.Option("--gpus-per-worker", help="GPUs that a worker reserves.")
    ] = None,
    accelerator: Annotated[
        str, typer.Option("--accelerator", help="Kind of GPU that workers insist on, as Ray names it: L4, A100.")
    ] = "",
    min_workers: Annotated[
        int | None,
        typer.Option("--min-workers", help="Elastic: fewest workers of a cell where its own number does not fit."),
    ] = None,
    cluster_file: Annotated[
        Path | None, typer.Option("--cluster-file", help="The cluster's file, which says how far it grows.")
    ] = None,
    grow_to: Annotated[
        list[str] | None,
        typer.Option(
            "--grow-to", metavar="GROUP", help="Nodes started on demand: gpu-spot=8:cpu=16,gpu=1. Repeatable."
        ),
    ] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast/--keep-going", help="Stop at the first failed cell.")] = False,
    cold: Annotated[bool, typer.Option("--cold", help="A fresh group of workers for every cell.")] = False,
    as_json: options.Json = False,
) -> int:
    """Run what is missing of a sweep and print its grid. What is recorded is reused; Ctrl-C stops cleanly."""
    from orchestration.catalogue import builtin_catalogue
    from orchestration.progress import progress_for
    from orchestration.run import run_sweep
    from orchestration.tracked_run import LazyTracker

    choice = options.SweepChoice(
        name=sweep, smoke=smoke, small=small, assignments=tuple(assignments or ()), seeds=seeds, workers=workers
    )
    settings = options.settings_of(storage, data_root, tracking_uri)
    catalogue = builtin_catalogue()
    loaded = choice.load(catalogue)
    store = options.store_of(settings)
    given = {
        "address": address,
        "max_concurrent": max_concurrent,
        "cpus_per_worker": cpus_per_worker,
        "gpus_per_worker": gpus_per_worker,
        "accelerator": accelerator or None,
        "min_workers": min_workers,
        "growth": growth_of(address, cluster_file, grow_to or ()) or None,
        "fail_fast": fail_fast or None,
        "mode": "cold" if cold else None,
    }
    tracker = LazyTracker(settings, store, columns=loaded.columns)
    try:
        made = run_sweep(
            loaded,
            settings=settings,
            store=store,
            catalogue=catalogue,
            mode=mode_of(mode),
            options={name: value for name, value in given.items() if value is not None},
            observers=[progress_for(sys.stderr), tracker],
        )
    except BaseException:
        tracker.close()
        raise
    trouble = tracker.publish(made.tables)
    _finish(made, choice, settings, as_json=as_json)
    if trouble:
        tell(f"{trouble}; catch up with: dreamgrid sync {choice.command_options}")
    return EXIT_DONE if made.outcome.status == "complete" else EXIT_CELLS_FAILED


def status(
    sweep: options.SweepName,
    smoke: options.Smoke = False,
    small: options.Small = False,
    assignments: options.Set = None,
    seeds: options.Seeds = None,
    storage: options.Storage = None,
    as_json: options.Json = False,
) -> int:
    """Show the state of every cell, also of a sweep that runs elsewhere."""
    from orchestration.catalogue import builtin_catalogue
    from orchestration.plan import make_plan

    choice = options.SweepChoice(
        name=sweep, smoke=smoke, small=small, assignments=tuple(assignments or ()), seeds=seeds
    )
    settings = options.settings_of(storage)
    store = options.store_of(settings)
    catalogue = builtin_catalogue()
    plan = make_plan(choice.load(catalogue), store=store, catalogue=catalogue, data_root=settings.data_root)
    document = status_document(plan, store)
    emit(document, lambda: status_text(document), as_json=as_json)
    return EXIT_CELLS_FAILED if any(row["state"] == "failed" for row in document["cells"]) else EXIT_DONE


def status_document(plan: Plan, store: ResultsStore) -> dict[str, Any]:
    """Return the state of a sweep and of each of its cells as plain values."""
    holders = store.holders([cell.train_key for cell in plan.cells if not cell.is_done])
    cells = [cell_status(cell, holders.get(cell.train_key)) for cell in plan.cells]
    return {"sweep": plan.sweep, "request": store.requested(plan.sweep), "cells": cells}


def cell_status(cell: PlannedCell, holder: str | None) -> dict[str, Any]:
    """Return the state of a cell as plain values."""
    if cell.is_done:
        state, detail = "done", ""
    elif holder is not None:
        state, detail = "running", f"by {holder}"
    elif cell.failed is not None:
        state, detail = "failed", cell.failed
    else:
        state, detail = ("trained" if cell.trained else "waiting"), ""
    return {
        "id": cell.cell_id,
        "row": cell.cell.row or "(supporting)",
        "seed": cell.cell.seed,
        "state": state,
        "missing": [request.name for request in cell.missing],
        "detail": detail,
    }


def print_tables(tables: Sequence[Table]) -> None:
    """Print tables for people: drawn on a terminal, Markdown elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console

        from eval.tables.terminal import to_rich

        for table in tables:
            Console(file=sys.stdout).print(to_rich(table))
        return
    from eval.tables.render import render

    for table in tables:
        show(render(table, "markdown"))


def tables_document(tables: Sequence[Table]) -> dict[str, Any]:
    """Return `{"table": ...}`, or `{"tables": [...]}` for a union of sweeps, as plain values."""
    import json

    from eval.tables.render import render

    documents = [json.loads(render(table, "json")) for table in tables]
    return {"table": documents[0]} if len(documents) == 1 else {"tables": documents}


def _finish(made: SweepRun, choice: options.SweepChoice, settings: Settings, *, as_json: bool) -> None:
    """Print the grid, or the document, and say what follows."""
    outcome = made.outcome
    if as_json:
        import json

        document = {
            "sweep": made.plan.sweep,
            "status": outcome.status,
            "computed": [key[:12] for key in outcome.computed],
            "failed": {key[:12]: reason for key, reason in outcome.failed.items()},
            "unfinished": [key[:12] for key in outcome.unfinished],
            "wall_s": outcome.wall_s,
            "log_file": outcome.log_file,
            **tables_document(made.tables),
        }
        show(json.dumps(document, indent=2))
    else:
        print_tables(made.tables)
    for line in _afterwards(made, choice, settings):
        tell(line)


def _afterwards(made: SweepRun, choice: options.SweepChoice, settings: Settings) -> list[str]:
    outcome = made.outcome
    lines = [f"failed: {key[:12]}: {reason}" for key, reason in outcome.failed.items()]
    if outcome.failed:
        lines.append(f"failed cells run again with: dreamgrid run {choice.command_options} --mode retry")
    if outcome.status in ("interrupted", "stopped"):
        lines.append(f"{outcome.status}; what is recorded stays. Continue with: dreamgrid run {choice.command_options}")
    if outcome.log_file:
        lines.append(f"log of Ray: {outcome.log_file}")
    place = f" --storage {settings.storage}" if settings.storage else ""
    lines.append(f"browse the runs: dreamgrid ui{place}")
    return lines


def status_text(document: dict[str, Any]) -> str:
    """Return the state of a sweep as text."""
    rows = document["cells"]
    counts = Counter(row["state"] for row in rows)
    table = [
        [row["id"], row["row"], str(row["seed"]), row["state"], ", ".join(row["missing"]), row["detail"]]
        for row in rows
    ]
    lines = [f"{document['sweep']}: " + ", ".join(f"{number} {state}" for state, number in counts.items())]
    if document["request"]:
        lines.append(f"asked to {document['request']}")
    return "\n".join([*lines, columns(table, header=["cell", "row", "seed", "state", "missing", "detail"])])
