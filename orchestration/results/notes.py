"""The lines below a table of a sweep: what its columns and rows are, beyond what the marks of entries say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.registry import default_params
from eval.inference.precision import DEFAULT_PRECISION
from eval.tables.column import Column
from orchestration.cells.checks.settings import spoken
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.resolved import ResolvedSweep
from orchestration.planning.column_values import unfilled
from orchestration.results.imported import imported_notes
from orchestration.store.contract import CellResult
from orchestration.store.provenance import origin_lines, precision_of
from orchestration.sweeps.model import Sweep

_TOLD_OTHERWISE: Final = frozenset({"max_images", "baseline", "keep_logits"})
"""Parameters of a benchmark that a mark or a line of their own tells, or that change no number."""

_DIVISORS: Final = {"mfr-normalised": "flip rates", "mt5d-normalised": "top-5 distances"}
"""Normalised metric -> what of a baseline network it is divided by, where that is not its error."""

_LISTED: Final = 6
"""Entries of a list up to which a line names them all."""


def table_notes(
    resolved: ResolvedSweep, columns: Sequence[Column], results: Mapping[str, CellResult]
) -> tuple[str, ...]:
    """Return all lines below a table."""
    cells = resolved.cells
    return (
        *_sweep_notes(resolved.sweep),
        *parameter_notes(columns, cells),
        *normalisation_notes(columns, cells, results),
        *computed_notes(columns),
        *_precision_notes(cells),
        *_own_files_notes(cells),
        *imported_notes(_imported_rows(cells, results)),
        *_assumption_notes(resolved, results),
        *_training_precision_notes(resolved, results),
        *(f"Not complete: {line}." for line in unfilled(cells, results)),
    )


def _sweep_notes(sweep: Sweep) -> tuple[str, ...]:
    """Return the lines below the table: stand-ins, what is left out with its reason, what the size changes of rows."""
    notes = [f"{shown} replaces {column}." for shown, column in sweep.stand_ins.items()]
    notes += [f"Left out: {name} ({' '.join(reason.split())})." for name, reason in sweep.left_out.items()]
    notes += sweep.overruled
    return tuple(notes)


def parameter_notes(columns: Sequence[Column], cells: Iterable[ResolvedCell]) -> tuple[str, ...]:
    """Return one line per benchmark of the table whose parameters are not its defaults: "PGD: steps 5 instead of 20."."""
    headings = {(column.benchmark, column.is_own): column.heading for column in columns}
    notes: dict[str, None] = {}
    for request in {request.key: request for cell in cells for request in cell.benchmarks}.values():
        heading = headings.get((request.name, request.is_own))
        if heading is None:
            continue
        if parts := unusual_parameters(request):
            notes[f"{heading}: {', '.join(parts)}."] = None
    return tuple(notes)


def unusual_parameters(request: BenchmarkRequest) -> list[str]:
    """Return "severities 3 (of 1, 2, 3, 4, 5)" for each parameter that is not the benchmark's default and changes numbers."""
    usual = default_params(request.name)
    return [
        changed_parameter(name, value, usual[name]) if name in usual else f"{spoken(name)} {_listed(value)}"
        for name, value in request.params.items()
        if name not in _TOLD_OTHERWISE and (name not in usual or value != usual[name])
    ]


def changed_parameter(name: str, value: object, usual: object) -> str:
    """Return "severities 3 (of 1, 2, 3, 4, 5)" for a part of the usual list, else "steps 5 instead of 20"."""
    if isinstance(value, list) and isinstance(usual, list) and all(each in usual for each in value):
        whole = _listed(usual) if len(usual) <= _LISTED else str(len(usual))
        return f"{spoken(name)} {_listed(value)} (of {whole})"
    return f"{spoken(name)} {_listed(value)} instead of {'the usual' if usual is None else _listed(usual)}"


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def normalisation_notes(
    columns: Sequence[Column], cells: Sequence[ResolvedCell], results: Mapping[str, CellResult]
) -> tuple[str, ...]:
    """Return one line per normalised column that has values: which baseline its entries are divided by."""
    notes = []
    for column in (each.without_mean() for each in columns):
        if column.spec.unit != "ratio" or column.is_computed:
            continue
        names = dict.fromkeys(str(baseline) for cell in cells for baseline in _baselines(column, cell, results))
        if names:
            what = _DIVISORS.get(column.metric, "errors")
            notes.append(f"{column.label}: divided by the {what} of {' and of '.join(names)}.")
    return tuple(notes)


def _baselines(column: Column, cell: ResolvedCell, results: Mapping[str, CellResult]) -> list[object]:
    result = results.get(cell.train_key)
    if result is None:
        return []
    requests = [
        request for request in cell.benchmarks if (request.name, request.is_own) == (column.benchmark, column.is_own)
    ]
    reports = [result.reports.get(request.key) for request in requests]
    outcomes = [report.outcome for report in reports if report is not None and report.outcome is not None]
    return [outcome.notes["baseline"] for outcome in outcomes if "baseline" in outcome.notes]


def computed_notes(columns: Sequence[Column]) -> tuple[str, ...]:
    """Return one line per column of an installed package's metric: which code its numbers are of."""
    specs = {column.label: column.spec for column in columns if column.is_computed}
    return tuple(
        f"{label}: metric {spec.name!r} of {code['distribution'] or 'an installed package'} {code['version']} "
        f"({code['source'][:19]}), computed from kept predictions."
        for label, spec in specs.items()
        if (code := spec.code) is not None
    )


def _precision_notes(cells: Iterable[ResolvedCell]) -> tuple[str, ...]:
    """Return the line that says in which precision the networks were evaluated, where it is not the default."""
    found = dict.fromkeys(request.precision for cell in cells for request in cell.benchmarks)
    named = [precision for precision in found if precision != DEFAULT_PRECISION]
    return tuple(f"Networks are evaluated in {each} instead of {DEFAULT_PRECISION}." for each in named)


def _own_files_notes(cells: Iterable[ResolvedCell]) -> tuple[str, ...]:
    """Return one line per collection of own files: what it is called, and why it does not bear the published name."""
    found: dict[str, str] = {}
    for cell in cells:
        for request in cell.benchmarks:
            found |= {name: why for name, why in request.own_files.items() if name != cell.config.dataset}
        found |= cell.own_files
    return tuple(f"Own files: {name}: {reason}." for name, reason in sorted(found.items()))


def _imported_rows(
    cells: Sequence[ResolvedCell], results: Mapping[str, CellResult]
) -> Iterator[tuple[str, CellResult]]:
    rows = {cell.cell.row: cell.train_key for cell in cells if cell.cell.imported is not None}
    return ((row, results[key]) for row, key in rows.items() if key in results)


def _assumption_notes(resolved: ResolvedSweep, results: Mapping[str, CellResult]) -> tuple[str, ...]:
    """Return the lines below a table that say what is assumed of each row of foreign weights, each once."""
    notes: dict[str, None] = {}
    for each in resolved.points:
        result = results.get(each.cell.train_key)
        if result is not None and each.row in resolved.sweep.rows:
            lines = origin_lines(result.training.summary.environment)
            notes |= dict.fromkeys(f"{each.row}: {line}." for line in lines)
    return tuple(notes)


def _training_precision_notes(resolved: ResolvedSweep, results: Mapping[str, CellResult]) -> tuple[str, ...]:
    """Return one line where networks of a table were trained in different precisions: which rows in which."""
    rows: dict[str, dict[str, None]] = {}
    for each in resolved.points:
        result = results.get(each.cell.train_key)
        precision = precision_of(result.training) if result is not None and each.row in resolved.sweep.rows else ""
        if precision:
            rows.setdefault(precision, {})[each.row] = None
    if len(rows) < 2:
        return ()
    named = "; ".join(f"{precision} ({', '.join(rows[precision])})" for precision in sorted(rows))
    return (f"Trained in different precisions: {named}.",)
