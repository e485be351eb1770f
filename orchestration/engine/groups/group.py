"""Warm worker groups: long-lived Ray Train runs that take job after job from the mailbox.

Each group is one `fit()` of a trainer in a thread of the driver. The trainer's backend is the plain one, so that its
controller never imports torch; the workers form their process group themselves (`trainers.worker.group_loop`).
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig

from clusters.placement import GroupShape, Placement
from orchestration.engine.groups.mailbox import Event, Mailbox, Order
from orchestration.engine.groups.trainer import (
    ControllerPlacement,
    HostReporter,
    LossWatcher,
    SigtermForwarder,
    WarmTrainer,
)
from trainers.job import JobRequest
from trainers.worker.group_loop import group_loop

COLLECTIVE_TIMEOUT_S = 1800.0
GROUP_THREAD = "dreamgrid-group"
THREAD_END_S = 20.0
NODE_LOSS_S = 10.0


@dataclass(slots=True)
class WarmGroup:
    """A group that is up: its size, where it counts, the node of its controller, and how many jobs it was given."""

    name: str
    shape: GroupShape
    placement: Placement
    job: str
    thread: threading.Thread
    host: str
    has_lost_host: bool = False
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
        _set_train_environment(health_check_s, group_start_s)
        self.groups: dict[str, WarmGroup] = {}
        self.namespace = ray.get_runtime_context().namespace
        self.mailbox_name = f"dreamgrid-mailbox-{os.getpid()}-{time.time_ns()}"
        self._scratch = scratch or tempfile.mkdtemp(prefix="dg-groups-")
        self._is_scratch_ours = scratch is None
        self._numbers = itertools.count()
        self._threads: list[threading.Thread] = []
        self._trainers: dict[str, Any] = {}
        self._jobs = itertools.count()
        self._mailbox: Any = (
            ray.remote(Mailbox)
            .options(
                name=self.mailbox_name, num_cpus=0, max_concurrency=20_000, label_selector={"ray.io/node-id": _here()}
            )
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
            idle_since=time.monotonic(),
        )
        self.groups[name] = group
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()
        return group

    def post(self, group: str, request: JobRequest) -> int:
        """Post a job for a group; return its number, by which a trial has it delivered."""
        job = next(self._jobs)
        ray.get(self._mailbox.post.remote(job, request))
        self.groups[group].jobs += 1
        return job

    def withdraw(self, job: int) -> bool:
        """Take back a posted job; return False if a trial has had it delivered."""
        return bool(ray.get(self._mailbox.withdraw.remote(job)))

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
        """Let a group end after its current job."""
        self.groups[group].is_ending = True
        self._mailbox.end.remote(group)

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
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _end_threads(self) -> None:
        """End the runs that are still under way: a thread that calls Ray after the disconnection would end the process."""
        for trainer in list(self._trainers.values()):
            trainer.end()
        for thread in self._threads:
            thread.join(THREAD_END_S)

    def __enter__(self) -> GroupPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fit(self, name: str) -> None:
        group, reason = self.groups[name], ""
        try:
            self._trainers[name] = self._trainer(group)
            self._trainers[name].fit()
        except SystemExit:
            # Ray ends the threads that wait for it when this process disconnects.
            return
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        trainer = self._trainers.pop(name, None)
        try:
            if reason and trainer is not None and not trainer.is_ended and group.host != _here():
                loss = _loss_of(group.host)
                group.has_lost_host = loss is not None
                reason = reason if loss is None else f"ActorDiedError: the node of the group's controller left: {loss}"
            if reason and trainer is not None:
                trainer.free()
            ray.get(self._mailbox.ended.remote(name, reason, group.has_lost_host))
        except ray.exceptions.RayError:
            return

    def _trainer(self, group: WarmGroup) -> Any:
        name, shape = group.name, group.shape
        resources = {"CPU": shape.cpus_per_worker}
        if shape.gpus_per_worker:
            resources["GPU"] = shape.gpus_per_worker
        trainer = WarmTrainer(
            group_loop,
            train_loop_config={
                "mailbox": self._mailbox,
                "group": name,
                "job": group.job,
                "gpus": shape.gpus_per_worker,
                "collective_timeout_s": COLLECTIVE_TIMEOUT_S,
            },
            scaling_config=ScalingConfig(
                num_workers=shape.num_workers,
                use_gpu=shape.gpus_per_worker > 0,
                resources_per_worker=resources,
                placement_strategy="PACK",
                accelerator_type=shape.accelerator or None,
            ),
            run_config=RunConfig(
                name=f"{self.mailbox_name}-{name}",
                storage_path=self._scratch,
                # Attempts are counted per cell by the driver; the group itself comes back as often as it must.
                failure_config=FailureConfig(max_failures=-1),
                callbacks=[
                    LossWatcher(self._mailbox, name),
                    HostReporter(self._mailbox, name),
                    SigtermForwarder(),
                    ControllerPlacement(driver_node=_here(), scratch=self._scratch if self._is_scratch_ours else ""),
                ],
            ),
        )
        trainer.host = group.host
        return trainer


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


def _set_train_environment(health_check_s: float, group_start_s: float) -> None:
    os.environ["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] = str(health_check_s)
    os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = str(group_start_s)
