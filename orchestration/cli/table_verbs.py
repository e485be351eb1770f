"""`table`: the grid of a sweep from what is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, show, tell

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
    as_json: options.Json = False,
) -> int:
    """Print the grid of a sweep from what is recorded. Runs nothing."""
    from eval.tables.cells import Style
    from eval.tables.render import Format, render
    from orchestration.catalogue import builtin_catalogue
    from orchestration.cli.run_verbs import print_tables, tables_document
    from orchestration.errors import InputError, Mistake, nearest
    from orchestration.resolve import resolve_sweep
    from orchestration.results_table import recorded_tables
    from orchestration.sweep_files import load_sweep

    form = "json" if as_json else form
    if form not in FORMATS:
        mistake = Mistake(where=f"--format {form}", text=f"unknown format '{form}'{nearest(form, FORMATS)}")
        raise InputError("options", [mistake])
    choice = options.SweepChoice(
        name=sweep, smoke=smoke, small=small, assignments=tuple(assignments or ()), seeds=seeds
    )
    catalogue = builtin_catalogue()
    loaded = choice.load(catalogue)
    cells = resolve_sweep(loaded, catalogue)
    made = recorded_tables(loaded, cells, options.store_of(options.settings_of(storage)))
    if beside:
        from orchestration.comparison import Resolved, compared

        full = load_sweep(choice.name)
        made = compared(made, Resolved(loaded, cells), Resolved(full, resolve_sweep(full, catalogue)))
    if form == "terminal" and output is None:
        print_tables(made)
    elif form == "json":
        document = tables_document(made)
        _deliver(json.dumps(document.get("table", document), indent=2), output)
    else:
        written: Format = "markdown" if form == "terminal" else form  # type: ignore[assignment]
        _deliver("\n".join(render(each, written, Style(decimals=decimals)) for each in made), output)
    if not any(entry is not None for each in made for row in each.entries for entry in row):
        tell(f"nothing is recorded yet; compute it with: dreamgrid run {choice.command_options}")
    return EXIT_DONE


def _deliver(text: str, output: Path | None) -> None:
    if output is None:
        show(text)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    tell(f"written to {output}")
