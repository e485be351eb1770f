"""What is assumed of the weights of others, as plain values for records and documents, and as lines for people. Light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from trainers.errors import CheckpointError
from trainers.models.weights.normalisation import Normalisation, Trial

KEY: Final = "assumed"
"""Key of the assumption in the environment of a training record and in a report of `evaluate`."""


def assumption(normalisation: Normalisation, notes: Sequence[str], trial: Trial | None) -> dict[str, Any]:
    """Return what is assumed of weights and what trying others showed, as plain values."""
    tried = None
    if trial is not None:
        tried = {"images": trial.num_images, "error": trial.error, "errors": dict(trial.errors), "better": trial.better}
    return {
        "mean": list(normalisation.mean),
        "std": list(normalisation.std),
        "source": normalisation.source,
        "notes": list(notes),
        "tried": tried,
        "warning": trial.warning if trial is not None else None,
    }


def normalisation_of(document: Mapping[str, Any]) -> Normalisation:
    """Return the normalisation that `assumption` recorded."""
    return Normalisation(mean=tuple(document["mean"]), std=tuple(document["std"]), source=document["source"])


def recorded_assumption(environment: object) -> tuple[Normalisation | None, tuple[str, ...]]:
    """Return what the environment of a checkpoint says was assumed of its weights, and the notes on them.

    Raises:
        CheckpointError: If it says something that `assumption` does not give.
    """
    document = environment.get(KEY) if isinstance(environment, Mapping) else None
    if document is None:
        return None, ()
    given = document if isinstance(document, Mapping) else {}
    sides, notes, source = (given.get("mean"), given.get("std")), given.get("notes"), given.get("source")
    is_whole = all(
        isinstance(side, list) and side and all(type(value) in (int, float) for value in side) for side in sides
    )
    if not is_whole or not isinstance(source, str) or not isinstance(notes, list):
        raise CheckpointError("a checkpoint must record what is assumed of its weights as it was written, but does not")
    return normalisation_of(given), tuple(str(note) for note in notes)


def assumption_lines(document: Mapping[str, Any]) -> list[str]:
    """Return what a reader of numbers must know of foreign weights: the assumption first, a warning next, then the notes."""
    lines = [f"assumed: images normalised by {normalisation_of(document)}"]
    lines += [f"warning: {document['warning']}"] if document["warning"] else []
    return lines + [f"note: {note}" for note in document["notes"]]
