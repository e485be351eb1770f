"""`doctor`, `sync`, `ui`: the surroundings of a run."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import Annotated

import typer

from augment.lookup.wording import count
from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, EXIT_REFUSED, columns, echo, echo_damage, echo_err, emit
from orchestration.doctor.cluster import examine_cluster
from orchestration.doctor.contract import Finding
from orchestration.doctor.machine import examine
from orchestration.errors import EnvironmentRefused, InputError, Mistake
from orchestration.runs.first_page import first_page
from orchestration.runs.replay import ReplayRequest, sync_sweeps
from orchestration.settings import Settings, read_settings
from orchestration.store.files import FileStore
from orchestration.store.open import open_existing_store
from orchestration.tracking.secrets import scrubbed
from orchestration.tracking.server.check import check_tracking
from orchestration.tracking.server.front import front_page
from orchestration.tracking.server.repair import repair_database
from orchestration.tracking.server.run import UiServer, serve_ui


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    options.add_verbs(app, {"doctor": doctor, "sync": sync, "ui": ui})


def doctor(
    places: options.TrackedPlaceOptions,
    address: Annotated[
        str | None, typer.Option("--address", help="Check the nodes of this Ray cluster too: auto, or HOST:PORT.")
    ] = None,
    as_json: options.Json = False,
) -> int:
    """Check the installation, devices, storage and data, also the tracking server and compiled kernels, and suggest fixes."""
    settings = places.settings
    findings = examine(settings)
    if address is not None:
        findings += examine_cluster(settings, address)
    emit([asdict(finding) for finding in findings], lambda: _findings_text(findings), as_json=as_json)
    return EXIT_REFUSED if any(finding.state == "broken" for finding in findings) else EXIT_DONE


def sync(
    changes: options.ChangeOptions,
    places: options.TrackedPlaceOptions,
    sweep: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SWEEP]...", help="Sweeps, with the options of their runs [all run on the storage]."),
    ] = None,
    log_weights: options.LogWeights = False,
    as_json: options.Json = False,
) -> int:
    """Rebuild MLflow from the results store: one experiment per sweep, one run per recorded cell.

    Sizes, --set and --seeds are those of the runs on the storage where no option gives others. A broken database is moved aside.
    """
    settings = places.settings
    if not sweep and (changes.assignments or changes.seeds):
        text = "--set and --seeds change a sweep; name the one that they are for"
        raise InputError("options", [Mistake(where="SWEEP", text=text)])
    synced = sync_sweeps(
        ReplayRequest(
            settings=settings,
            store=_store_of(places),
            names=tuple(sweep or ()),
            size=changes.size,
            overrides=changes.overrides,
            report=echo_err,
            on_damage=echo_damage,
            log_weights=log_weights,
        )
    )
    document = {"tracking_uri": scrubbed(settings.tracking), "cells": synced}
    emit(
        document,
        lambda: "\n".join(
            [
                *(f"{name}: {count(number, 'cell')}" for name, number in synced.items()),
                f"tracking: {scrubbed(settings.tracking)}",
            ]
        ),
        as_json=as_json,
    )
    return EXIT_DONE


def _store_of(places: options.TrackedPlaceOptions) -> FileStore:
    """Open the storage; where there is none yet, a run is refused until a broken database has made room."""
    try:
        return places.existing_store()
    except EnvironmentRefused:
        for line in repair_database(places.settings.tracking):
            echo_err(line)
        raise


def ui(
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", help="Port of MLflow [5000, or a free one]. The page of grids takes a free one of its own."
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            help="Address of MLflow. Any but loopback needs MLFLOW_AUTH_ADMIN_PASSWORD. The page of grids stays on loopback.",
        ),
    ] = "127.0.0.1",
) -> int:
    """Open the grids of a storage, and MLflow behind them, as pages in a browser (Ctrl-C to quit)."""
    settings = read_settings(storage=storage, tracking_uri=tracking_uri)
    if settings.tracking_uri is None:
        open_existing_store(settings.storage)
    check_tracking(settings.tracking, is_only_read=True)
    server = serve_ui(settings.tracking, port=port, host=host)
    try:
        with contextlib.ExitStack() as stack:
            if server.is_ours:
                grids = stack.enter_context(front_page(lambda: _first_page(settings, server)))
                echo(f"grids of this storage: {grids}")
            _echo_links(server)
            echo_err("Ctrl-C quits the UI.")
            server.wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
    return EXIT_DONE


def _echo_links(server: UiServer) -> None:
    for text, link in server.pages.items():
        echo(f"{text}: {link}")
    for sweep in server.sweeps():
        echo(f"{sweep.sweep}:")
        for text, link in sweep.links.items():
            echo(f"  {text}: {link}")


def _first_page(settings: Settings, server: UiServer) -> str:
    try:
        store = open_existing_store(settings.storage)
    except (EnvironmentRefused, InputError):  # MLflow may be shown without its storage
        store = None
    return first_page(settings, store, server.sweeps(), server.pages)


def _findings_text(findings: list[Finding]) -> str:
    rows = [[finding.what, finding.state, finding.detail] for finding in findings]
    advice = [f"{finding.what}: {finding.fix}" for finding in findings if finding.fix]
    return "\n".join([columns(rows, header=["what", "state", "detail"]), *(["", *advice] if advice else [])])
