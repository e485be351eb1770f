"""From a sweep and the store to the file of its report. Reads only what is recorded; runs nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from orchestration.cells.load import load_sweep
from orchestration.cells.resolve import resolve_sweep
from orchestration.planning.costs.actual import Wanted, ledger
from orchestration.planning.lookup import recorded
from orchestration.results.claims import evaluate_claims, verdict_document
from orchestration.results.compare import Resolved, compared
from orchestration.results.report.content import part_content
from orchestration.results.report.page import to_page
from orchestration.results.table import sweep_tables
from orchestration.sweeps.layout import shown_title

if TYPE_CHECKING:
    from orchestration.cells.catalogue import Catalogue
    from orchestration.store.contract import ResultsStore
    from orchestration.sweeps.model import Sweep


def report_page(sweep: Sweep, name_or_path: str, *, store: ResultsStore, catalogue: Catalogue) -> str:
    """Return the HTML report of a sweep.

    Args:
        sweep: The sweep in its size, with its overrides.
        name_or_path: How it was named, to find its full size for the comparison with published numbers.
        store: What is recorded.
        catalogue: What cells may name.

    Raises:
        InputError: With every mistake of the sweep.
    """
    return to_page(report_content(sweep, name_or_path, store=store, catalogue=catalogue))


def report_content(sweep: Sweep, name_or_path: str, *, store: ResultsStore, catalogue: Catalogue) -> dict[str, Any]:
    """Return what the report of a sweep shows, as plain values; see `report_page`."""
    ours = Resolved(sweep, resolve_sweep(sweep, catalogue))
    results = dict(recorded(ours.cells, store))
    full = load_sweep(name_or_path)
    whole = Resolved(full, resolve_sweep(full, catalogue))
    tables = compared(sweep_tables(sweep, ours.cells, results), ours, whole)
    parts = [
        {**part_content(part, table, results), "ledger": ledger(_wanted(part), results, catalogue)}
        for part, table in zip(ours.parts(), tables, strict=True)
    ]
    evaluated = evaluate_claims([sweep], store=store, catalogue=catalogue)
    return {
        "title": f"{sweep.label}: {shown_title(sweep)}",
        "made_at": time.time(),
        "store": getattr(store, "uri", ""),
        "overrides": list(sweep.overrides),
        "parts": parts,
        "claims": [verdict_document(each) for each in evaluated],
    }


def _wanted(part: Resolved) -> list[Wanted]:
    return [(cell.train_key, cell.config, cell.benchmarks) for cell in part.cells]
