"""Run a screening with Ray Tune's schedulers, and say how well its order agrees with full runs."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from augment.heavy import scipy
from clusters.connect import connect
from clusters.temporary.own import temporary_folder
from eval.tables.column import Column, column_value
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.resolved import ResolvedSweep
from orchestration.engine.observer import RunObserver
from orchestration.engine.quiet import quiet
from orchestration.engine.resources import derive_resources
from orchestration.engine.supervised import supervised
from orchestration.errors import InputError, Mistake
from orchestration.planning.missing_data import missing_datasets
from orchestration.runs.screening.request import METRIC, Screened, ScreenOptions, chosen_cell, screened_cells
from orchestration.settings import Settings
from orchestration.store.files import FileStore
from orchestration.sweeps.model import Sweep
from trainers.job import JobPaths


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenedCell:
    """What screening says of a cell.

    Attributes:
        error: Held-out error at the last look, or None if its training broke.
        full: Value of the full run's first column, lower is better, or None where none is recorded.
        broken: Why its training broke, or "".
    """

    cell_id: str
    row: str
    error: float | None
    epochs: int
    of_epochs: int
    full: float | None = None
    broken: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """What came of a screening; the best cells first.

    Attributes:
        column: Column of the full runs that the order is compared with.
        correlation: Spearman's rho of held-out error and full runs, or None below three recorded ones.
        left_out: Row -> why it was not screened.
        epochs_share: Epochs trained over those of full trainings of the same cells.
    """

    sweep: str
    cells: tuple[ScreenedCell, ...]
    column: str
    correlation: float | None
    left_out: Mapping[str, str]
    epochs_share: float
    file: str


def screen(
    resolved: ResolvedSweep,
    *,
    options: ScreenOptions,
    settings: Settings,
    store: FileStore,
    observer: RunObserver | None = None,
) -> Screening:
    """Screen the cells of a sweep and write what came of it below `screens/` of the storage. Records no result.

    Args:
        observer: Is told what is done, as a stage of a run.

    Raises:
        InputError: If data are missing, or no cell can be screened.
        ClusterError: If Ray cannot be reached.
    """
    sweep, cells = resolved.sweep, resolved.cells
    _check_data(cells, settings)
    with temporary_folder("screen") as folder:
        paths = JobPaths(
            checkpoints=str(folder / "checkpoints"),
            data_root=str(settings.data_root),
            cache_dir=str(settings.cache_dir),
            generated_bytes=settings.generated_bytes,
        )
        wanted, left_out = screened_cells(resolved.points, options=options, paths=paths, catalogue=resolved.catalogue)
        if not wanted:
            text = "no cell can be screened: each builds on another cell"
            raise InputError(f"sweep '{sweep.label}'", [Mistake(where="", text=text)])
        found = _tuned(wanted, options, folder, observer or RunObserver())
    column, full = _full_runs(sweep, cells, store)
    return _written(sweep, found, wanted, column, full, left_out, store)


def _tuned(
    wanted: tuple[Screened, ...], options: ScreenOptions, folder: Path, observer: RunObserver
) -> dict[str, dict[str, Any]]:
    """Return what trials reported last, by cell id; the trial that trained longest counts."""

    def tell(text: str, is_brief: bool) -> None:
        observer.stage(text, is_brief=is_brief)

    observer.stage("starting Ray" if options.address is None else "connecting to Ray")
    try:
        with quiet(folder / "tune.log"), connect(options.address) as connection:
            from orchestration.runs.screening.tuning import tune_cells  # imports Ray, whose environment `connect` sets

            observer.stage("starting workers")
            resources = derive_resources(connection.nodes(), cpus_per_worker=options.cpus, gpus_per_worker=options.gpus)
            results = supervised(partial(tune_cells, wanted, options, resources, folder, tell), connection)
            return _last_reports(results, wanted)
    finally:
        observer.stage("")


def _last_reports(results: Any, wanted: Sequence[Screened]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for at in range(len(results)):
        result = results[at]
        metrics = dict(result.metrics or {})
        cell = chosen_cell(metrics.get("config", {}), tuple(wanted))
        if cell is None:
            continue
        error = str(result.error).splitlines()[-1] if result.error is not None else ""
        report = {"error": metrics.get(METRIC), "epochs": int(metrics.get("epoch", 0)), "broken": error}
        if report["epochs"] >= found.get(cell.cell_id, {"epochs": -1})["epochs"]:
            found[cell.cell_id] = report
    return found


def _full_runs(sweep: Sweep, cells: Sequence[ResolvedCell], store: FileStore) -> tuple[str, dict[str, float]]:
    """Return the first column of the table and, by cell id, its recorded values, turned so that lower is better."""
    error = Column("clean", "error")
    column = error if error in sweep.columns else sweep.columns[0]
    sign = 1.0 if column.spec.lower_is_better else -1.0
    results = store.results(dict.fromkeys(cell.train_key for cell in cells))
    found = {}
    for cell in cells:
        request = next((each for each in cell.benchmarks if each.name == column.benchmark), None)
        result = results.get(cell.train_key)
        report = result.reports.get(request.key) if result is not None and request is not None else None
        value = column_value(report.outcome, column) if report is not None and report.outcome is not None else None
        if value is not None:
            found[cell.cell_id] = sign * value
    return str(column), found


def _written(
    sweep: Sweep,
    found: Mapping[str, Mapping[str, Any]],
    wanted: Sequence[Screened],
    column: str,
    full: Mapping[str, float],
    left_out: Mapping[str, str],
    store: FileStore,
) -> Screening:
    cells = [
        ScreenedCell(
            cell_id=cell.cell_id,
            row=cell.row,
            of_epochs=cell.epochs,
            full=full.get(cell.cell_id),
            **found[cell.cell_id],
        )
        for cell in wanted
        if cell.cell_id in found
    ]
    cells.sort(key=lambda cell: (-cell.epochs, math.inf if cell.error is None else cell.error))
    pairs = [(cell.error, cell.full) for cell in cells if cell.error is not None and cell.full is not None]
    file = f"screens/{sweep.label}/{time.time_ns()}.json"
    made = Screening(
        sweep=sweep.label,
        cells=tuple(cells),
        column=column,
        correlation=rank_correlation([pair[0] for pair in pairs], [pair[1] for pair in pairs]),
        left_out=dict(left_out),
        epochs_share=sum(cell.epochs for cell in cells) / max(1, sum(cell.of_epochs for cell in cells)),
        file=f"{store.uri}/{file}",
    )
    store.storage.write_exclusive(file, json.dumps(asdict(made), indent=2).encode())
    return made


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Spearman's rho of paired values, or None below three pairs or where one side does not vary.

    Ties share the mean of their ranks.

    Source: Spearman, "The proof and measurement of association between two things", 1904.
    """
    if len(first) != len(second):
        raise ValueError(f"ranks are correlated in pairs, but got {len(first)} and {len(second)} values")
    if len(first) < 3 or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    return float(scipy.stats.spearmanr(first, second).statistic)


def _check_data(cells: Sequence[ResolvedCell], settings: Settings) -> None:
    names = list(dict.fromkeys(cell.config.dataset for cell in cells))
    missing = missing_datasets(names, settings.data_root)
    if missing:
        mistakes = [Mistake(where="", text=line) for line in missing]
        raise InputError(f"data in {settings.data_root}", mistakes)
