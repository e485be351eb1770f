"""Workers of several machines talk through the interface that the others can reach, and each on its own device."""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
from torch.distributed import TCPStore

from trainers.worker import process_group as module
from trainers.worker.preemption import SIGTERM
from trainers.worker.process_group import (
    GLOO_INTERFACE,
    NCCL_INTERFACE,
    GroupTorchConfig,
    interface_of,
    meeting_store,
    name_interfaces,
    prepare_worker,
)

INTERFACES = {"lo": ["127.0.0.1", "::1"], "eth0": ["10.0.0.7", "fe80::1"]}


@pytest.fixture
def unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which nobody has chosen interfaces; it is set back at the end."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in (GLOO_INTERFACE, NCCL_INTERFACE):
        os.environ.pop(name, None)


def test_the_interface_is_the_one_that_bears_the_address() -> None:
    assert interface_of("10.0.0.7", INTERFACES) == "eth0"
    assert interface_of("10.0.0.8", INTERFACES) is None


def test_gloo_and_nccl_are_told_the_interface_unless_somebody_chose_one(unnamed: None) -> None:
    own = {name: [one.address for one in each] for name, each in psutil.net_if_addrs().items()}
    loopback = interface_of("127.0.0.1", own)
    name_interfaces("127.0.0.1")

    assert os.environ[GLOO_INTERFACE] == loopback
    assert os.environ[NCCL_INTERFACE] == f"={loopback}"
    os.environ |= {GLOO_INTERFACE: "chosen", NCCL_INTERFACE: "ib"}
    name_interfaces("127.0.0.1")
    assert (os.environ[GLOO_INTERFACE], os.environ[NCCL_INTERFACE]) == ("chosen", "ib")


def test_a_worker_finds_its_place_in_the_variables_that_libraries_read(
    unnamed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = {"world_rank": 5, "world_size": 8, "local_rank": 1, "local_world_size": 4, "node_rank": 1}
    context = SimpleNamespace(**{f"get_{name}": lambda value=value: value for name, value in numbers.items()})
    handlers: list[str] = []
    monkeypatch.setattr(module.ray.train, "get_context", lambda: context)
    monkeypatch.setattr(module.ray.util, "get_node_ip_address", lambda: "127.0.0.1")
    monkeypatch.setattr(SIGTERM, "install", lambda: handlers.append("SIGTERM"))
    prepare_worker("10.0.0.7", 4000)

    names = ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK")
    assert [os.environ[name] for name in names] == ["10.0.0.7", "4000", "5", "8", "1", "4", "1"]
    assert GLOO_INTERFACE in os.environ
    assert handlers == ["SIGTERM"]


def _place(monkeypatch: pytest.MonkeyPatch, *, rank: int, size: int, port: int = 1) -> None:
    variables = {"RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))


def _opened_by(action: Callable[[], Any]) -> tuple[Any, set[tuple[str, int]]]:
    """Return what an action returns, and the places on which this process listens since."""

    def places() -> set[tuple[str, int]]:
        return {tuple(one.laddr) for one in psutil.Process().net_connections("tcp") if one.status == "LISTEN"}

    before = places()
    done = action()
    return done, places() - before


def test_workers_meet_at_the_address_of_the_first_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    _place(monkeypatch, rank=0, size=2, port=port)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(_opened_by, lambda: meeting_store(timedelta(seconds=30)))
        # Read by the first before it waits for the second.
        while not _listens(port):
            assert not first.done()
        second = TCPStore("127.0.0.1", port, 2, is_master=False, timeout=timedelta(seconds=30))
        store, places = first.result(30)
    store.set("word", "said by the first")

    assert second.get("word") == b"said by the first"
    assert places == {("127.0.0.1", port)}


def _listens(port: int) -> bool:
    return any(one.laddr[1] == port for one in psutil.Process().net_connections("tcp") if one.status == "LISTEN")


def test_a_worker_that_is_alone_opens_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    _place(monkeypatch, rank=0, size=1)
    store, places = _opened_by(lambda: meeting_store(timedelta(seconds=30)))
    store.set("word", "kept")

    assert store.get("word") == b"kept"
    assert places == set()


@pytest.mark.parametrize(
    ("device", "backend", "bound"),
    [("cpu", "gloo", None), ("cuda:1", "cpu:gloo,cuda:nccl", torch.device("cuda:1"))],
)
def test_the_group_is_made_on_the_device_that_ray_reserved(
    monkeypatch: pytest.MonkeyPatch, device: str, backend: str, bound: torch.device | None
) -> None:
    made: list[tuple[Any, dict[str, Any]]] = []
    ended: list[bool] = []
    monkeypatch.setattr(module, "worker_device", lambda gpus: torch.device(device) if gpus else torch.device("cpu"))
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda name, **rest: made.append((name, rest)))
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: ended.append(True))
    _place(monkeypatch, rank=0, size=1)
    config = pickle.loads(pickle.dumps(GroupTorchConfig(timeout_s=60, gpus=float(device != "cpu"))))

    with config.train_func_context():
        assert not ended
    ((name, rest),) = made
    assert (name, rest["device_id"], rest["rank"], rest["world_size"]) == (backend, bound, 0, 1)
    assert isinstance(rest["store"], torch.distributed.HashStore)
    assert rest["timeout"].total_seconds() == 60
    assert ended


def test_a_group_that_failed_is_not_left_politely(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[bool] = []
    _place(monkeypatch, rank=0, size=1)
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda name, **rest: None)
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: ended.append(True))

    with pytest.raises(ValueError, match="a peer is gone"), GroupTorchConfig().train_func_context():
        raise ValueError("a peer is gone")
    assert not ended


def test_workers_see_the_gpus_of_their_machine_so_that_local_ranks_name_one() -> None:
    config = GroupTorchConfig()

    assert config.backend_cls.share_cuda_visible_devices
    assert config.backend_cls() is config.backend_cls()
