"""`table`: the grid of a sweep from what is recorded."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eval.tables.formats.contract import Style
from eval.tables.formats.registry import FORMATS, render, render_all
from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, show, tell, tell_damage
from orchestration.errors import command
from orchestration.results.report.page import table_page

if TYPE_CHECKING:
    from eval.tables.grid import Table
    from orchestration.cells.resolved import ResolvedSweep
    from orchestration.store.contract import CellResult


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("table")(table)


def table(
    sweep: options.SweepName,
    form: Annotated[str, typer.Option("--format", help=f"{', '.join(FORMATS)}; drawn by default.")] = "terminal",
    decimals: Annotated[int, typer.Option("--decimals", min=0, max=6, help="Digits after the point.")] = 1,
    beside: Annotated[
        bool,
        typer.Option(
            "--compare", help="Set the published numbers beside ours, with verdicts where the recipe is theirs."
        ),
    ] = False,
    cost: Annotated[
        bool, typer.Option("--cost", help="Say what the recorded cells took, beside the estimate.")
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
    from orchestration.planning.lookup import recorded
    from orchestration.planning.sweep_records import recorded_otherwise
    from orchestration.results.table import sweep_tables

    form = "json" if as_json else _format(form)
    choice = options.chosen(sweep, smoke, small, assignments, seeds)
    opened = choice.opened(storage, data_root, is_only_read=True)
    resolved = opened.resolved
    results = recorded(resolved.cells, opened.store)
    made = sweep_tables(resolved, results)
    _write(_compared(made, resolved) if beside else made, form, decimals, output)
    if cost:
        _tell_cost(resolved, results)
    entries = [entry for each in made for row in each.entries for entry in row]
    if any(entry is None for entry in entries):
        for line in recorded_otherwise(resolved, opened.store, tell_damage):
            tell(line)
    if not any(entry is not None for entry in entries):
        tell(f"nothing is recorded yet; compute it with: {command('run')}")
    return EXIT_DONE


def _format(form: str) -> str:
    from orchestration.errors import InputError, Mistake, nearest

    if form not in FORMATS:
        mistake = Mistake(where=f"--format {form}", text=f"unknown format '{form}'{nearest(form, list(FORMATS))}")
        raise InputError("options", [mistake])
    return form


def _compared(made: tuple[Table, ...], resolved: ResolvedSweep) -> tuple[Table, ...]:
    """Return tables with the published numbers beside ours."""
    from orchestration.cells.load import full_size
    from orchestration.results.compare import compared

    return compared(made, resolved, full_size(resolved))


def _tell_cost(resolved: ResolvedSweep, results: Mapping[str, CellResult]) -> None:
    from orchestration.planning.costs.actual import ledger, ledger_text

    tell(ledger_text(ledger(resolved.cells, results, resolved.catalogue)))


def _write(made: tuple[Table, ...], form: str, decimals: int, output: Path | None) -> None:
    style = Style(decimals=decimals)
    if form == "terminal" and (output is not None or not sys.stdout.isatty()):
        form = "markdown"
    if form == "html":
        title = ", ".join(each.title for each in made)
        text = table_page(title, [render(each, form, style) for each in made])
    else:
        text = render_all(made, form, style)
    if output is None:
        show(text)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    tell(f"written to {output}")
