"""`report`: a sweep as one HTML file; `figure`: one figure of it as a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, echo_damage, echo_err, emit
from orchestration.errors import read_all
from orchestration.planning.lookup import recorded
from orchestration.planning.sweep_records import recorded_otherwise
from orchestration.results.figures.registry import KINDS, check_kind, check_suffix, draw_figure, write_figure
from orchestration.results.report.build import report_page


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    options.add_verbs(app, {"report": report, "figure": figure})


def report(
    choice: options.SweepOptions,
    places: options.PlaceOptions,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Output file; an existing one is replaced [SWEEP.html in this folder]."),
    ] = None,
    as_json: options.Json = False,
) -> int:
    """Write an HTML report of a sweep that opens offline: table, charts, costs and provenance. Runs nothing."""
    opened = options.open_sweep(choice, places, is_only_read=True)
    cells = opened.resolved.cells
    results = recorded(cells, opened.store)
    page = report_page(opened.resolved, opened.store, results).encode()
    path = output or Path(f"{opened.resolved.label}.html")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(page)
    document = {"sweep": opened.resolved.label, "file": str(path.absolute()), "bytes": len(page)}
    emit(document, lambda: f"{path} ({len(page) / 1024:.0f} KiB): open it in a browser", as_json=as_json)
    if len(results) < len({cell.train_key for cell in cells}):
        for line in recorded_otherwise(opened.resolved, opened.store, echo_damage):
            echo_err(line)
    return EXIT_DONE


@dataclass(frozen=True, kw_only=True)
class FigureOptions:
    """Which figure is drawn, and where it is written."""

    kind: Annotated[str, typer.Option("--kind", help=f"Kind of figure: {', '.join(KINDS)}.")]
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Output file: .pdf, .png or .svg; replaced if there [SWEEP-KIND.pdf here]."
        ),
    ] = None
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="Column to show, as in the sweep: c/error. Repeat it: pareto takes two."),
    ] = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to show."""
        return tuple(self.column or ())

    def check(self) -> None:
        """Check the values of the options.

        Raises:
            InputError: With every mistake of them.
        """
        if self.kind is not None:  # which it is while the option is missing
            read_all(
                lambda: check_kind(self.kind, self.columns),
                lambda: None if self.output is None else check_suffix(self.output),
            )


def figure(
    choice: options.SweepOptions, places: options.PlaceOptions, asked: FigureOptions, as_json: options.Json = False
) -> int:
    """Write one figure of a sweep as PDF, PNG or SVG, from the recorded results. Runs nothing."""
    kind, columns = asked.kind, asked.columns
    opened = options.open_sweep(choice, places, is_only_read=True)
    path = asked.output or Path(f"{opened.resolved.label}-{kind}.pdf")
    write_figure(draw_figure(opened.resolved, opened.store, kind, columns), path)
    document = {
        "sweep": opened.resolved.label,
        "kind": kind,
        "file": str(path.absolute()),
        "bytes": path.stat().st_size,
    }
    emit(document, lambda: f"{path}: {KINDS[kind].says}", as_json=as_json)
    return EXIT_DONE
