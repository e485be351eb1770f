"""What a group is to be: plain values that travel from the driver to the actor that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clusters.placement import GroupShape


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPlan:
    """What a group is to be.

    Attributes:
        job: What its workers run, as "module:function".
        scratch: Local folder of Train's disposable files, which each node has for itself.
        is_near: Whether its workers fit on one node, and that is this one.
        leaves_files: Whether those files stay at the end, for the driver to remove.
        start_s: Seconds that Ray may take to find room for it before it is asked again.
        environment: Variables that Ray Train reads.
    """

    name: str
    run_name: str
    shape: GroupShape
    job: str
    scratch: str
    is_near: bool
    leaves_files: bool
    start_s: float
    environment: Mapping[str, str]
