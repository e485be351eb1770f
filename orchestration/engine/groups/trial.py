"""One trial of Ray Tune: have one job delivered to one warm group, and wait for its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TRIAL_RESOURCES = {"node:__internal_head__": 0.001}
"""Trials take no CPU: one that did could keep the workers it waits for from ever starting."""


def cell_trial(config: Mapping[str, Any]) -> dict[str, str]:
    """Deliver the job that the driver posted and wait until it has ended.

    Args:
        config: "mailbox" (name of the actor), "namespace", "group", "job" (number) and "cell" (for people who read logs).

    Returns:
        "outcome": "finished", "failed" or "unknown"; what came of it is in the events that the driver reads.
    """
    import ray

    mailbox = ray.get_actor(config["mailbox"], namespace=config["namespace"])
    return {"outcome": ray.get(mailbox.run.remote(config["group"], config["job"]))}
