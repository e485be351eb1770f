"""What the driver needs of the workers of a run, whichever engine starts them: a pool of groups, jobs posted to them, events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from clusters.placement import GroupShape, Placement
from trainers.job import JobRequest

Order = Literal["", "stop", "abort"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a job or a group.

    Attributes:
        kind: "epoch", "progress", "use", "trained", "benchmark" (of a running job); "taken", "finished", "failed",
            "returned" (of a job); "joined", "lost", "ended" (of a group).
        job: Number of the job, or -1.
        time: Seconds since the epoch.
    """

    kind: str
    group: str
    job: int
    values: tuple[Any, ...] = ()
    time: float = 0.0


class Group(Protocol):
    """Workers that take jobs together.

    Attributes:
        placement: Where it counts.
        jobs: How many jobs it was given.
        first_resident_mib: Resident memory of its largest worker after its first job, or None before.
        nodes: Ids of the nodes that it is on; empty before it is up.
        idle_since: Time on the driver's clock at which it started, or ended its last job.
        is_ending: Whether it was asked to end.
        has_lost_host: Whether it ended because the node of its controller left.
    """

    name: str
    shape: GroupShape
    placement: Placement
    jobs: int
    first_resident_mib: float | None
    nodes: frozenset[str]
    idle_since: float
    is_ending: bool
    has_lost_host: bool


class Pool(Protocol):
    """The groups of a run."""

    @property
    def groups(self) -> Mapping[str, Group]:
        """The groups that were started and have not ended, by name, the oldest first."""

    def start(self, shape: GroupShape, placement: Placement, job: str, *, host: str = "") -> Group:
        """Start a group of a size.

        Args:
            job: What its workers run, as "module:function".
            host: Id of the node on which its controller is to run, or "" for this one.
        """

    def post(self, group: str, request: JobRequest) -> int:
        """Post a job for a group; return its number, by which a trial has it delivered."""

    def trial(self, group: str, job: int) -> dict[str, Any]:
        """Return what the trial that delivers a job is given."""

    def withdraw(self, job: int) -> bool:
        """Take back a posted job whose trial has broken; return False if it was delivered before: an event says how it ends."""

    def wait(self, timeout_s: float) -> bool:
        """Wait until something has happened; return False after the timeout."""

    def drain(self) -> list[Event]:
        """Return what has happened since the last call."""

    def order(self, group: str, order: Order) -> None:
        """Ask a group's workers to checkpoint and stop their job, or to leave at once."""

    def end(self, group: str) -> None:
        """Let a group end after its current job."""

    def kill(self, group: str) -> None:
        """End a group at once, whatever it is doing."""

    def forget(self, group: str) -> None:
        """Drop a group that has ended."""
