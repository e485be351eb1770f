"""Several runs for one thing, and deleted ones: which stays, which makes room, which comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from orchestration.tracking.contract import TrackedRun, TrackingClient

SUPERSEDED_TAG: Final = "superseded_by"
PRIMARY_TAG: Final = "primary"


def supersede(client: TrackingClient, run: TrackedRun, by: str) -> None:
    """Delete a run for good: it does not come back, since another one, or what is named, takes its place."""
    client.log(run.run_id, (), {}, {SUPERSEDED_TAG: by, PRIMARY_TAG: "false"})
    client.delete(run.run_id)


def keep_one(client: TrackingClient, runs: Sequence[TrackedRun]) -> TrackedRun:
    """Return the one of several runs that stays, and delete the others."""
    # By time, then id: all drivers keep the same one.
    first, *doubles = sorted(runs, key=lambda run: (run.start_ms, run.run_id))
    for double in doubles:
        supersede(client, double, first.run_id)
    return first


def brought_back(client: TrackingClient, experiment_id: str, tags: Mapping[str, str]) -> TrackedRun | None:
    """Bring back the run with these tags that a person deleted, not one that was superseded; return it, or None."""
    found = client.find([experiment_id], tags, deleted=True)
    deleted = [run for run in found if SUPERSEDED_TAG not in run.tags]
    if not deleted:
        return None
    client.restore(deleted[-1].run_id)
    # Another run may have become primary while this one was deleted.
    kept = {name: value for name, value in deleted[-1].tags.items() if name != PRIMARY_TAG}
    return replace(deleted[-1], tags=kept)
