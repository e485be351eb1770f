"""Prepared views of an experiment: links on which the tracking UI opens with the right columns, flat or grouped.

The UI reads them from experiment tags `mlflow.sharedViewState.<key>`: JSON, deflated, base64. That form belongs to
the UI's own code and is not documented; a test in a real browser guards it.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from augment.lookup.wording import count
from eval.tables.formats.markdown import markdown_text
from orchestration.tracking.content.tracked_values import TrackedSweep

VIEW_TAG: Final = "mlflow.sharedViewState."
NOTE_TAG: Final = "mlflow.note.content"
GRID_FOLDER: Final = "grid"
WANTED_TAG: Final = "wanted"
_WANTED_CELLS: Final = f"tags.kind = 'cell' and tags.{WANTED_TAG} = 'true'"
"""The experiment keeps runs of other settings; what the sweep wants now is what is shown and averaged."""
_WANTED_ROWS: Final = f"tags.kind = 'row' and tags.{WANTED_TAG} = 'true'"
_TRAINING_MODE: Final = "workflowType=machine_learning"
"""Without it the UI opens on traces and their evaluations."""
EXPERIMENTS_LINK: Final = f"#/experiments?{_TRAINING_MODE}"
"""The list of experiments, relative to the address of the server."""
_MAX_AXES: Final = 5
_LOADED_AT_FIRST: Final = 100
"""Runs that the UI fetches at once."""
LONGEST_NOTE: Final = 7900
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
    """Return the experiment tags of the prepared views of a sweep: `cells`, `methods`, `rows`, `means`."""
    metrics = [f"metrics.`{name}`" for name in sweep.columns]
    columns = [f"params.`{name}`" for name in _axes(sweep)] + metrics
    means = [f"metrics.`{name}{end}`" for name in sweep.columns for end in ("", ".std")]
    methods = dict.fromkeys(cell.params.get("method", "") for cell in sweep.cells)
    rows = dict.fromkeys(cell.row for cell in sweep.cells)
    views = {
        "cells": _view(sweep, ["attributes.`Created`", *columns]),
        "methods": _grouped(_view(sweep, metrics), "param", "method", methods, sweep),
        "rows": _grouped(_view(sweep, metrics), "tag", "row", rows, sweep),
        "means": {**_view(sweep, [f"params.`{name}`" for name in _axes(sweep)] + means), "searchFilter": _WANTED_ROWS},
    }
    return {f"{VIEW_TAG}{key}": _packed(state) for key, state in views.items()}


def view_link(experiment_id: str, view: str) -> str:
    """Return the address of a prepared view, relative to the address of the server."""
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey={quote(view)}&{_TRAINING_MODE}"


def grid_link(experiment_id: str, run_id: str, artifact: str = f"{GRID_FOLDER}/grid.html") -> str:
    """Return the address of the grid, or of another artifact of a run, as a page, relative to the address of the server."""
    return f"#/experiments/{experiment_id}/runs/{run_id}/artifacts/{artifact}?{_TRAINING_MODE}"


def experiment_note(sweep: TrackedSweep, experiment_id: str, run_id: str) -> str:
    """Return the description of the experiment; the UI shows its first line."""
    return f"**{markdown_text(sweep.name)}**: {_links(sweep, experiment_id, run_id)}"


def sweep_note(sweep: TrackedSweep, experiment_id: str, run_id: str, grid: str) -> str:
    """Return the description of the sweep's run: links and the grid as Markdown, cut at a whole line where it is too long."""
    head = f"{_links(sweep, experiment_id, run_id)}\n\n"
    rest = f"\n\n... the whole grid: {grid_link(experiment_id, run_id)}"
    if len(head) + len(grid) > LONGEST_NOTE:
        grid = grid[: LONGEST_NOTE - len(head) - len(rest)].rpartition("\n")[0] + rest
    return head + (grid or f"{count(len(sweep.cells), 'cell')}; the grid follows when they are done.")


def _links(sweep: TrackedSweep, experiment_id: str, run_id: str) -> str:
    part = f" (means of {_LOADED_AT_FIRST} cells until more are loaded)" if len(sweep.cells) > _LOADED_AT_FIRST else ""
    links = {
        "all cells": view_link(experiment_id, "cells"),
        f"by method{part}": view_link(experiment_id, "methods"),
        f"by row{part}": view_link(experiment_id, "rows"),
        "means of rows": view_link(experiment_id, "means"),
        "the grid": grid_link(experiment_id, run_id),
    }
    return " · ".join(f"[{name}]({link})" for name, link in links.items())


def _axes(sweep: TrackedSweep) -> Sequence[str]:
    """Return the parameters worth a column: those that differ, the method first and the seed last."""
    inner = [name for name in sweep.varying if name not in {"method", "seed"}]
    last = ["seed"] if "seed" in sweep.varying else []
    return ["method", *inner[: _MAX_AXES - 2], *last]


def _view(sweep: TrackedSweep, columns: Sequence[str]) -> dict[str, Any]:
    order = f"metrics.`{sweep.columns[0]}`" if sweep.columns else "attributes.start_time"
    return {
        **_NOTHING_CHOSEN,
        "searchFilter": _WANTED_CELLS,
        "orderByKey": order,
        "orderByAsc": True,
        "selectedColumns": list(columns),
        "groupBy": None,
    }


def _grouped(
    view: Mapping[str, Any], mode: str, name: str, values: Iterable[str], sweep: TrackedSweep
) -> dict[str, Any]:
    """Return a view with one closed line per value of a parameter or tag, and its averages.

    The UI averages the runs that it has loaded, 100 at first. Ordered by seed, these are equally many of each group; ordered by a
    metric they would be the best ones of the best group.
    """
    order = {"orderByKey": "params.`seed`", "orderByAsc": True} if len(sweep.cells) > _LOADED_AT_FIRST else {}
    return {
        **view,
        **order,
        "groupBy": {"aggregateFunction": "average", "groupByKeys": [{"mode": mode, "groupByData": name}]},
        "groupsExpanded": {f"{mode}.{name}.{value}": False for value in values},
    }


def _packed(state: Mapping[str, Any]) -> str:
    return "deflate;" + base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
