"""`status`, `watch`, `pause`, `resume`, `stop`: follow and steer a sweep from any terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from clusters.temporary.owners import describe
from orchestration.cells.cell import Plan, PlannedCell
from orchestration.cli import options
from orchestration.cli.output import EXIT_CELLS_FAILED, EXIT_DONE, columns, echo, echo_damage, emit, line_width
from orchestration.cli.verbs.table import print_tables
from orchestration.errors import command
from orchestration.planning.column_values import unfilled
from orchestration.planning.costs.actual import ledger, ledger_text
from orchestration.planning.costs.machines import DEFAULT_MACHINE, PRICE_FILE, read_machine
from orchestration.planning.lookup import recorded
from orchestration.planning.plan import make_plan
from orchestration.planning.states import State, counts_text, state_of, to_do_text
from orchestration.planning.sweep_records import recorded_otherwise
from orchestration.runs.watching.lines import WIDE, cell_columns, cell_texts, failure_lines, summary_lines
from orchestration.runs.watching.looks import Looks
from orchestration.runs.watching.snapshot import Snapshot
from orchestration.store.contract import CellResult, OnDamage, ResultsStore


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    options.add_verbs(app, {"status": status, "watch": watch, "pause": pause, "resume": resume, "stop": stop})


def status(choice: options.SweepOptions, places: options.PlaceOptions, as_json: options.Json = False) -> int:
    """Show the state of every cell of a sweep, wherever it runs."""
    opened = options.open_sweep(choice, places, is_only_read=True)
    store, resolved = opened.store, opened.resolved
    plan = make_plan(resolved, store=store, checkpoints=opened.settings.checkpoints)
    results = recorded([cell for cell in plan.cells if cell.trained], store)
    is_done = all(cell.is_done for cell in plan.cells)
    document = {
        **status_document(plan, store, results, echo_damage),
        "otherwise": () if is_done else recorded_otherwise(resolved, store, echo_damage),
        "cost": ledger(plan.cells, results, resolved.catalogue),
    }
    lines = [*document["otherwise"], ledger_text(document["cost"])]
    emit(document, lambda: "\n".join([status_text(document), *lines]), as_json=as_json)
    has_failed = any(row["state"] == "failed" for row in document["cells"])
    return EXIT_CELLS_FAILED if has_failed or document["not_complete"] else EXIT_DONE


def watch(
    choice: options.SweepOptions,
    places: options.PlaceOptions,
    machine: options.MachineName = DEFAULT_MACHINE,
    prices: options.PriceFile = None,
    every: Annotated[
        float | None,
        typer.Option("--every", min=0.2, help="Seconds between updates [2; 10 on object storage, at least 3]."),
    ] = None,
    is_once: Annotated[bool, typer.Option("--once", help="Print what there is now and exit.")] = False,
) -> int:
    """Follow a sweep on one screen: cells, rates, load, cost, time left. Reads the storage alone, from any machine.

    Where stdout is no terminal it prints what there is now and exits. The screen stays open when the sweep is over; q closes it.
    """
    opened = options.open_sweep(choice, places, is_only_read=True)
    damaged: list[Exception] = []
    looks = Looks(
        opened.resolved,
        opened.store,
        machine=read_machine(machine, prices or PRICE_FILE),
        on_damage=damaged.append,
        every_s=every,
    )
    shown = looks.look()
    if is_once or not _has_screen():
        echo(watch_text(shown))
        print_tables(shown.tables)
    else:
        from orchestration.runs.watching.screen import follow  # imports Textual

        shown = follow(looks, shown)
    for error in {str(each): each for each in damaged}.values():  # each was met at every look
        echo_damage(error)
    return EXIT_CELLS_FAILED if shown.failed or shown.unfilled else EXIT_DONE


def _has_screen() -> bool:
    """Return whether this process has a terminal that can be drawn on."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") not in (None, "", "dumb")


def watch_text(shown: Snapshot) -> str:
    """Return a snapshot of a sweep as text, without its tables."""
    width = line_width() or WIDE
    rows = [cell_texts(cell, width) for cell in shown.cells]
    header = cell_columns(width)
    numbers = [place for place, column in enumerate(header) if column.is_number]
    cells = columns(rows, header=[column.heading for column in header], right=numbers)
    lines = [f"{shown.label}: {shown.title}", *summary_lines(shown), cells]
    return "\n".join([*lines, *(failure_lines(shown) if width < WIDE else [])])


def status_document(
    plan: Plan, store: ResultsStore, results: Mapping[str, CellResult], on_damage: OnDamage
) -> dict[str, Any]:
    """Return the state of a sweep and of each of its cells as plain values, with the wanted columns that stayed empty.

    Args:
        on_damage: Is handed a request to the drivers that is not whole; it counts as none.
    """
    holders = store.holders([cell.train_key for cell in plan.cells if not cell.is_done])
    states = [state_of(cell, holders.get(cell.train_key)) for cell in plan.cells]
    rows = [
        cell_status(cell, state, holders.get(cell.train_key)) for cell, state in zip(plan.cells, states, strict=True)
    ]
    empty = list(unfilled(plan.cells, results))
    return {
        "sweep": plan.sweep,
        "request": store.requested(plan.sweep, on_damage),
        "cells": rows,
        "counts": counts_text(plan.cells, states),
        "not_complete": empty,
    }


def cell_status(cell: PlannedCell, state: State, holder: str | None) -> dict[str, Any]:
    """Return the state of a cell as plain values."""
    details = {"done": "", "running": f"by {describe(holder)}" if holder else "", "failed": cell.failed}
    return {
        "id": cell.cell_id,
        "row": cell.cell.row or "(supporting)",
        "seed": cell.cell.seed,
        "state": state,
        "missing": [request.name for request in cell.missing],
        "to_do": to_do_text(cell),
        "detail": details.get(state, cell.retrained),
    }


def status_text(document: dict[str, Any]) -> str:
    """Return the state of a sweep as text."""
    rows = document["cells"]
    table = [[row["id"], row["row"], str(row["seed"]), row["state"], row["to_do"], row["detail"]] for row in rows]
    lines = [f"{document['sweep']}: {document['counts']}"]
    if document["request"]:
        lines.append(f"asked to {document['request']}")
    lines += [f"not complete: {line}" for line in document["not_complete"]]
    return "\n".join([*lines, columns(table, header=["cell", "row", "seed", "state", "to do", "detail"])])


def pause(
    sweep: options.SweepName,
    size: options.SizeOptions,
    places: options.StorageOptions,
    as_json: options.Json = False,
) -> int:
    """Ask the drivers of a sweep to start no more cells."""
    return _ask(sweep, size, places, "pause", as_json=as_json)


def resume(
    sweep: options.SweepName,
    size: options.SizeOptions,
    places: options.StorageOptions,
    as_json: options.Json = False,
) -> int:
    """Undo `pause` or `stop`."""
    return _ask(sweep, size, places, None, as_json=as_json)


def stop(
    sweep: options.SweepName,
    size: options.SizeOptions,
    places: options.StorageOptions,
    as_json: options.Json = False,
) -> int:
    """Ask the drivers of a sweep to write checkpoints and exit."""
    return _ask(sweep, size, places, "stop", as_json=as_json)


def _ask(
    sweep: str,
    size: options.SizeOptions,
    places: options.StorageOptions,
    action: Literal["pause", "stop"] | None,
    *,
    as_json: bool,
) -> int:
    label = size.read(sweep).label
    places.existing_store().request(label, action)
    asked = f"drivers of '{label}' were asked to {action}" if action else f"drivers of '{label}' may continue"
    fix = f"; undo it with: {command('resume')}" if action else ""
    emit({"sweep": label, "request": action}, lambda: f"{asked}{fix}", as_json=as_json)
    return EXIT_DONE
