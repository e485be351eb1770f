"""One trial of Ray Tune: have cells delivered to warm groups, a few at once and one after the other, and report each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TRIAL_RESOURCES = {"node:__internal_head__": 0.001}
"""Trials take no CPU: one that did could keep the workers it waits for from ever starting."""


def cells_trial(config: Mapping[str, Any]) -> dict[str, int]:
    """Deliver the job that the driver posted, and those that are handed over later, and report when each has ended.

    Each report is one cell: "cells" (how many so far), "job" (its number) and "outcome" ("finished", "failed", "returned" or
    "unknown"; what came of it is in the events that the driver reads).

    Args:
        config: "mailbox" (name of the actor), "namespace", "group", "job" (number of the first job) and "cell" (of the first, for
            people who read logs).

    Returns:
        "cells": how many there were, when the trial was dismissed.
    """
    import ray
    from ray import tune

    mailbox = ray.get_actor(config["mailbox"], namespace=config["namespace"])
    trial, cells = config["job"], 0
    running = {mailbox.run.remote(config["group"], trial): trial}
    following = [mailbox.next.remote(trial)]
    while running or following:
        (ready,), _ = ray.wait([*running, *following], num_returns=1)
        if ready in running:
            job, cells = running.pop(ready), cells + 1
            # Returns when Ray Tune has passed it on, by when the next job may be at hand.
            tune.report({"cells": cells, "job": job, "outcome": ray.get(ready)})
            continue
        given = ray.get(following.pop())
        if given is not None:
            group, job = given
            running[mailbox.run.remote(group, job)] = job
            following = [mailbox.next.remote(trial)]
    return {"cells": cells}
