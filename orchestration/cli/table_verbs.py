"""`table`: the grid of a sweep from what is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, show, tell

if TYPE_CHECKING:
    from eval.tables.grid import Table

FORMATS = ("terminal", "markdown", "latex", "csv", "html", "json")


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("table")(table)


def table(
    sweep: options.SweepName,
    form: Annotated[
        str, typer.Option("--format", help="markdown, latex, csv, html, json; drawn by default.")
    ] = "terminal",
    decimals: Annotated[int, typer.Option("--decimals", min=0, max=6, help="Digits after the point.")] = 1,
    beside: Annotated[
        bool,
        typer.Option(
            "--compare", help="Set the published numbers beside ours, with verdicts where the recipe is theirs."
        ),
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file instead.")] = None,
    smoke: options.Smoke = False,
    small: options.Small = False,
    assignments: options.Set = None,
    seeds: options.Seeds = None,
    storage: options.Storage = None,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> int:
    """Print the grid of a sweep from what is recorded. Runs nothing."""
    form = "json" if as_json else _format(form)
    choice = options.chosen(sweep, smoke, small, assignments, seeds)
    made, cost = _tables(choice, choice.opened(storage, data_root), beside=beside)
    _write(made, form, decimals, output)
    if any(entry is not None for each in made for row in each.entries for entry in row):
        tell(cost)
    else:
        tell(f"nothing is recorded yet; compute it with: dreamgrid run {choice.command_options}")
    return EXIT_DONE


def _format(form: str) -> str:
    from orchestration.errors import InputError, Mistake, nearest

    if form not in FORMATS:
        mistake = Mistake(where=f"--format {form}", text=f"unknown format '{form}'{nearest(form, FORMATS)}")
        raise InputError("options", [mistake])
    return form


def _tables(choice: options.SweepChoice, opened: options.Opened, *, beside: bool) -> tuple[tuple[Table, ...], str]:
    """Return the tables of a sweep, compared with the published ones where that is wanted, and what its cells cost."""
    from orchestration.ledger import ledger_of, ledger_text
    from orchestration.recorded import recorded
    from orchestration.resolve import resolve_sweep
    from orchestration.results_table import sweep_tables
    from orchestration.sweep_files import load_sweep

    loaded, catalogue = opened.sweep, opened.catalogue
    cells = resolve_sweep(loaded, catalogue)
    results = recorded(cells, opened.store)
    made = sweep_tables(loaded, cells, results)
    cost = ledger_text(ledger_of(cells, results, catalogue))
    if not beside:
        return made, cost
    from orchestration.comparison import Resolved, compared

    full = load_sweep(choice.name)
    return compared(made, Resolved(loaded, cells), Resolved(full, resolve_sweep(full, catalogue))), cost


def _write(made: tuple[Table, ...], form: str, decimals: int, output: Path | None) -> None:
    from eval.tables.cells import Style
    from eval.tables.render import Format, render
    from orchestration.cli.table_output import print_tables, tables_document

    if form == "terminal" and output is None:
        print_tables(made)
    elif form == "json":
        document = tables_document(made)
        _deliver(json.dumps(document.get("table", document), indent=2), output)
    else:
        written: Format = "markdown" if form == "terminal" else form  # type: ignore[assignment]
        _deliver("\n".join(render(each, written, Style(decimals=decimals)) for each in made), output)


def _deliver(text: str, output: Path | None) -> None:
    if output is None:
        show(text)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    tell(f"written to {output}")
