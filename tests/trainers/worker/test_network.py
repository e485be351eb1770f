"""Workers of several machines talk through the interface that the others can reach."""

from __future__ import annotations

import os

import psutil
import pytest

from trainers.worker.group_loop import GLOO_INTERFACE, interface_of, name_interface

INTERFACES = {"lo": ["127.0.0.1", "::1"], "eth0": ["10.0.0.7", "fe80::1"]}


def test_the_interface_is_the_one_that_bears_the_address() -> None:
    assert interface_of("10.0.0.7", INTERFACES) == "eth0"
    assert interface_of("10.0.0.8", INTERFACES) is None


def test_gloo_is_told_the_interface_unless_somebody_chose_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GLOO_INTERFACE, "")
    monkeypatch.delenv(GLOO_INTERFACE)
    loopback = interface_of(
        "127.0.0.1", {name: [one.address for one in each] for name, each in psutil.net_if_addrs().items()}
    )
    name_interface("127.0.0.1")

    assert os.environ.get(GLOO_INTERFACE) == loopback
    monkeypatch.setenv(GLOO_INTERFACE, "chosen")
    name_interface("127.0.0.1")
    assert os.environ[GLOO_INTERFACE] == "chosen"
