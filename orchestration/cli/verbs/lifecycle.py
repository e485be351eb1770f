"""`pause`, `resume`, `stop`, `watch`: steer and follow a sweep from any terminal."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Literal

import typer

from orchestration.cli import options
from orchestration.cli.output import EXIT_CELLS_FAILED, EXIT_DONE, emit
from orchestration.errors import command

Action = Literal["pause", "stop"]


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("pause")(pause)
    app.command("resume")(resume)
    app.command("stop")(stop)
    app.command("watch")(watch)


def pause(
    sweep: options.SweepName,
    smoke: options.Smoke = False,
    small: options.Small = False,
    storage: options.Storage = None,
    as_json: options.Json = False,
) -> int:
    """Ask every driver of a sweep to start no further cell until `resume`."""
    return _ask(options.chosen(sweep, smoke, small), "pause", storage, as_json=as_json)


def resume(
    sweep: options.SweepName,
    smoke: options.Smoke = False,
    small: options.Small = False,
    storage: options.Storage = None,
    as_json: options.Json = False,
) -> int:
    """Take back a pause or a stop."""
    return _ask(options.chosen(sweep, smoke, small), None, storage, as_json=as_json)


def stop(
    sweep: options.SweepName,
    smoke: options.Smoke = False,
    small: options.Small = False,
    storage: options.Storage = None,
    as_json: options.Json = False,
) -> int:
    """Ask every driver of a sweep to write checkpoints and end."""
    return _ask(options.chosen(sweep, smoke, small), "stop", storage, as_json=as_json)


def watch(
    sweep: options.SweepName,
    smoke: options.Smoke = False,
    small: options.Small = False,
    assignments: options.Set = None,
    seeds: options.Seeds = None,
    storage: options.Storage = None,
    data_root: options.DataRoot = None,
    every: Annotated[float, typer.Option("--every", min=0.2, help="Seconds between looks.")] = 2.0,
) -> int:
    """Follow the state of every cell from the store until nothing is left to do (Ctrl-C ends it)."""
    from orchestration.cli.verbs.status import status_document, status_text
    from orchestration.planning.lookup import recorded
    from orchestration.planning.plan import make_plan

    opened = options.chosen(sweep, smoke, small, assignments, seeds).opened(storage, data_root, is_only_read=True)
    shown = ""
    while True:
        plan = make_plan(opened.resolved, store=opened.store)
        trained = [cell for cell in plan.cells if cell.trained]
        document = status_document(plan, opened.store, recorded(trained, opened.store))
        text = status_text(document)
        if text != shown:
            _redraw(text)
            shown = text
        states = {row["state"] for row in document["cells"]}
        if states <= {"done", "failed"}:
            return EXIT_CELLS_FAILED if "failed" in states or document["not_complete"] else EXIT_DONE
        time.sleep(every)


def _ask(choice: options.SweepChoice, action: Action | None, storage: str | None, *, as_json: bool) -> int:
    label = choice.read().label
    options.existing_store(options.settings_of(storage)).request(label, action)
    asked = f"drivers of '{label}' are asked to {action}" if action else f"drivers of '{label}' may go on"
    hint = f"; take it back with: {command('resume')}" if action else ""
    emit({"sweep": label, "request": action}, lambda: f"{asked}{hint}", as_json=as_json)
    return EXIT_DONE


def _redraw(text: str) -> None:
    """Draw over the last image on a terminal; elsewhere write one below the other."""
    if sys.stdout.isatty():
        sys.stdout.write("\x1b[2J\x1b[H")
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
