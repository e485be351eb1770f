"""What a group is to be: plain values that travel from the driver to the actor that runs it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from clusters.placement import GroupShape
from clusters.ray_api.environment import QUIET_ENVIRONMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPlan:
    """What a group is to be.

    Attributes:
        job: What its workers run, as "module:function".
        scratch: Folder of Train's disposable files, or "" for a temporary one of the actor that runs the group.
        is_near: Whether its workers fit on one node, and that is this one.
        start_s: Seconds that Ray may take to find room for it before it is asked again.
        environment: Variables that Ray Train reads.
    """

    name: str
    run_name: str
    shape: GroupShape
    job: str
    scratch: str
    is_near: bool
    start_s: float
    environment: Mapping[str, str]


def train_environment(health_check_s: float) -> dict[str, str]:
    """Return what Ray Train reads, which may start in a process that does not inherit from this one."""
    names = [name for name in os.environ if name in QUIET_ENVIRONMENT or name.startswith(("RAY_TRAIN_", "TRAIN_"))]
    return {name: os.environ[name] for name in names} | {"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": str(health_check_s)}
