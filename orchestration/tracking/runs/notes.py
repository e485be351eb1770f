"""Descriptions of runs, as the UI shows them: what the run is, its place in the grid, where its files are. Markdown."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from eval.tables.formats.markdown import markdown_text
from orchestration.tracking.content.tracked_values import TrackedCell
from orchestration.tracking.content.views import LONGEST_NOTE, NOTE_TAG, grid_link, view_link
from orchestration.tracking.contract import TrackedRun
from orchestration.tracking.secrets import scrubbed

_OURS_TAG: Final = "note_digest"
_DIGITS: Final = 12
_WHAT: Final = ("method", "dataset", "model")


def cell_note(
    sweep: str, cell: TrackedCell, tags: Mapping[str, str], experiment_id: str, sweep_run: str, run_id: str
) -> str:
    """Return the description of a cell's run.

    Args:
        tags: What is recorded of it: checkpoint and its hash.
    """
    what = " · ".join(_plain(cell.params[name]) for name in _WHAT if name in cell.params)
    place = f"Row **{_plain(cell.row)}** of {_plain(sweep)}, seed {_plain(cell.params.get('seed', '-'))}"
    if cell.tags.get("kind") == "supporting":
        place = f"In no row of {_plain(sweep)}: other cells build on it"
    links = [
        f"[the grid]({grid_link(experiment_id, sweep_run)})",
        f"[its row with all seeds]({view_link(experiment_id, 'rows')})",
        f"[configuration and provenance]({grid_link(experiment_id, run_id, 'record.json')})",
    ]
    lines = [f"{place}: {what}.", " · ".join(links)]
    if tags.get("checkpoint_uri"):
        sha = tags.get("checkpoint_sha256", "")[:_DIGITS]
        lines.append(f"Checkpoint: {_code(scrubbed(tags['checkpoint_uri']))}, SHA-256 {_code(sha)}")
    lines.append(f"Everything that is recorded: {_code(f'dreamgrid cells show {cell.key[:_DIGITS]}')}")
    return "\n\n".join(lines)[:LONGEST_NOTE]


def row_note(sweep: str, row: str, cells: str, experiment_id: str, sweep_run: str) -> str:
    """Return the description of a row's run."""
    lines = [
        f"Row **{_plain(row)}** of {_plain(sweep)}: {cells} cells are complete.",
        "Each metric is the mean over the cells that have it, `.std` their standard deviation (n - 1), `.n` their number.",
        f"[the grid]({grid_link(experiment_id, sweep_run)}) · [its cells]({view_link(experiment_id, 'rows')})",
    ]
    return "\n\n".join(lines)[:LONGEST_NOTE]


def note_tags(run: TrackedRun, text: str) -> dict[str, str]:
    """Return the tags that describe a run; none where a person wrote another description."""
    written = run.tags.get(NOTE_TAG, "")
    if written and _digest(written) != run.tags.get(_OURS_TAG):
        return {}
    return {NOTE_TAG: text, _OURS_TAG: _digest(text)}


def _plain(text: str) -> str:
    """Return a text of a person's so that nothing in it becomes markup, without secrets."""
    return markdown_text(scrubbed(text))  # not the finished lines: the key of a view in a link looks like a secret


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _code(text: str) -> str:
    """Return a text as code, whatever it contains: fenced by more backticks than it has in a row."""
    longest = max((len(run) for run in "".join(c if c == "`" else " " for c in text).split()), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{' '.join(text.split())}{pad}{fence}"
