"""What follows the grid of a run: what it says in sentences, its report, what went wrong, and the commands that come next."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from typing import Final

from clusters.storage.contract import StorageError
from orchestration.cells.resolved import ResolvedSweep
from orchestration.errors import command
from orchestration.results.report.build import report_page
from orchestration.results.summary import summary_of
from orchestration.runs.run import SweepRun
from orchestration.store.files import FileStore

REPORTS: Final = "reports"
"""Folder of a storage in which runs leave the report of their sweep."""


def sentences(made: SweepRun) -> list[str]:
    """Return what the tables of a run say compared with their baseline rows; of several tables, each named by its title."""
    found: list[str] = []
    for leaf, table in zip(made.resolved.leaves, made.tables, strict=True):
        baseline = leaf.sweep.table.baseline if leaf.sweep.table is not None else None
        said = summary_of(table, baseline)
        found += [f"{table.title}: {said[0]}", *said[1:]] if said and len(made.tables) > 1 else said
    return found


def write_report(made: SweepRun, store: FileStore) -> str | None:
    """Write the report of a run's sweep into the storage and return where it is.

    None where nothing is recorded, the run only reads, or the storage takes no file.
    """
    if not made.results or made.plan.mode == "read-only":
        return None
    name = f"{REPORTS}/{made.resolved.label}.html"
    try:
        store.storage.write_bytes(name, report_page(made.resolved, store, made.results).encode(), durable=False)
    except StorageError:
        return None
    return f"{store.uri}/{name}"


def closing_lines(made: SweepRun, report: str | None) -> list[str]:
    """Return the lines that end a run.

    Args:
        report: Where the report was written, or None.
    """
    outcome = made.outcome
    lines = [f"failed: {key[:12]}: {reason}" for key, reason in outcome.failed.items()]
    if outcome.reason:
        lines.append(f"ended early: {outcome.reason}")
    if outcome.log_file:
        lines.append(f"log of Ray: {outcome.log_file}")
    if report is not None:
        lines.append(f"report: {_shown(report)}")
    if outcome.status in ("interrupted", "stopped"):
        lines.append(f"{outcome.status}; recorded results are kept")
    lines.append("next:")
    if outcome.status in ("interrupted", "stopped"):
        lines.append(f"  continue:                  {command('run')}")
    if outcome.failed:
        lines.append(f"  run failed cells again:    {command('run', options=('--mode', 'retry'))}")
    if report is None and made.results:
        lines.append(f"  write the report:          {command('report')}")
    lines.append(f"  browse the grids and runs: {command('ui')}")
    if outcome.status == "complete" and not made.results:
        lines.append(f"  compute the cells:         {command('run')}")
        return lines
    seeds = one_more_seed(made.resolved) if outcome.status == "complete" else None
    if seeds is not None:
        lines.append(f"  cost of one more seed:     {command('plan', options=('--seeds', seeds))}")
        lines.append(f"  run one more seed:         {command('run', options=('--seeds', seeds))}")
    return lines


def one_more_seed(resolved: ResolvedSweep) -> str | None:
    """Return the seeds of a sweep and the next one, as `--seeds` takes them ("0,1,2"); None where rows have different seeds."""
    by_row: dict[str, set[int]] = {}
    for each in resolved.points:
        by_row.setdefault(each.row, set()).add(each.seed)
    seeds = set().union(*by_row.values())
    if any(own != seeds for own in by_row.values()):
        return None
    added = next(seed for seed in count() if seed not in seeds)
    return ",".join(map(str, sorted({*seeds, added})))


def _shown(place: str) -> str:
    """Return a path relative to this folder if it is in it: short enough for a line, and enough to open it."""
    here = f"{Path.cwd()}{os.sep}"
    return place.removeprefix(here)
