"""Registers a cell: its logged model becomes a version in MLflow's registry, with what it was evaluated to as tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from orchestration.errors import InputError, Mistake, command
from orchestration.store.contract import CellResult
from orchestration.tracking.content.params import clean_name
from orchestration.tracking.content.state import MARKS_TAG
from orchestration.tracking.content.views import NOTE_TAG
from orchestration.tracking.contract import RegisteredVersion, TrackedRun, TrackingClient
from orchestration.tracking.models.linking import MODEL_TAG
from orchestration.tracking.runs.doubles import PRIMARY_TAG
from orchestration.tracking.secrets import scrubbed

_FORBIDDEN: Final = "/:'\"`"
_LONGEST: Final = 250
_OF_THE_RUN: Final = (
    "cell_id",
    "cell_key",
    "sweep",
    "row",
    "recipe",
    "data_identity",
    "checkpoint_sha256",
    "origin",
    MARKS_TAG,
)
_PARAMS: Final = ("method", "dataset", "model", "seed", "evaluation.precision")


def check_name(name: str, *, where: str) -> None:
    """Refuse what no registered model and no alias can be called.

    Raises:
        InputError: If the name is empty, too long, or has a character that addresses of models give a meaning.
    """
    wrong = [letter for letter in name if letter in _FORBIDDEN or not letter.isprintable()]
    if not name.strip() or len(name) > _LONGEST or wrong:
        text = f"must be 1 to {_LONGEST} characters without {' '.join(_FORBIDDEN)}, but is '{name[:_LONGEST]}'; choose another"
        raise InputError("options", [Mistake(where=where, text=text)])


def register_cell(
    result: CellResult, name: str, *, client: TrackingClient, aliases: Sequence[str] = ()
) -> RegisteredVersion:
    """Make a version of a registered model from a cell, or find the one that it has; its tags are brought up to date.

    Raises:
        InputError: If the tracking server shows no model of these weights.
        TrackingError: If it does not answer or refuses.
    """
    run = _run_of(result, client)
    tags = {key: run.tags[key] for key in _OF_THE_RUN if run.tags.get(key)}
    tags |= {key: run.params[key] for key in _PARAMS if key in run.params} | _metrics(result, run)
    return client.register(name, run.tags[MODEL_TAG], run.run_id, tags, run.tags.get(NOTE_TAG, ""), tuple(aliases))


def _run_of(result: CellResult, client: TrackingClient) -> TrackedRun:
    """Return a run of the cell that has a model of its weights: the primary one where there are several."""
    found = client.find(client.experiments(), {"cell_key": result.train_key})
    sha256 = result.training.summary.checkpoint_sha256
    shown = [run for run in found if run.tags.get(MODEL_TAG) and run.tags.get("checkpoint_sha256") == sha256]
    if not shown:
        text = f"the tracking server shows no model of cell {result.train_key[:12]}; `{command('sync')}` shows it"
        raise InputError("cell", [Mistake(where="", text=text)])
    return max(shown, key=lambda run: run.tags.get(PRIMARY_TAG) == "true")


def _metrics(result: CellResult, run: TrackedRun) -> dict[str, str]:
    """Return every recorded number of the cell, exactly, as text.

    Where a benchmark is recorded with several parameters, precisions or limits, the number that the run shows counts; its
    parameters are the ones that the version names. One that the run does not show is left out.
    """
    found: dict[str, set[float]] = {}
    for report in result.reports.values():
        for name, metric in report.outcome.metrics.items() if report.outcome is not None else ():
            found.setdefault(clean_name(f"{report.shown_benchmark}/{name}"), set()).add(metric.value)
    shown = {name: values if len(values) == 1 else values & {run.metrics.get(name)} for name, values in found.items()}
    return {name: scrubbed(repr(value)) for name, values in shown.items() for value in values}
