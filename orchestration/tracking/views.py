"""Prepared views of an experiment: links on which the tracking UI opens with the right columns, flat or grouped.

The UI reads them from experiment tags `mlflow.sharedViewState.<key>`: JSON, deflated, base64. That form belongs to
the UI's own code and is not documented; a test in a real browser guards it.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from orchestration.tracking.subjects import TrackedSweep

VIEW_TAG: Final = "mlflow.sharedViewState."
NOTE_TAG: Final = "mlflow.note.content"
GRID_FOLDER: Final = "grid"
_CELLS_ONLY: Final = "tags.kind = 'cell'"
_MAX_AXES: Final = 5
_LONGEST_NOTE: Final = 7900
"""The UI's descriptions are run tags of at most 8,000 characters."""
_NOTHING_CHOSEN: Final[Mapping[str, Any]] = {
    "startTime": "ALL",
    "lifecycleFilter": "Active",
    "datasetsFilter": [],
    "modelVersionFilter": "All Runs",
    "columnOrder": [],
    "columnWidths": {},
    "runsExpanded": {},
    "runsPinned": [],
    "runsHidden": [],
    "runsVisibilityMap": {},
    "runsHiddenMode": "SHOWALL",
    "groupsExpanded": {},
}


def view_tags(sweep: TrackedSweep) -> dict[str, str]:
    """Return the experiment tags of the prepared views of a sweep: `cells`, `methods`, `rows`."""
    axes = _axes(sweep)
    columns = [f"params.`{name}`" for name in axes] + [f"metrics.`{name}`" for name in sweep.columns]
    views = {
        "cells": _view(sweep, ["attributes.`Created`", *columns], None),
        "methods": _view(sweep, columns, {"mode": "param", "groupByData": "method"}),
        "rows": _view(sweep, columns, {"mode": "tag", "groupByData": "row"}),
    }
    return {f"{VIEW_TAG}{key}": _packed(state) for key, state in views.items()}


def view_link(experiment_id: str, view: str) -> str:
    """Return the address of a prepared view, below the address of the server."""
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey={quote(view)}"


def grid_link(experiment_id: str, run_id: str) -> str:
    """Return the address of the grid as a page, below the address of the server."""
    return f"#/experiments/{experiment_id}/runs/{run_id}/artifacts/{GRID_FOLDER}/grid.html"


def experiment_note(sweep: TrackedSweep, experiment_id: str, run_id: str) -> str:
    """Return the description of the experiment; the UI shows its first line."""
    links = _links(experiment_id, run_id)
    return f"**{sweep.name}**: {links}\n\nIf the page speaks of traces and judges, switch it to *Model training* at the top left."


def sweep_note(sweep: TrackedSweep, experiment_id: str, run_id: str, grid: str) -> str:
    """Return the description of the sweep's run: links and the grid as Markdown, cut at a whole line where it is too long."""
    head = f"{_links(experiment_id, run_id)}\n\n"
    rest = f"\n\n... the whole grid: {grid_link(experiment_id, run_id)}"
    if len(head) + len(grid) > _LONGEST_NOTE:
        grid = grid[: _LONGEST_NOTE - len(head) - len(rest)].rpartition("\n")[0] + rest
    return head + (grid or f"{len(sweep.cells)} cells; the grid follows when they are done.")


def _links(experiment_id: str, run_id: str) -> str:
    links = {
        "all cells": view_link(experiment_id, "cells"),
        "by method": view_link(experiment_id, "methods"),
        "by row": view_link(experiment_id, "rows"),
        "the grid": grid_link(experiment_id, run_id),
    }
    return " · ".join(f"[{name}]({link})" for name, link in links.items())


def _axes(sweep: TrackedSweep) -> Sequence[str]:
    """Return the parameters worth a column: those that differ, the method first and the seed last."""
    inner = [name for name in sweep.varying if name not in {"method", "seed"}]
    last = ["seed"] if "seed" in sweep.varying else []
    return ["method", *inner[: _MAX_AXES - 2], *last]


def _view(sweep: TrackedSweep, columns: Sequence[str], group: Mapping[str, str] | None) -> dict[str, Any]:
    order = f"metrics.`{sweep.columns[0]}`" if sweep.columns else "attributes.start_time"
    return {
        **_NOTHING_CHOSEN,
        "searchFilter": _CELLS_ONLY,
        "orderByKey": order,
        "orderByAsc": True,
        "selectedColumns": list(columns),
        "groupBy": group and {"aggregateFunction": "average", "groupByKeys": [group]},
    }


def _packed(state: Mapping[str, Any]) -> str:
    return "deflate;" + base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
