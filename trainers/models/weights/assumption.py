"""What is assumed of the weights of others, as plain values for records and documents, and as lines for people. Light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

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


def assumption_lines(document: Mapping[str, Any]) -> list[str]:
    """Return what a reader of numbers must know of foreign weights: the assumption first, a warning next, then the notes."""
    lines = [f"assumed: images normalised by {normalisation_of(document)}"]
    lines += [f"warning: {document['warning']}"] if document["warning"] else []
    return lines + [f"note: {note}" for note in document["notes"]]
