"""`cells register`: make a cell a version in MLflow's registry of models."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, emit
from orchestration.cli.verbs.cells.cell_ids import CellId, find_cell
from orchestration.errors import InputError, Mistake
from orchestration.tracking.addresses import NO_TRACKING
from orchestration.tracking.mlflow_client import MlflowTracking
from orchestration.tracking.models.registering import check_name, register_cell
from orchestration.tracking.server.check import check_tracking


def register_model(
    cell: CellId,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Registered model, which need not exist yet.")],
    places: options.TrackedPlaceOptions,
    alias: Annotated[
        list[str] | None,
        typer.Option("--alias", metavar="ALIAS", help="Alias of this version, taken from any other. Repeatable."),
    ] = None,
    as_json: options.Json = False,
) -> int:
    """Make the model of a cell a version in MLflow's registry, with its metrics as tags."""
    settings, store, aliases = places.settings, places.existing_store(), tuple(alias or ())
    check_name(name, where="NAME")
    for each in aliases:
        check_name(each, where="--alias")
    uri = settings.tracking
    if uri == NO_TRACKING:
        text = f"the registry is on a tracking server, but the address is '{NO_TRACKING}'; give one with --tracking-uri"
        raise InputError("options", [Mistake(where="--tracking-uri", text=text)])
    key = find_cell(cell, store)
    result = store.result(key)
    if result is None:
        raise InputError(
            "cell", [Mistake(where="", text=f"cell {key[:12]} has no valid training to register; run it first")]
        )
    check_tracking(uri, prefix=settings.experiment_prefix)
    made = register_cell(result, name, client=MlflowTracking(uri, prefix=settings.experiment_prefix), aliases=aliases)
    addresses = [f"models:/{name}/{made.version}", *(f"models:/{name}@{each}" for each in aliases)]
    document = {"cell": key[:12], "name": name, "version": made.version, "is_new": made.is_new, "uris": addresses}
    text = f"cell {key[:12]} is version {made.version} of {name}" + ("" if made.is_new else ", as before")
    emit(
        document,
        lambda: "\n".join([text, *(f"load it: mlflow.pytorch.load_model('{each}')" for each in addresses)]),
        as_json=as_json,
    )
    return EXIT_DONE
