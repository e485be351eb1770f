"""The groups of the plain engine: each is the Ray Train run of one trial, which takes one job and is over.

Nothing is started here: a trial of Ray Tune starts the workers of its job itself (`orchestration.engine.plain.trial`). What
they report goes by the same mailbox as that of warm groups, so that the driver does not tell the engines apart.
"""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from clusters.placement import GroupShape, Placement
from clusters.temporary.own import make_folder
from clusters.temporary.private import remove
from orchestration.engine.groups.contract import Event, Order
from orchestration.engine.groups.mailbox import Mailbox
from orchestration.engine.groups.plan import train_environment
from orchestration.engine.groups.reservations import remove_reserved
from trainers.job import JobRequest

START_TIMEOUT: Final = "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"


@dataclass(slots=True)
class PlainGroup:
    """The workers of one attempt; see `orchestration.engine.groups.contract.Group`."""

    name: str
    shape: GroupShape
    placement: Placement
    job: str
    jobs: int = 0
    first_resident_mib: float | None = None
    nodes: frozenset[str] = frozenset()
    idle_since: float = 0.0
    is_ending: bool = False
    has_lost_host: bool = False


class PlainPool:
    """The groups of a run by the plain engine, and the mailbox they read; a context manager that ends the mailbox.

    Ray must be connected.

    Args:
        health_check_s: Seconds between looks of Ray Train at its workers.
        group_start_s: Seconds that workers may take to start before they are asked for again.
        scratch: Folder or URI that all nodes reach, for Ray's own disposable files; None for a local temporary folder.
    """

    def __init__(
        self, *, health_check_s: float = 0.5, group_start_s: float = 600.0, scratch: str | None = None
    ) -> None:
        self.groups: dict[str, PlainGroup] = {}
        self._environment = train_environment(health_check_s) | {START_TIMEOUT: str(group_start_s)}
        self._namespace = ray.get_runtime_context().namespace
        self._name = f"dreamgrid-mailbox-{os.getpid()}-{time.time_ns()}"
        self._scratch = scratch or str(make_folder("plain"))
        self._is_scratch_ours = scratch is None
        self._numbers, self._jobs = itertools.count(), itertools.count()
        self._groups_of_jobs: dict[int, str] = {}
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        options = {"name": self._name, "num_cpus": 0, "max_concurrency": 20_000, "scheduling_strategy": here}
        self._mailbox: Any = ray.remote(Mailbox).options(**options).remote()

    def start(self, shape: GroupShape, placement: Placement, job: str, *, host: str = "") -> PlainGroup:
        """Note a group of a size, whose workers the trial of its job will start.

        Args:
            job: What its workers run, as "module:function".
            host: Not used: Ray Train runs its controller next to the trial, on the head node.
        """
        group = PlainGroup(
            name=f"trial-{next(self._numbers)}", shape=shape, placement=placement, job=job, idle_since=time.monotonic()
        )
        self.groups[group.name] = group
        return group

    def post(self, group: str, request: JobRequest) -> int:
        """Post the job of a group; return its number."""
        job = next(self._jobs)
        ray.get(self._mailbox.post.remote(group, job, request))
        self.groups[group].jobs += 1
        self._groups_of_jobs[job] = group
        return job

    def trial(self, group: str, job: int) -> dict[str, Any]:
        """Return what the trial of a job is given (`orchestration.engine.plain.trial`)."""
        plan = self.groups[group]
        return {
            "mailbox": self._name,
            "namespace": self._namespace,
            "group": group,
            "job": job,
            "run": plan.job,
            "shape": asdict(plan.shape),
            "scratch": self._scratch,
            "environment": self._environment,
        }

    def withdraw(self, job: int) -> bool:
        """Take back the job of a trial that has broken; return False if that had started it: its end is reported then.

        The controller of its workers ends with the trial's process, and nobody else would report the end.
        """
        if ray.get(self._mailbox.withdraw.remote(job)):
            return True
        group = self._groups_of_jobs[job]
        reserved = ray.get(self._mailbox.last_reserved.remote(group))
        if reserved:
            remove_reserved(reserved)
        ray.get(self._mailbox.ended.remote(group, "ActorDiedError: the process of the trial died"))
        return False

    def wait(self, timeout_s: float) -> bool:
        """Wait until something has happened; return False after the timeout."""
        return bool(ray.get(self._mailbox.wait.remote(timeout_s)))

    def drain(self) -> list[Event]:
        """Return what has happened since the last call."""
        events: list[Event] = ray.get(self._mailbox.drain.remote())
        return events

    def order(self, group: str, order: Order) -> None:
        """Ask a group's workers to checkpoint and stop their job, or to leave at once."""
        self._mailbox.order.remote(group, order)

    def end(self, group: str) -> None:
        """Let a group end after its job; one that never had a job is dropped."""
        self.groups[group].is_ending = True
        if self.groups[group].jobs:
            self._mailbox.end.remote(group)
        else:
            self.forget(group)

    def kill(self, group: str) -> None:
        """End a group at once; workers that are not up yet end with the failure for which they are given up."""
        self.groups[group].is_ending = True
        self.order(group, "abort")

    def forget(self, group: str) -> None:
        """Drop a group that has ended."""
        self.groups.pop(group, None)

    def close(self) -> None:
        """End the mailbox; trials that still run end with the connection to Ray."""
        self.groups.clear()
        ray.kill(self._mailbox)
        if self._is_scratch_ours:
            remove(Path(self._scratch))

    def __enter__(self) -> PlainPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
