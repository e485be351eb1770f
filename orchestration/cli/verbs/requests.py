"""`pause`, `resume`, `stop`: steer the drivers of a sweep from any terminal."""

from __future__ import annotations

from typing import Literal

import typer

from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, emit
from orchestration.errors import command


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    options.add_verbs(app, {"pause": pause, "resume": resume, "stop": stop})


def pause(
    sweep: options.SweepName, size: options.SizeOptions, places: options.StorageOptions, as_json: options.Json = False
) -> int:
    """Ask every driver of a sweep to start no other cell until `resume`."""
    return _ask(sweep, size, places, "pause", as_json=as_json)


def resume(
    sweep: options.SweepName, size: options.SizeOptions, places: options.StorageOptions, as_json: options.Json = False
) -> int:
    """Take back a pause or a stop."""
    return _ask(sweep, size, places, None, as_json=as_json)


def stop(
    sweep: options.SweepName, size: options.SizeOptions, places: options.StorageOptions, as_json: options.Json = False
) -> int:
    """Ask every driver of a sweep to write checkpoints and end."""
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
    asked = f"drivers of '{label}' are asked to {action}" if action else f"drivers of '{label}' may go on"
    fix = f"; take it back with: {command('resume')}" if action else ""
    emit({"sweep": label, "request": action}, lambda: f"{asked}{fix}", as_json=as_json)
    return EXIT_DONE
