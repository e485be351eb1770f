"""`table`: the grid of a sweep from what is recorded; and how tables are printed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from augment.lookup.parameters import nearest
from eval.tables.formats.contract import Style
from eval.tables.formats.json import document
from eval.tables.formats.registry import FORMATS, render_all
from eval.tables.grid import Table
from orchestration.cells.load import full_size
from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, echo, echo_damage, echo_err
from orchestration.cli.parsing import checked
from orchestration.errors import InputError, Mistake, command
from orchestration.planning.costs.actual import ledger, ledger_text
from orchestration.planning.lookup import recorded
from orchestration.planning.sweep_records import recorded_otherwise
from orchestration.results.compare import compared
from orchestration.results.report.page import table_page
from orchestration.results.table import sweep_tables


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    options.add_verbs(app, {"table": table})


def _refuse_unknown_format(form: str) -> None:
    if form not in FORMATS:
        mistake = Mistake(where=f"--format {form}", text=f"unknown format '{form}'{nearest(form, list(FORMATS))}")
        raise InputError("options", [mistake])


def table(
    choice: options.SweepOptions,
    places: options.PlaceOptions,
    form: Annotated[
        str,
        typer.Option(
            "--format", help=f"{', '.join(FORMATS)}; terminal draws it.", callback=checked(_refuse_unknown_format)
        ),
    ] = "terminal",
    decimals: Annotated[int, typer.Option("--decimals", min=0, max=6, help="Decimal places.")] = 1,
    is_compared: Annotated[
        bool,
        typer.Option(
            "--compare", help="Show the published numbers next to ours, with verdicts where the recipe is the same."
        ),
    ] = False,
    cost: Annotated[
        bool, typer.Option("--cost", help="Show the actual cost of the recorded cells next to the estimate.")
    ] = False,
    output: options.Output = None,
    as_json: options.Json = False,
) -> int:
    """Print the table of a sweep from the recorded results. Runs nothing."""
    opened = options.open_sweep(choice, places, is_only_read=True)
    resolved = opened.resolved
    results = recorded(resolved.cells, opened.store)
    made = sweep_tables(resolved, results)
    if is_compared:
        made = compared(made, resolved, full_size(resolved))
    _write(made, "json" if as_json else form, decimals, output)
    if form == "csv" and not as_json:  # which has no room for the lines below a table
        for line in dict.fromkeys(note for each in made for note in each.notes):
            echo_err(f"note: {line}")
    if cost:
        echo_err(ledger_text(ledger(resolved.cells, results, resolved.catalogue)))
    entries = [entry for each in made for row in each.entries for entry in row]
    if any(entry is None for entry in entries):
        for line in recorded_otherwise(resolved, opened.store, echo_damage):
            echo_err(line)
    if not any(entry is not None for entry in entries):
        echo_err(f"nothing is recorded yet; compute it with: {command('run')}")
    return EXIT_DONE


def print_tables(tables: Sequence[Table]) -> None:
    """Print tables for people: drawn on a terminal, Markdown elsewhere."""
    echo(render_all(tables, "terminal" if sys.stdout.isatty() else "markdown"))


def tables_document(tables: Sequence[Table]) -> dict[str, Any]:
    """Return `{"table": ...}`, or `{"tables": [...]}` for a union of sweeps, as plain values."""
    documents = [document(each, Style()) for each in tables]
    return {"table": documents[0]} if len(documents) == 1 else {"tables": documents}


def _write(tables: tuple[Table, ...], form: str, decimals: int, output: Path | None) -> None:
    style = Style(decimals=decimals)
    if form == "terminal" and (output is not None or not sys.stdout.isatty()):
        form = "markdown"
    text = table_page(tables, style) if form == "html" else render_all(tables, form, style)
    if output is None:
        echo(text)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    echo_err(f"written to {output}")
