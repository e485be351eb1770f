"""What a report shows, as plain values: the tables with their numbers, fine rows, reliability, curves, cost, provenance, data.

Everything is summed up per row of the sweep, so that a sweep of a thousand cells makes a page of the size of its table.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from eval.report import (
    LEFT_OUT,
    OWN_FILES,
    PRECISION_NOTE,
    REFUSED_SETS,
    MetricReport,
    computing_remarks,
    size_remarks,
)
from eval.tables.formats.contract import Style
from eval.tables.formats.html import table_element
from eval.tables.formats.registry import render
from eval.tables.grid import MARKS, Entry, Table
from eval.tables.shades import table_shades
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.resolved import ResolvedSweep
from orchestration.results.report.explanations import described_columns, described_rows, introduction, shade_rule
from orchestration.results.report.fine_values import fine_values
from orchestration.results.report.members import members_of, reports_of
from orchestration.results.report.radar import radar_values
from orchestration.store.contract import CellResult
from orchestration.store.provenance import precision_of

SHOWN_VERSIONS: Final = ("python", "torch", "torchvision", "ray", "numpy", "numba", "dreamgrid")


def part_content(
    ours: ResolvedSweep, table: Table, results: Mapping[str, CellResult], published: Table | None = None
) -> dict[str, Any]:
    """Return what a report shows of one table.

    Args:
        published: The table with the published numbers next to ours, where there are any.
    """
    compared = published if published is not None and _has_references(published) else None
    members = members_of(ours, results)
    baseline = ours.sweep.table.baseline if ours.sweep.table is not None else None
    baseline = baseline if baseline in table.rows and table.rank_along == "column" else None
    return {
        "name": ours.sweep.label,
        "title": ours.sweep.title,
        "description": ours.sweep.description,
        "layout": ours.sweep.table.layout if ours.sweep.table is not None else "metrics",
        "html": table_element(table, Style()),
        "compared_html": table_element(compared, Style()) if compared is not None else "",
        "table": {**_numbers(table), "shades": [list(row) for row in table_shades(table, baseline)]},
        "introduction": introduction(table),
        "shade_rule": shade_rule(baseline),
        "described_rows": described_rows(ours),
        "described_columns": described_columns(table),
        "csv": render(compared or table, "csv"),
        "latex": render(table, "latex"),
        "radar": radar_values(table),
        "stand_ins": {str(shown): str(column) for shown, column in ours.sweep.stand_ins.items()},
        "left_out": dict(ours.sweep.left_out),
        "reliability": {row: found for row, cells in members.items() if (found := _reliability(cells))},
        "details": fine_values(members, baseline),
        "curves": {row: _curves(cells) for row, cells in members.items()},
        "cost": [_cost(row, cells) for row, cells in members.items()],
        "provenance": [_provenance(cell, result) for cells in members.values() for cell, result in cells],
        "data": _manifest(cells for cells in members.values()),
        "recorded": sum(len(cells) for cells in members.values()),
        "wanted": len({cell.train_key for cell in ours.cells}),
    }


def _numbers(table: Table) -> dict[str, Any]:
    return {
        "corner": table.corner,
        "rows": list(table.rows),
        "rank_along": table.rank_along,
        "merges_groups": table.merges_groups,
        "columns": [
            {
                "key": spec.key,
                "column": str(spec.column),
                "label": f"{spec.group} {spec.label}",
                "group": spec.group,
                "metric_label": spec.column.label,
                "label_alone": spec.label,
                "rank_group": str(spec.column),
                "lower_is_better": spec.lower_is_better,
                "is_percent": spec.is_percent,
                "axis": spec.column.axis,
            }
            for spec in table.columns
        ],
        "entries": [[_entry(entry) for entry in row] for row in table.entries],
    }


def _has_references(table: Table) -> bool:
    found = any(entry is not None and entry.reference is not None for row in table.entries for entry in row)
    return found or bool(table.expected)


def _entry(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    summary = entry.summary
    return {
        "mean": summary.mean,
        "spread": summary.spread,
        "n": summary.n,
        "low": summary.low,
        "high": summary.high,
        "marks": [mark for mark in MARKS if mark in entry.marks],
    }


def _clean(reports: Mapping[str, MetricReport]) -> MetricReport | None:
    """Return the report on the clean test images, whatever files they are of."""
    return reports.get("clean") or reports.get("clean" + OWN_FILES)


def _reliability(cells: Sequence[tuple[ResolvedCell, CellResult]]) -> list[list[float]]:
    """Return [confidence, accuracy, share of images] per bin, over all seeds of a row."""
    bins: dict[tuple[float, float], list[float]] = {}
    for cell, result in cells:
        report = _clean(reports_of(result, cell))
        for row in report.outcome.rows if report is not None and report.outcome is not None else ():
            if {"from", "to", "count", "confidence", "accuracy"} <= row.keys() and row["count"]:
                total = bins.setdefault((row["from"], row["to"]), [0.0, 0.0, 0.0])
                for place, value in enumerate((row["confidence"] * row["count"], row["accuracy"] * row["count"])):
                    total[place] += value
                total[2] += row["count"]
    images = math.fsum(total[2] for total in bins.values())
    return [[a / n, b / n, n / images] for _, (a, b, n) in sorted(bins.items())]


def _curves(cells: Sequence[tuple[ResolvedCell, CellResult]]) -> list[dict[str, Any]]:
    return [
        {
            "seed": cell.config.seed,
            "loss": [row.loss for row in result.training.summary.epochs],
            "accuracy": [row.accuracy for row in result.training.summary.epochs],
        }
        for cell, result in cells
        if result.training.summary.epochs
    ]


def _cost(row: str, cells: Sequence[tuple[ResolvedCell, CellResult]]) -> dict[str, Any]:
    train = math.fsum(result.training.summary.device_s for _, result in cells)
    evaluation_s = math.fsum(report.wall_s for cell, result in cells for report in reports_of(result, cell).values())
    return {
        "row": row,
        "cells": len(cells),
        "train_s": train,
        "evaluation_s": evaluation_s,
        "train_s_per_cell": train / len(cells),
        "evaluation_s_per_cell": evaluation_s / len(cells),
    }


def _provenance(cell: ResolvedCell, result: CellResult) -> dict[str, Any]:
    summary, origin = result.training.summary, result.training.provenance
    return {
        "cell": cell.cell_id,
        "row": cell.cell.row,
        "seed": cell.config.seed,
        "commit": f"{origin.commit[:12] or 'unknown'}{'+' if origin.dirty else ''}",
        "recorded_at": origin.recorded_at,
        "device": ", ".join(
            text for text in (str(summary.environment.get("device", "")), precision_of(result.training)) if text
        ),
        "workers": summary.environment.get("world_size", ""),
        "checkpoint": summary.checkpoint_sha256[:12],
        "versions": {name: origin.versions[name] for name in SHOWN_VERSIONS if name in origin.versions},
    }


def _manifest(rows: Iterable[Sequence[tuple[ResolvedCell, CellResult]]]) -> list[dict[str, str]]:
    """Return what was read: datasets with their declared identity and the digest of what was loaded, benchmarks with notes."""
    lines: dict[tuple[str, str, str], None] = {}
    for cells in rows:
        for cell, result in cells:
            digests = result.training.summary.environment.get("byte_digests", {})
            loaded = ", ".join(f"{name} {str(digest)[:12]}" for name, digest in dict(digests).items())
            lines[cell.config.dataset, cell.dataset_identity, f"as loaded: {loaded}" if loaded else ""] = None
            for name, report in reports_of(result, cell).items():
                lines[name, f"benchmark {report.benchmark_key[:12]}", _noted(report)] = None
    return [{"name": name, "identity": identity, "notes": notes} for name, identity, notes in lines]


def _noted(report: MetricReport) -> str:
    notes = dict(report.outcome.notes) if report.outcome is not None else {}
    shown = []
    limited = notes.pop("limited", None)
    if isinstance(limited, Mapping):
        shown.append(f"{limited.get('used')} of {limited.get('of')} images")
    shown += [*size_remarks(notes), *computing_remarks(notes)]
    notes.pop(PRECISION_NOTE, None)
    for name, value in notes.items():
        if name == "generated" and value is True:
            shown.append("generated images")
        elif name in (LEFT_OUT, REFUSED_SETS):
            shown += [f"{name.replace('_', ' ')}: {which}: {why}" for which, why in value.items()]
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            shown.append(
                f"{name.replace('_', ' ')}: {value:.3g}"
                if isinstance(value, float)
                else f"{name.replace('_', ' ')}: {value}"
            )
    shown += [f"{name} is undefined: it {reason}" for name, reason in notes.get("missing", {}).items()]
    return "; ".join(shown)
