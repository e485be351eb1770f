"""Warm worker groups: long-lived Ray Train runs that take job after job from the mailbox.

Each group is an actor that calls `fit()` of a TorchTrainer (`orchestration.engine.groups.runner`) and a thread of the driver that
waits for its end. To end a group that does not end by itself, the actor is killed, and what its workers held is removed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from clusters.placement import GroupShape, Placement
from clusters.temporary.own import make_folder
from clusters.temporary.private import remove
from orchestration.engine.groups.contract import Event, Order
from orchestration.engine.groups.mailbox import Mailbox
from orchestration.engine.groups.plan import GroupPlan, train_environment
from orchestration.engine.groups.reservations import WATCH_S, Leftovers, remove_reserved
from orchestration.engine.groups.runner import NODE_LABEL, GroupRunner
from trainers.job import JobRequest

GROUP_THREAD = "dreamgrid-group"
THREAD_END_S = 20.0
NODE_LOSS_S = 10.0
SWEEP_EVERY_S = 0.2


@dataclass(slots=True)
class WarmGroup:
    """A group that is up.

    Attributes:
        placement: Where it counts.
        host: Id of the node of its controller.
        before: What this job had reserved before it was started.
        has_lost_host: Whether that node left.
        is_killed: Whether it was ended by force.
        jobs: How many jobs it was given.
    """

    name: str
    shape: GroupShape
    placement: Placement
    job: str
    thread: threading.Thread
    host: str
    before: frozenset[str] = frozenset()
    has_lost_host: bool = False
    is_killed: bool = False
    jobs: int = 0
    first_resident_mib: float | None = None
    nodes: frozenset[str] = frozenset()
    idle_since: float = 0.0
    is_ending: bool = False


class GroupPool:
    """All warm groups of this process and the mailbox they read; a context manager that ends them.

    A run makes its own; to keep groups warm from one run to the next in one process, make one and hand it to each `execute`.
    Ray must be connected.
    """

    def __init__(
        self, *, health_check_s: float = 0.5, group_start_s: float = 600.0, scratch: str | None = None
    ) -> None:
        self._environment = train_environment(health_check_s)
        self._group_start_s = group_start_s
        self.groups: dict[str, WarmGroup] = {}
        self.namespace = ray.get_runtime_context().namespace
        self.mailbox_name = f"dreamgrid-mailbox-{os.getpid()}-{time.time_ns()}"
        self._scratch = scratch or str(make_folder("groups"))
        self._is_scratch_ours = scratch is None
        self._numbers = itertools.count()
        self._threads: list[threading.Thread] = []
        self._runners: dict[str, Any] = {}
        self._leftovers = Leftovers(ray.get_runtime_context().get_job_id())
        # Groups end in threads of their own; a sweep must see all of them or none.
        self._sweeping = threading.Lock()
        self._jobs = itertools.count()
        self._mailbox: Any = (
            ray.remote(Mailbox)
            .options(name=self.mailbox_name, num_cpus=0, max_concurrency=20_000, label_selector={NODE_LABEL: _here()})
            .remote()
        )

    def start(self, shape: GroupShape, placement: Placement, job: str, *, host: str = "") -> WarmGroup:
        """Start a group of a size; it takes jobs as soon as it is up.

        Args:
            job: What its workers run, as "module:function".
            host: Id of the node on which its controller is to run, or "" for this one.
        """
        name = f"group-{next(self._numbers)}"
        thread = threading.Thread(target=self._fit, args=(name,), name=f"{GROUP_THREAD}-{name}", daemon=True)
        group = WarmGroup(
            name=name,
            shape=shape,
            placement=placement,
            job=job,
            thread=thread,
            host=host or _here(),
            before=self._leftovers.ids(),
            idle_since=time.monotonic(),
        )
        self.groups[name] = group
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()
        return group

    def post(self, group: str, request: JobRequest) -> int:
        """Post a job for a group; return its number, by which a trial has it delivered."""
        job = next(self._jobs)
        ray.get(self._mailbox.post.remote(group, job, request))
        self.groups[group].jobs += 1
        return job

    def trial(self, group: str, job: int) -> dict[str, Any]:
        """Return what the trial that delivers a job is given (`orchestration.engine.groups.trial`)."""
        return {"mailbox": self.mailbox_name, "namespace": self.namespace, "group": group, "job": job}

    def withdraw(self, job: int) -> bool:
        """Take back a posted job; return False if a trial has had it delivered."""
        return bool(ray.get(self._mailbox.withdraw.remote(job)))

    def wait(self, timeout_s: float) -> bool:
        """Wait until something has happened; return False after the timeout."""
        return bool(ray.get(self._mailbox.wait.remote(timeout_s)))

    def drain(self) -> list[Event]:
        """Return what has happened since the last call."""
        events: list[Event] = ray.get(self._mailbox.drain.remote())
        if self._leftovers.is_watching:
            self._sweep()
        return events

    def order(self, group: str, order: Order) -> None:
        """Ask a group's workers to checkpoint and stop their job, or to leave at once."""
        self._mailbox.order.remote(group, order)

    def end(self, group: str) -> None:
        """Let a group end after its current job."""
        self.groups[group].is_ending = True
        self._mailbox.end.remote(group)

    def kill(self, group: str) -> None:
        """End a group at once, whatever it is doing."""
        self.groups[group].is_ending = self.groups[group].is_killed = True
        self._kill_runner(group)

    def forget(self, group: str) -> None:
        """Drop a group that has ended."""
        self.groups.pop(group, None)

    def close(self, timeout_s: float = 10.0) -> None:
        """End all groups, waiting up to `timeout_s` for those that are idle; then the mailbox."""
        deadline = time.monotonic() + timeout_s
        for name in list(self.groups):
            self.end(name)
        for group in list(self._threads):
            group.join(max(0.0, deadline - time.monotonic()))
        self._end_threads()
        self.groups.clear()
        ray.kill(self._mailbox)
        if self._is_scratch_ours:
            remove(Path(self._scratch))

    def _end_threads(self) -> None:
        """End the groups that are still under way: a thread that calls Ray after the disconnection would end the process."""
        for name in list(self.groups):
            self.kill(name)
        for thread in self._threads:
            thread.join(THREAD_END_S)
        ends = time.monotonic() + WATCH_S
        while self._leftovers.is_watching and time.monotonic() < ends:
            self._sweep()
            time.sleep(SWEEP_EVERY_S)

    def _kill_runner(self, name: str) -> None:
        # The thread of the group may take it out at any time.
        runner = self._runners.get(name)
        if runner is not None:
            ray.kill(runner)

    def __enter__(self) -> GroupPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fit(self, name: str) -> None:
        group, reason = self.groups[name], ""
        try:
            self._runners[name] = runner = _runner_on(group.host)
            # Whoever killed the group before this line found no actor.
            if group.is_killed:
                ray.kill(runner)
            reason = ray.get(runner.run.remote(self._mailbox, self._plan(group)))
        except SystemExit:
            # Ray ends the threads that wait for it when this process disconnects.
            return
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        with contextlib.suppress(ray.exceptions.RayError):
            if reason and not group.is_killed and group.host != _here():
                loss = _loss_of(group.host)
                group.has_lost_host = loss is not None
                reason = reason if loss is None else f"ActorDiedError: the node of the group's controller left: {loss}"
            self._free(group, reason)
        # Also where Ray could not be asked to free anything: the driver waits for the end of the group's job.
        with contextlib.suppress(ray.exceptions.RayError):
            ray.get(self._mailbox.ended.remote(name, reason, group.has_lost_host))

    def _plan(self, group: WarmGroup) -> GroupPlan:
        return GroupPlan(
            name=group.name,
            run_name=f"{self.mailbox_name}-{group.name}",
            shape=group.shape,
            job=group.job,
            # Another node has a private folder of its own.
            scratch=self._scratch if group.host == _here() or not self._is_scratch_ours else "",
            # On the driver's own node there may also be the controllers of groups whose nodes do not exist yet.
            is_near=len(set(group.placement.nodes)) == 1 and group.host != _here(),
            start_s=self._group_start_s,
            environment=self._environment,
        )

    def _free(self, group: WarmGroup, reason: str) -> None:
        """End what is left of a group, and remove what it reserved if it ended without doing so."""
        runner = self._runners.pop(group.name, None)
        if runner is not None:
            ray.kill(runner)
        if not reason:
            return
        reserved = ray.get(self._mailbox.last_reserved.remote(group.name))
        if reserved:
            remove_reserved(reserved)
        with self._sweeping:
            self._leftovers.add(group.shape, group.before)
        self._sweep()

    def _sweep(self) -> None:
        with self._sweeping:
            reserved = ray.get(self._mailbox.reserved.remote())
            alive = {name: self.groups[name] for name in list(self._runners) if name in self.groups}
            self._leftovers.sweep({name: (group.shape, reserved.get(name, "")) for name, group in alive.items()})


def _runner_on(node: str) -> Any:
    """Start the actor of a group on a node; should that be gone, Ray refuses, and the group ends instead of waiting for it."""
    place = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(GroupRunner).options(num_cpus=0, scheduling_strategy=place).remote()


def _here() -> str:
    return str(ray.get_runtime_context().get_node_id())


def _loss_of(node: str) -> str | None:
    """Return what Ray says of the end of a node, which it may learn of a moment later; None where the node is alive."""
    ends = time.monotonic() + NODE_LOSS_S
    while True:
        found = next((one for one in ray.nodes() if one["NodeID"] == node), None)
        if found is None or not found["Alive"]:
            return str((found or {}).get("DeathReasonMessage") or "Ray gives no reason")
        if time.monotonic() > ends:
            return None
        time.sleep(0.2)
