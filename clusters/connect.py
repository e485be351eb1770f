"""Reach a running Ray, or start a private one on this machine; and always leave it the way it was found.

A private Ray has no dashboard, sends no usage statistics and keeps its files in its own folder. All of it listens on loopback
alone, and asks for a random token that lives only in this process and its children.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from clusters.code.own_packages import foreign_modules, worker_setup
from clusters.errors import ClusterError, ControlLost
from clusters.growth import NodeGroup, accelerator_of, with_growth
from clusters.placement import Node
from clusters.ray_api.address import check_address, named_address
from clusters.ray_api.control import ChildWatch, PortWatch, Watch, end_processes_of, ports_of
from clusters.ray_api.environment import QUIET_ENVIRONMENT, private_environment, set_environment
from clusters.ray_api.private import draining_nodes, nodes_on_loopback
from clusters.temporary.own import make_folder
from clusters.temporary.private import remove

START_ATTEMPTS: Final = 4
_LOST: Final = threading.Event()
"""Set once a Ray was given up: its library is still connected to what is no more, and waits for it."""

_GROUP_LABEL: Final = "ray.io/node-group"
_PREEMPTION: Final = "DRAIN_NODE_REASON_PREEMPTION"
"""With this reason no consent is asked; the node ends at the deadline."""
_DRAIN_TIMEOUT_S: Final = 60.0
_POLL_S: Final = 1.0


@dataclass(slots=True)
class Connection:
    """A Ray that this process talks to; a context manager that ends what it started.

    Attributes:
        folder: Folder of the private Ray, or None.
        watch: Looks after the processes that it cannot do without.
    """

    address: str
    folder: str | None
    _handle: Any
    _borrowed: bool
    _set: dict[str, str | None]
    _ray: Any
    watch: Watch | None = None

    def nodes(self, growth: Sequence[NodeGroup] = ()) -> tuple[Node, ...]:
        """Return what may be counted on: the machines that are alive and not about to leave, the driver's first, and what a
        cluster may grow to."""
        here, leaving = self.here(), self.leaving()
        alive = [one for one in self._ray.nodes() if one["Alive"] and one["NodeID"] not in leaving]
        alive.sort(key=lambda one: (one["NodeID"] != here, one["NodeID"]))
        standing = [(one["Labels"].get(_GROUP_LABEL, ""), _offer(one, is_here=one["NodeID"] == here)) for one in alive]
        return with_growth(standing, growth)

    def leaving(self) -> frozenset[str]:
        """Return the ids of the nodes that are being drained: preempted, or scaled down."""
        return draining_nodes()

    def here(self) -> str:
        """Return the id of the node that this process runs on."""
        return str(self._ray.get_runtime_context().get_node_id())

    def drain(self, node_id: str, deadline_s: float) -> None:
        """Inform the cluster that a node is reclaimed in so many seconds.

        Raises:
            ClusterError: If the control store refuses, or does not answer.
        """
        words = {
            "--address": self._ray.get_runtime_context().gcs_address,
            "--node-id": node_id,
            "--reason": _PREEMPTION,
            "--reason-message": "the node is taken back",
            "--deadline-remaining-seconds": str(max(0, int(deadline_s))),
        }
        command = [
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            "drain-node",
            *(word for pair in words.items() for word in pair),
        ]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=_DRAIN_TIMEOUT_S, check=False)
            reason = ran.stderr.strip().splitlines()[-1:] if ran.returncode else []
        except subprocess.TimeoutExpired:
            reason = [f"no answer within {_DRAIN_TIMEOUT_S:g} s"]
        if reason:
            raise ClusterError(
                f"node {node_id[:12]} could not be drained: {reason[0]}; its cells go on from their last checkpoint"
            )

    def wait_until_idle(self, node_id: str, deadline_s: float) -> bool:
        """Wait until nothing on a node is reserved for workers; return False where something still is at the deadline."""
        ends = time.monotonic() + deadline_s
        while time.monotonic() < ends:
            groups = self._ray.util.placement_group_table().values()
            held = {node for one in groups if one["state"] != "REMOVED" for node in one["bundles_to_node_id"].values()}
            if node_id not in held:
                return True
            time.sleep(_POLL_S)
        return False

    def lost(self, *, is_suspected: bool = False) -> str:
        """Return which process died that Ray cannot do without, or ""; returns at once, whatever state Ray is in.

        Args:
            is_suspected: Whether something else shows that one died: then no time is given to come back.
        """
        return self.watch.lost(is_suspected=is_suspected) if self.watch is not None else ""

    def give_up(self, what: str) -> ControlLost:
        """Leave a Ray that lost a process without calling it, which might never return; return the error to raise.

        What is left of a private Ray is ended. This process cannot connect to Ray again.
        """
        _LOST.set()
        where = "the private Ray" if self.folder is not None else f"the Ray at {self.address}"
        self._handle = None
        if self.folder is not None:
            end_processes_of(self.folder)
        self.close()
        return ControlLost(what, where, is_private=self.folder is not None)

    def close(self) -> None:
        """Disconnect; end the private Ray and remove its folder. Does nothing to a Ray that was connected before."""
        if self.watch is not None:
            self.watch.close()
        if not self._borrowed and self._handle is not None:
            self._handle.disconnect()
            self._handle = None
        for name, value in self._set.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._set.clear()
        if self.folder is not None:
            remove(Path(self.folder))

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(
    address: str | None = None,
    *,
    num_cpus: int | None = None,
    num_gpus: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Connection:
    """Connect to Ray: the one this process is connected to already, else the one at `address`, else a new private one.

    Args:
        address: Address of a running cluster, "auto" included; None starts a private Ray unless RAY_ADDRESS is set.
        num_cpus: CPUs of a private Ray, or None for those of the machine.
        num_gpus: GPUs of a private Ray, or None for those of the machine.
        environment: Variables for Ray's libraries next to `QUIET_ENVIRONMENT`; they are set back on close.

    Raises:
        ClusterError: If the cluster cannot be reached, a private Ray cannot start, or this process lost its Ray before.
    """
    if _LOST.is_set():
        raise ClusterError("this process lost the Ray that it was connected to; start another process")
    named = named_address(address)
    before = set_environment({**QUIET_ENVIRONMENT, **(environment or {})})
    import ray  # slow, and reads the environment that was just set

    if ray.is_initialized():
        address = ray.get_runtime_context().gcs_address
        return Connection(address, None, None, _borrowed=True, _set=before, _ray=ray, watch=PortWatch(ports_of(ray)))
    try:
        check_address(address)
        folder = str(make_folder("ray")) if named is None else None
    except ClusterError:
        Connection("", None, None, _borrowed=True, _set=before, _ray=ray).close()
        raise
    address = None if named is None else named.text
    arguments: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if folder is None:
        arguments["address"] = address
    else:
        before |= private_environment()
        arguments |= _private_arguments(folder, num_cpus, num_gpus)
    if foreign_modules():
        # Ray puts their folders first on the path of workers. Where there are none, a worker without a set-up starts sooner.
        arguments["runtime_env"] = {"worker_process_setup_hook": worker_setup()}
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        handle = _start(ray, arguments, folder)
    except Exception as error:  # Ray raises bare ones, for a raylet that is slow to start among others
        Connection("", folder, None, _borrowed=True, _set=before, _ray=ray).close()
        raise _refusal(address, error) from error
    except BaseException:  # a signal, as Ctrl-C: the caller wants an end at once, of what was begun too
        if folder is not None:
            end_processes_of(folder)
        Connection("", folder, None, _borrowed=True, _set=before, _ray=ray).close()
        raise
    found = address or handle.address_info["address"]
    watch = PortWatch(ports_of(ray)) if folder is None else ChildWatch(folder)
    return Connection(found, folder, handle, _borrowed=False, _set=before, _ray=ray, watch=watch)


def _private_arguments(folder: str, num_cpus: int | None, num_gpus: int | None) -> dict[str, Any]:
    return {
        "address": "local",
        "num_cpus": num_cpus,
        "num_gpus": num_gpus,
        "include_dashboard": False,
        "_temp_dir": folder,
    }


def _refusal(address: str | None, error: Exception) -> ClusterError:
    what = f"the cluster at {address} cannot be reached" if address else "a private Ray cannot be started"
    mine = "check memory, disk and /dev/shm, or wait until less runs here"
    fix = "check the address, RAY_AUTH_TOKEN and the network" if address else mine
    said = next(iter(str(error).splitlines()), type(error).__name__).rstrip(". ")
    return ClusterError(f"{what}: {said}; {fix}")


def _offer(one: Mapping[str, Any], *, is_here: bool) -> Node:
    name, resources = one["NodeManagerHostname"], one["Resources"]
    return Node(
        name=name if is_here else f"{name}/{one['NodeID'][:6]}",
        cpus=float(resources.get("CPU", 0.0)),
        gpus=float(resources.get("GPU", 0.0)),
        accelerator=accelerator_of(resources),
        node_id=one["NodeID"],
    )


@contextlib.contextmanager
def _own_handler() -> Iterator[None]:
    """Keep this process's own answer to SIGTERM, which Ray replaces: the process would end with code 15, after a C++ trace."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _start(ray: Any, arguments: Mapping[str, Any], folder: str | None) -> Any:
    """Connect, or start a private Ray; try again where a busy machine was too slow for the 30 seconds that Ray allows."""
    for attempts_left in reversed(range(START_ATTEMPTS if folder else 1)):
        try:
            with _own_handler(), nodes_on_loopback() if folder else contextlib.nullcontext():
                return ray.init(**arguments)
        except Exception as error:
            if folder is not None:
                # Ray itself leaves those running of a private one that did not come up.
                end_processes_of(folder)
            if not attempts_left or "timed out during startup" not in str(error):
                raise
    raise AssertionError("unreachable")
