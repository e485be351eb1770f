"""The kinds of figures by name, and how one is drawn and written; adding one is a file here and a line in the mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from augment.lookup.parameters import nearest
from orchestration.cells.resolved import ResolvedSweep
from orchestration.errors import EnvironmentRefused, InputError, Mistake
from orchestration.planning.lookup import recorded
from orchestration.results.figures import heatmap, pareto, radar, reliability, severity
from orchestration.results.figures.contract import FigureKind, NotDrawn
from orchestration.results.figures.marks import add_lines, mark_lines
from orchestration.results.figures.paper import paper_style
from orchestration.results.report.again import run_command
from orchestration.results.report.content import part_content
from orchestration.results.table import sweep_tables
from orchestration.store.contract import Results

KINDS: Final[Mapping[str, FigureKind]] = MappingProxyType(
    {
        "radar": radar.KIND,
        "pareto": pareto.KIND,
        "severity": severity.KIND,
        "reliability": reliability.KIND,
        "heatmap": heatmap.KIND,
    }
)
SUFFIXES: Final[Mapping[str, str]] = MappingProxyType({".pdf": "CreationDate", ".png": "Software", ".svg": "Date"})
"""Suffix of a file -> what is left out of it, so that the same numbers give the same bytes."""


def check_kind(kind: str, columns: Sequence[str] = ()) -> None:
    """Refuse a kind of figure that does not exist, or that takes fewer columns.

    Raises:
        InputError: If it is so.
    """
    if kind not in KINDS:
        raise _refused(f"kind {kind}", f"unknown kind of figure '{kind}'{nearest(kind, list(KINDS))}")
    most = KINDS[kind].columns
    if len(columns) > most:
        text = f"takes {'no column' if not most else f'at most {most} of them'}, but got {', '.join(columns)}"
        raise _refused(f"kind {kind}", text)


def check_suffix(path: Path) -> None:
    """Refuse the name of a file whose format is not known.

    Raises:
        InputError: If its suffix is not one of `SUFFIXES`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise _refused(
            str(path), f"the name of a figure must end with {', '.join(SUFFIXES)}, but ends with '{path.suffix}'"
        )


def draw_figure(resolved: ResolvedSweep, store: Results, kind: str, columns: Sequence[str] = ()) -> Any:
    """Return a figure of Matplotlib of what is recorded of a sweep, in the style of papers.

    Args:
        kind: A key of `KINDS`.
        columns: Columns such as "c/error" that it shows, where the kind lets them be chosen; by default the first ones that fit.

    Raises:
        InputError: If the kind or a column is unknown, if the sweep is a union, or if what is recorded cannot be drawn so.
    """
    check_kind(kind, columns)
    if resolved.parts:
        names = ", ".join(part.sweep.name for part in resolved.parts)
        raise _refused(resolved.label, f"is a union of sweeps with a table each; draw one of them: {names}")
    results = dict(recorded(resolved.cells, store))
    if not results:
        command = run_command(resolved, getattr(store, "uri", ""))
        raise _refused(resolved.label, f"nothing is recorded yet; compute it with: {command}")
    (table,) = sweep_tables(resolved, results)
    with paper_style():
        try:
            part = part_content(resolved, table, results)
            figure = KINDS[kind].draw(part, columns)
            add_lines(figure, mark_lines(part, KINDS[kind].shows(part, columns)))
            return figure
        except NotDrawn as error:
            raise InputError("figure", [Mistake(where=f"kind {kind}", text=each) for each in error.reasons]) from error


def write_figure(figure: Any, path: Path) -> None:
    """Write a figure to a file in the format that its suffix names; the same numbers give the same bytes.

    Raises:
        InputError: If the suffix is unknown.
        EnvironmentRefused: If the file cannot be written.
    """
    check_suffix(path)
    suffix = path.suffix.lower()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with paper_style():
            figure.savefig(path, dpi=300, format=suffix[1:], metadata={SUFFIXES[suffix]: None})
    except OSError as error:
        raise EnvironmentRefused(f"figure file '{path}' cannot be written: {error.strerror or error}") from error


def _refused(where: str, text: str) -> InputError:
    return InputError("figure", [Mistake(where=where, text=text)])
