"""From a sweep and the store to the file of its report. Reads only what is recorded; runs nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from orchestration.cells.load import full_size
from orchestration.cells.resolved import ResolvedSweep
from orchestration.planning.costs.actual import ledger
from orchestration.results.claims import evaluate_claims, verdict_document
from orchestration.results.compare import compared
from orchestration.results.report.again import run_command, sweep_texts
from orchestration.results.report.content import part_content
from orchestration.results.report.page import to_page
from orchestration.results.report.radar import RULE
from orchestration.results.table import sweep_tables
from orchestration.store.contract import CellResult, Results
from orchestration.sweeps.layout import shown_title


def report_page(resolved: ResolvedSweep, store: Results, results: Mapping[str, CellResult]) -> str:
    """Return the HTML report of a sweep.

    Args:
        results: Train key -> what is recorded of its cells (`orchestration.planning.lookup.recorded`).
    """
    return to_page(report_content(resolved, store, results))


def report_content(resolved: ResolvedSweep, store: Results, results: Mapping[str, CellResult]) -> dict[str, Any]:
    """Return what the report of a sweep shows, as plain values; see `report_page`."""
    tables = sweep_tables(resolved, results)
    published = compared(tables, resolved, full_size(resolved))
    parts = [
        {**part_content(leaf, table, results, other), "ledger": ledger(leaf.cells, results, resolved.catalogue)}
        for leaf, table, other in zip(resolved.leaves, tables, published, strict=True)
    ]
    evaluated = evaluate_claims([resolved], store=store)
    return {
        "title": f"{resolved.label}: {shown_title(resolved.sweep)}",
        "made_at": time.time(),
        "store": getattr(store, "uri", ""),
        "command": run_command(resolved, getattr(store, "uri", "")),
        "sweeps": sweep_texts(resolved),
        "radar_rule": RULE,
        "parts": parts,
        "claims": [verdict_document(each) for each in evaluated],
    }
