"""The actor that runs a group: the public `fit()` of Ray Train, called on the node where the group's workers are to be.

Ray Train attaches its controller to the node on which `fit` is called, so that the driver's node carries nothing of a group, nor
does the driver import torch for it. The actor takes no CPU. Killing it ends the controller with it; what the controller had
reserved stays, and is for the driver to remove.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group

from clusters.placement import GroupShape
from clusters.temporary.own import temporary_folder
from orchestration.engine.groups.plan import GroupPlan

NODE_LABEL: Final = "ray.io/node-id"
TRIAL_S: Final = 10.0
"""So long a node may take to have room for a group: a group before it may still be ending."""

NEAR_START_S: Final = 60.0
"""So long Ray Train may wait for room on that node, where there was some: others may have taken it meanwhile."""

Fit = Callable[[Any, GroupPlan, Mapping[str, str] | None], None]

START_TIMEOUT: Final = "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"


class GroupRunner:
    """Runs one group; made as an actor without a CPU."""

    def run(self, mailbox: Any, plan: GroupPlan) -> str:
        """Run a group until it is over, as often as Ray must be asked for room.

        Workers of a group that fits on this node start here if there is room at the moment, and otherwise where Ray finds some.

        Returns:
            Why it ended, the class of the error first, or "" if it was asked to end.
        """
        os.environ |= plan.environment
        here = str(ray.get_runtime_context().get_node_id())
        ray.get(mailbox.hosted.remote(plan.name, here))
        trial = reserve_here(plan.shape, here) if plan.is_near else None
        # Imports torch, which takes seconds; meanwhile Ray finds out whether there is room.
        from orchestration.engine.groups.train_run import fit

        label = {NODE_LABEL: here} if trial is not None and was_reserved(trial) else None
        if plan.scratch:
            return _until_over(fit, mailbox, plan, label)
        with temporary_folder("groups") as scratch:
            return _until_over(fit, mailbox, replace(plan, scratch=str(scratch)), label)


def _until_over(fit: Fit, mailbox: Any, plan: GroupPlan, label: Mapping[str, str] | None) -> str:
    """Run a group, and again while Ray finds no room for it; return why it ended, "" if it was asked to."""
    while True:
        start_s = NEAR_START_S if label else plan.start_s
        os.environ[START_TIMEOUT] = str(start_s)
        began = time.monotonic()
        try:
            fit(mailbox, plan, label)
            return ""
        except ray.train.ControllerError as error:
            # The public error does not tell why, but one before Ray had the time to give up is no lack of room.
            if time.monotonic() - began < start_s:
                return described(error.controller_failure)
            label = None
        except Exception as error:
            return described(error)


def reserve_here(shape: GroupShape, node: str) -> PlacementGroup:
    """Ask Ray for room for a group on a node."""
    needs = {"CPU": shape.cpus_per_worker, "GPU": shape.gpus_per_worker}
    return placement_group(
        [{kind: amount for kind, amount in needs.items() if amount}] * shape.num_workers,
        strategy="STRICT_PACK",
        bundle_label_selector=[{NODE_LABEL: node}] * shape.num_workers,
    )


def was_reserved(trial: PlacementGroup) -> bool:
    """Return whether Ray found the room that it was asked for, and give it back."""
    try:
        return bool(trial.wait(TRIAL_S))
    finally:
        remove_placement_group(trial)


def described(error: BaseException) -> str:
    """Return the class and the message of an error, of what a task raised rather than of Ray's wrapping."""
    cause = getattr(error, "cause", None)
    error = cause if isinstance(cause, Exception) else error
    return f"{type(error).__name__}: {error}"
