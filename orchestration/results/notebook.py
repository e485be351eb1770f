"""Sweeps in notebooks: `load_sweep("table-3").results()` is a tidy pandas DataFrame, `.table().to_latex()` the grid.

Reads the results store only; running is for the command line or `dreamgrid.run`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augment.heavy import pandas
from augment.lookup.wording import count
from eval.benchmarks.contract import BenchmarkRequest
from eval.inference.precision import DEFAULT_PRECISION
from eval.report import MetricReport
from eval.tables.column import Column
from eval.tables.formats.registry import render_all
from eval.tables.grid import MARKS, Table
from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.cell import Plan
from orchestration.cells.load import full_size
from orchestration.cells.load import load_sweep as load_resolved
from orchestration.cells.resolved import ResolvedSweep
from orchestration.planning.column_values import value_in
from orchestration.planning.lookup import recorded
from orchestration.planning.plan import make_plan
from orchestration.results.compare import compared
from orchestration.results.figures.registry import draw_figure
from orchestration.results.notes import unusual_parameters
from orchestration.results.table import sweep_tables
from orchestration.settings import Settings, read_settings
from orchestration.store.contract import CellResult, ResultsStore
from orchestration.store.open import open_existing_store
from orchestration.store.provenance import origin_marks
from orchestration.sweeps.model import Size
from orchestration.sweeps.overrides import parse_overrides


@dataclass(frozen=True, slots=True)
class Grid:
    """One or more tables that show themselves in a notebook."""

    tables: tuple[Table, ...]

    def to_latex(self) -> str:
        """Return LaTeX (booktabs)."""
        return render_all(self.tables, "latex")

    def to_markdown(self) -> str:
        """Return Markdown."""
        return render_all(self.tables, "markdown")

    def to_html(self) -> str:
        """Return HTML table elements."""
        return render_all(self.tables, "html")

    def to_csv(self) -> str:
        """Return comma-separated values, one line per entry."""
        return render_all(self.tables, "csv")

    def _repr_html_(self) -> str:
        return self.to_html()

    def __str__(self) -> str:
        return self.to_markdown()


@dataclass(frozen=True, slots=True, repr=False)
class LoadedSweep:
    """A sweep with the store of its results."""

    resolved: ResolvedSweep
    store: ResultsStore

    def __repr__(self) -> str:
        cells, found = self.resolved.cells, self._recorded()
        done = sum(cell.train_key in found for cell in cells)
        return "\n".join(
            [
                f"{self.resolved.label}: {self.resolved.sweep.title}",
                f"{done} of {count(len(cells), 'cell')} recorded",
                ".plan()  .results()  .table()  .figure()",
            ]
        )

    def plan(self) -> Plan:
        """Return what the sweep wants and what of it is recorded."""
        return make_plan(self.resolved, store=self.store)

    def table(self, *, compare: bool = False) -> Grid:
        """Return the grid of what is recorded.

        Args:
            compare: Whether the published numbers and verdicts are next to ours.
        """
        tables = sweep_tables(self.resolved, self._recorded())
        if compare:
            tables = compared(tables, self.resolved, full_size(self.resolved))
        return Grid(tables)

    def results(self) -> pandas.DataFrame:
        """Return one line per row of the sweep, seed, benchmark and metric; rates are fractions.

        Columns: sweep, row, seed, cell, method, dataset, model, benchmark, metric, value, n, marks (those of a table that one
        value bears: "limited generated"), settings (parameters and precision of its evaluation that are not the usual ones),
        and `params.<name>`, `train.<name>` for what the rows set. A released or imported network is the same for all seeds
        and has its lines once.
        """
        return pandas.DataFrame(list(_tidy(self.resolved, self._recorded())))

    def figure(self, kind: str, *, columns: Sequence[str] = ()) -> Any:
        """Return a `matplotlib.figure.Figure` of what is recorded, in the style of papers; `.savefig("f.pdf")` writes it.

        Args:
            kind: "radar", "pareto", "severity", "reliability" or "heatmap".
            columns: Columns such as "c/error" to show: two for "pareto", one for "severity", any for "heatmap".

        Raises:
            InputError: If the kind or a column is unknown, or what is recorded cannot be drawn so.
        """
        return draw_figure(self.resolved, self.store, kind, columns)

    def _recorded(self) -> dict[str, CellResult]:
        return dict(recorded(self.resolved.cells, self.store))


def load_sweep(
    name_or_path: str,
    *,
    size: Size = "full",
    storage: str | None = None,
    data_root: Path | None = None,
    overrides: Sequence[str] = (),
    seeds: str | None = None,
) -> LoadedSweep:
    """Load a sweep with its results.

    Args:
        name_or_path: A built-in sweep, or the path of a YAML file.
        size: "full", "smoke" or "small".
        storage: Folder or s3:// prefix of results; by default as for the command line.
        data_root: Folder of datasets; by default as for the command line.
        overrides: Texts such as "train.epochs=5".
        seeds: Text such as "0-4".

    Raises:
        InputError: With every mistake of the sweep or the overrides.
        EnvironmentRefused: If the storage does not exist.
    """
    settings = read_settings(storage=storage, data_root=data_root)
    store = open_existing_store(settings.storage)
    return opened_sweep(name_or_path, size=size, settings=settings, store=store, overrides=overrides, seeds=seeds)


def opened_sweep(
    name_or_path: str,
    *,
    size: Size,
    settings: Settings,
    store: ResultsStore,
    overrides: Sequence[str] = (),
    seeds: str | None = None,
) -> LoadedSweep:
    """Load a sweep with a store that is open; the arguments are those of `load_sweep`.

    Raises:
        InputError: With every mistake of the sweep or the overrides.
    """
    resolved = load_resolved(
        name_or_path,
        size=size,
        overrides=parse_overrides(overrides, seeds=seeds),
        catalogue=builtin_catalogue(settings.data_root),
    )
    return LoadedSweep(resolved, store)


def _tidy(resolved: ResolvedSweep, recorded: dict[str, CellResult]) -> Iterator[dict[str, Any]]:
    cells = {(cell.cell.row, cell.train_key): cell for cell in resolved.cells if cell.train_key in recorded}
    for cell in cells.values():
        result = recorded[cell.train_key]
        wanted = {request.key: request for request in cell.benchmarks}
        for key, report in result.reports.items():
            if key not in wanted or report.outcome is None:
                continue
            shown = wanted[key].shown_name
            for metric, value in report.outcome.metrics.items():
                yield {
                    "sweep": resolved.label,
                    "row": cell.cell.row,
                    "seed": cell.cell.seed,
                    "cell": cell.cell_id,
                    "method": cell.config.method,
                    "dataset": cell.config.dataset,
                    "model": cell.config.model,
                    "benchmark": shown,
                    "metric": metric,
                    "value": value.value,
                    "n": value.n,
                    "marks": _marks(Column.of(f"{shown}/{metric}"), report, result),
                    "settings": _settings(wanted[key], result),
                    **{f"params.{name}": item for name, item in cell.cell.params.items()},
                    **{f"train.{name}": item for name, item in cell.cell.train.items()},
                }


def _marks(column: Column, report: MetricReport, result: CellResult) -> str:
    found = value_in(column, report)
    borne = (found.marks if found is not None else frozenset()) | origin_marks(result.training.summary.environment)
    return " ".join(mark for mark in MARKS if mark in borne)


def _settings(request: BenchmarkRequest, result: CellResult) -> str:
    """Return what of an evaluation is not as usual; how another suite evaluated is not known."""
    if result.is_imported:
        return ""
    precision = request.precision
    named = [f"evaluated in {precision}"] if precision != DEFAULT_PRECISION else []
    return ", ".join([*unusual_parameters(request), *named])
