"""`sweeps`: the built-in sweeps, what they need and what they cost."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from orchestration.cells.load import SWEEPS, built_in_sweep, load_sweep_file, sizes_of, sweep_json_schema
from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, columns, echo, emit
from orchestration.planning.costs.listing import LISTED_MACHINE, listed_totals, needed_data


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    options.add_verbs(app, {"sweeps": sweeps})


def sweeps(
    as_json: options.Json = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of sweep files (for editors).")
    ] = False,
    machine: Annotated[
        str, typer.Option("--machine", help="Machine of the price file to estimate costs for.")
    ] = LISTED_MACHINE,
) -> int:
    """List the built-in sweeps with their data and costs."""
    if schema:
        echo(json.dumps(sweep_json_schema(), indent=2, sort_keys=True))
        return EXIT_DONE
    totals = listed_totals(machine)
    rows = [{**_summary(name), "machine": machine, **totals[name]} for name in SWEEPS]
    emit(rows, lambda: _sweeps_text(rows), as_json=as_json)
    return EXIT_DONE


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


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value >= 0.01 else "under 0.01"


def _sweeps_text(rows: list[dict[str, Any]]) -> str:
    table = [
        [
            row["name"],
            row["title"],
            str(row["rows"]),
            str(row["cells"]),
            f"{_amount(row['device_hours'])} h, {_amount(row['money'])} {row['currency']}",
            ", ".join(row["sizes"]),
            ", ".join(row["data"]),
        ]
        for row in rows
    ]
    header = ["sweep", "title", "rows", "cells", f"on {rows[0]['machine']}", "sizes", "data"]
    return (
        columns(table, header=header, right=(2, 3, 4))
        + "\n\nCosts are device-hours for the full size without any recorded cell, roughly "
        "estimated from operation counts; `plan` gives details."
        + "\ndreamgrid plan SWEEP shows a sweep's cells; dreamgrid run SWEEP runs it."
    )
