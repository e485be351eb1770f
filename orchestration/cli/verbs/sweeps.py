"""`sweeps`, `new`, `schema`: the built-in sweeps, what they need and cost; and how to write your own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from orchestration.cells.load import SWEEPS, built_in_sweep, load_sweep_file, sizes_of, sweep_json_schema
from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, columns, echo, emit
from orchestration.errors import PROGRAM, InputError, Mistake, command
from orchestration.planning.costs.listing import listed_totals, needed_data
from orchestration.planning.costs.machines import DEFAULT_MACHINE
from orchestration.planning.costs.units import amount, duration
from orchestration.sweeps.template import SUFFIXES, sweep_template

SCHEMA_FILE: Final = "dreamgrid.schema.json"


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    options.add_verbs(app, {"sweeps": sweeps, "new": new, "schema": schema})


def sweeps(as_json: options.Json = False, machine: options.MachineName = DEFAULT_MACHINE) -> int:
    """List the built-in sweeps with their data and costs."""
    totals = listed_totals(machine)
    rows = [{**_summary(name), "machine": machine, **totals[name]} for name in SWEEPS]
    emit(rows, lambda: _sweeps_text(rows), as_json=as_json)
    return EXIT_DONE


def new(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Sweep file to write, *.yaml. An existing one is left alone, unless --force."
        ),
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: options.Json = False,
) -> int:
    """Write a commented sweep file to start from. It runs as it is, in minutes, without a download.

    The JSON Schema of sweep files is written next to it, as dreamgrid.schema.json, for editors that complete and check YAML. An
    existing schema is replaced.
    """
    if path.suffix not in SUFFIXES:
        _refuse(path, f"a sweep file must end in {' or '.join(SUFFIXES)}; name it {path.stem or 'my-sweep'}.yaml")
    if path.is_dir() or (path.exists() and not force):
        what = "is a folder" if path.is_dir() else "exists already"
        _refuse(path, f"{what} and is left alone; choose another name{'' if path.is_dir() else ', or add --force'}")
    path.parent.mkdir(parents=True, exist_ok=True)
    schema_path = path.with_name(SCHEMA_FILE)
    path.write_text(sweep_template(path.stem, SCHEMA_FILE), encoding="utf-8")
    schema_path.write_text(_schema_text(), encoding="utf-8")
    lines = [
        f"written: {path}, and {schema_path} for editors",
        f"see what it would run: {command('plan', str(path))}",
        f"try it in a minute: {command('run', str(path), options=('--smoke',))}",
    ]
    emit({"file": str(path), "schema": str(schema_path)}, lambda: "\n".join(lines), as_json=as_json)
    return EXIT_DONE


def schema() -> int:
    """Print the JSON Schema of sweep files, for editors.

    The first line of a sweep file names it: # yaml-language-server: $schema=dreamgrid.schema.json
    """
    echo(_schema_text())
    return EXIT_DONE


def _refuse(path: Path, text: str) -> None:
    raise InputError("options", [Mistake(where=str(path), text=text)])


def _schema_text() -> str:
    return json.dumps(sweep_json_schema(), indent=2, sort_keys=True) + "\n"


def _summary(name: str) -> dict[str, Any]:
    file = load_sweep_file(name)
    full = built_in_sweep(name)
    parts = full.leaves
    return {
        "name": name,
        "title": file.title,
        "rows": sum(len(part.rows) for part in parts),
        "columns": len(full.columns),
        "sizes": list(sizes_of(file)),
        "data": list(needed_data(full)),
        "published": file.table.published if file.table is not None else list(file.include),
    }


def _sweeps_text(rows: list[dict[str, Any]]) -> str:
    table = [
        [
            row["name"],
            row["title"],
            str(row["cells"]),
            duration(3600 * row["device_hours"]),
            amount(row["money"]),
            ", ".join(row["data"]),
        ]
        for row in rows
    ]
    header = ["sweep", "title", "cells", "time", rows[0]["currency"], "data"]
    lacking = [row["name"] for row in rows if "small" not in row["sizes"]]
    return (
        columns(table, header=header, right=(2, 3, 4))
        + f"\n\nTime and price are those of one device of {rows[0]['machine']}, in the full size without any recorded cell, "
        "roughly estimated from operation counts; --machine l4 estimates for a GPU. Smaller sizes: --smoke, and "
        f"--small (not for {', '.join(lacking)})."
        + f"\n{PROGRAM} plan SWEEP shows a sweep's cells and costs; {PROGRAM} run SWEEP runs it; "
        f"{PROGRAM} new my-sweep.yaml writes your own."
    )
