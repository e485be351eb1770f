"""The store at size: a sweep of 1,000 cells among 10,000 as the command line reads it, and 16 writers at once on SQLite.

Records have the size of CIFAR cells: 100 epochs, seven reports, those on corruptions with 50 or 75 fine rows.
"""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from benchmarks.storage import training_of
from eval.report import BenchmarkOutcome, MetricReport, MetricValue
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.load import load_sweep
from orchestration.store.files import FileStore
from orchestration.store.open import open_store

SWEEP: Final = """
name: thousand
title: A thousand cells
base: {dataset: cifar-100, model: wrn-40-4, recipe: cifar, method: pixmix, mixing_set: fractals}
axes:
  grid: {params.beta: [%s]}
seeds: [%s]
table:
  columns: [clean/error, c/error, cbar/error, p/mfr, p/mt5d, pgd/error, clean/rms, c/rms, ood/auroc, ood/aupr]
"""
FINE_ROWS: Final = {"c": 75, "cbar": 50, "p": 10, "ood": 24, "clean": 15, "pgd": 21}
NAMES: Final = ("error", "rms", "mfr", "mt5d", "auroc", "aupr")


def sweep_file(folder: Path, cells: int) -> Path:
    """Write a sweep of so many cells: ten settings with as many seeds as that takes."""
    path = folder / "thousand.yaml"
    betas = ", ".join(str(beta) for beta in range(1, 11))
    path.write_text(SWEEP % (betas, ", ".join(map(str, range(max(1, cells // 10))))), encoding="utf-8")
    return path


def fill(folder: Path, sweep: Path, cells: int) -> FileStore:
    """Record every cell of a sweep and others up to a number, without waiting for the disk."""
    store = open_store(str(folder / "storage"))
    wanted = load_sweep(str(sweep)).cells
    with patch.object(os, "fsync"):
        for cell in wanted:
            record(store, cell.train_key, cell)
        for number in range(cells - len(wanted)):
            record(store, hashlib.sha256(f"other {number}".encode()).hexdigest(), wanted[0])
    return store


def record(store: FileStore, key: str, cell: ResolvedCell) -> None:
    """Record a cell with all reports that the sweep wants."""
    store.record_cell(training_of(key), [_report(request.name, request.key, key) for request in cell.benchmarks])


def _report(name: str, key: str, train_key: str) -> MetricReport:
    value = int(train_key[:6], 16) / 16**6
    rows = tuple(
        {"corruption": f"kind-{i // 5}", "severity": i % 5 + 1, "error": value, "rms": value, "n": 10_000}
        for i in range(FINE_ROWS.get(name, 1))
    )
    metrics = {metric: MetricValue(value, 10_000) for metric in NAMES}
    outcome = BenchmarkOutcome(metrics=metrics, rows=rows)
    return MetricReport(benchmark=name, benchmark_key=key, semantics=1, outcome=outcome, wall_s=60.0)


def verb_seconds(*arguments: str) -> float:
    """Run the command line in a process of its own and return its CPU seconds.

    Raises:
        SystemExit: If it fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "orchestration.cli", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed: {ran.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def read_times(folder: Path, cells: int, wanted: int, rounds: int) -> dict[str, tuple[float, ...]]:
    """Fill a store and return the CPU seconds of `table` with nothing read before, and of `status` and `table` after that."""
    sweep = sweep_file(folder, wanted)
    store = fill(folder, sweep, cells)
    options = (str(sweep), "--storage", store.uri)
    first = verb_seconds("table", *options)
    return {
        "first table": (first,),
        "status": tuple(verb_seconds("status", *options, "--json") for _ in range(rounds)),
        "table": tuple(verb_seconds("table", *options) for _ in range(rounds)),
    }


def runs_of_writers(folder: Path, writers: int) -> int:
    """Record cells from so many threads at once under one tracker on SQLite; return how many runs MLflow holds of them."""
    import sqlite3

    from orchestration.planning.plan import make_plan
    from orchestration.tracking.driver.tracker import open_tracker
    from orchestration.tracking.sync import sync

    resolved = load_sweep(str(sweep_file(folder, 10 * max(1, writers // 10 + 1))))
    store = open_store(str(folder / "together"))
    plan = make_plan(resolved, store=store)
    cells = resolved.cells[:writers]
    plan = replace(plan, cells=plan.cells[:writers])
    database = folder / "mlflow.db"
    tracker = open_tracker(f"sqlite:///{database}", store, columns=resolved.sweep.columns, log=folder / "mlflow.log")
    tracker.run_started(plan)
    _at_once(cells, lambda pair: _record_and_tell(store, tracker, plan.cells[pair[0]], pair[1]))
    tracker.run_ended(plan, "complete")
    trouble = tracker.close()
    if (
        trouble
    ):  # on a busy machine the writer may need longer than a run waits for it; `sync` is the way out, here as there
        sync(store, make_plan(resolved, store=store), f"sqlite:///{database}", columns=resolved.sweep.columns)
    query = "select count(distinct run_uuid) from latest_metrics join tags using (run_uuid) where tags.key = 'cell_id'"
    with sqlite3.connect(database) as opened:
        return int(opened.execute(query).fetchone()[0])


def _at_once(cells: Iterable[ResolvedCell], call: Callable[[tuple[int, ResolvedCell]], object]) -> None:
    pairs = list(enumerate(cells))
    with ThreadPoolExecutor(len(pairs)) as pool:
        list(pool.map(call, pairs))


def _record_and_tell(store: FileStore, tracker: Any, planned: Any, cell: ResolvedCell) -> None:
    record(store, cell.train_key, cell)
    result = store.result(cell.train_key)
    assert result is not None
    tracker.training_recorded(planned, result.training)
    for report in result.reports.values():
        tracker.report_recorded(planned, result.training.summary.checkpoint_sha256, report)
    tracker.cell_state(planned, "done")
