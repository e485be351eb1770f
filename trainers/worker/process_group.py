"""How the workers of a group find each other: the torch configuration that Ray Train is given.

Ray's own configuration makes the process group as well, but names no network interface, and no device for NCCL, and lets workers
meet at a port that is open on every interface. This one derives from it by public names only. It imports Ray Train's torch part,
so that the driver, which does without torch, must not import it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import psutil
import ray
import ray.train
import ray.util
import torch
from ray.train.backend import Backend
from ray.train.torch import TorchConfig

from trainers.worker.devices import worker_device
from trainers.worker.preemption import handle_sigterm

GLOO_INTERFACE: Final = "GLOO_SOCKET_IFNAME"
NCCL_INTERFACE: Final = "NCCL_SOCKET_IFNAME"


@dataclass
class GroupTorchConfig(TorchConfig):  # type: ignore[misc]
    """Ray's torch configuration for workers whose network interfaces and devices are named.

    Attributes:
        gpus: GPUs that each worker reserves; 0 for workers on CPUs.
    """

    gpus: float = 0.0

    @property
    def backend_cls(self) -> type[Backend]:
        """What prepares the worker processes."""
        return GroupBackend

    @property
    def train_func_context(self) -> Callable[[], AbstractContextManager[None]]:
        """What is entered around the training function, in its thread on each worker."""
        return functools.partial(process_group, self.gpus, self.timeout_s)


class GroupBackend(Backend):  # type: ignore[misc]
    """Prepares the processes of workers before their training function starts."""

    share_cuda_visible_devices = True
    """A worker sees the GPUs of its group's workers on its machine, so that LOCAL_RANK is the number of one of them."""

    def on_start(self, worker_group: Any, backend_config: GroupTorchConfig) -> None:
        """Prepare the main thread of every worker; called by Ray when all have started."""
        address, port = worker_group.execute_single(0, free_address)
        worker_group.execute(prepare_worker, address, port)


def free_address() -> tuple[str, int]:
    """Return this machine's address in the cluster and a port that is free."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return str(ray.util.get_node_ip_address()), int(probe.getsockname()[1])


def prepare_worker(address: str, port: int) -> None:
    """Set up the process of a worker: the handler of SIGTERM, which needs the main thread, and what libraries read of the group.

    Args:
        address: Of the machine of rank 0; with `port`, where the workers meet.
    """
    handle_sigterm()
    # Before any group is made, which is when gloo and NCCL read it.
    name_interfaces(str(ray.util.get_node_ip_address()))
    context = ray.train.get_context()
    os.environ |= {
        "MASTER_ADDR": address,
        "MASTER_PORT": str(port),
        "RANK": str(context.get_world_rank()),
        "WORLD_SIZE": str(context.get_world_size()),
        "LOCAL_RANK": str(context.get_local_rank()),
        "LOCAL_WORLD_SIZE": str(context.get_local_world_size()),
        "NODE_RANK": str(context.get_node_rank()),
    }


@contextlib.contextmanager
def process_group(gpus: float, timeout_s: float) -> Iterator[None]:
    """Join the workers into one process group (gloo, with NCCL next to it on GPUs) and leave it at the end.

    Args:
        gpus: GPUs that this worker reserved.
        timeout_s: Seconds after which a collective that a worker does not join fails.
    """
    # Before the group is made: a rank without its GPU fails at once, and the others need not wait for it in a collective.
    device = worker_device(gpus)
    uses_gpu = device.type == "cuda"
    timeout = timedelta(seconds=timeout_s)
    torch.distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if uses_gpu else "gloo",
        store=meeting_store(timeout),
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
        timeout=timeout,
        # Binds NCCL to it: without, it guesses from the rank, and connects only at the first collective.
        device_id=device if uses_gpu else None,
    )
    # No clean-up after a failure: a peer may be gone for good, and leaving politely could wait for it.
    yield
    torch.distributed.destroy_process_group()


def meeting_store(timeout: timedelta) -> Any:
    """Return the torch store through which workers of a group meet, served by rank 0 at its address in the cluster and no other.

    That of `env://` listens on every interface. A worker that is alone needs none, and opens no port.
    """
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if size == 1:
        return torch.distributed.HashStore()  # type: ignore[attr-defined]
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    served = None
    if rank == 0:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        # The store owns the descriptor from here on.
        served = socket.create_server((address, port), family=family, backlog=size).detach()
    return torch.distributed.TCPStore(  # type: ignore[attr-defined]
        address, port, world_size=size, is_master=rank == 0, timeout=timeout, master_listen_fd=served
    )


def name_interfaces(address: str) -> None:
    """Let gloo and NCCL talk through the interface that has this machine's address in the cluster; what is set already stays.

    Gloo asks for the address of the host's name, which many systems answer with a loopback address: workers on other machines
    would then connect to themselves. NCCL takes the first interface that is up, which may be one of a container or of storage.
    """
    found = interface_of(address, {name: [one.address for one in each] for name, each in psutil.net_if_addrs().items()})
    if found is not None:
        os.environ.setdefault(GLOO_INTERFACE, found)
        # NCCL takes names for prefixes (eth1 for eth10) but for this sign.
        os.environ.setdefault(NCCL_INTERFACE, f"={found}")


def interface_of(address: str, interfaces: Mapping[str, Iterable[str]]) -> str | None:
    """Return the name of the interface that has an address, or None."""
    return next((name for name, addresses in interfaces.items() if address in addresses), None)
