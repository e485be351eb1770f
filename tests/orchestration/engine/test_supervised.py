"""Calls of Ray in a thread that is left behind when Ray loses one of its processes."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from clusters.errors import ControlLost
from orchestration.engine import supervised as module
from orchestration.engine.driver.leases import HeldLeases
from orchestration.engine.supervised import MAILBOX, supervised
from orchestration.store.files import MemoryStore


class RayActorError(Exception):
    """Named as Ray's is."""


class ActorDiedError(RayActorError):
    """Likewise."""


@pytest.fixture
def connection() -> Any:
    made = SimpleNamespace(what="", given_up=[])
    made.lost = lambda is_suspected=False: made.what

    def give_up(what: str) -> ControlLost:
        made.given_up.append(what)
        return ControlLost(what, "the private Ray", is_private=True)

    made.give_up = give_up
    return made


def test_what_the_body_returns_or_raises_comes_through(connection: Any) -> None:
    calls: list[int] = []

    assert supervised(lambda: 7, connection, meanwhile=lambda: calls.append(1)) == 7
    assert calls
    with pytest.raises(ValueError, match="broken"):
        supervised(lambda: [][1:].index("broken") or int("broken"), connection)
    assert connection.given_up == []


def test_a_body_that_never_returns_is_left_behind_when_a_process_of_ray_died(connection: Any) -> None:
    """The driver of a dead control store hung for a minute and ended without a word."""
    ends = threading.Event()
    threading.Timer(0.3, setattr, (connection, "what", "the control store (GCS)")).start()
    began = time.monotonic()

    with pytest.raises(
        ControlLost, match=r"the control store .* of the private Ray died; nothing that is recorded is lost"
    ):
        supervised(ends.wait, connection)

    assert time.monotonic() - began < 10
    ends.set()


@pytest.mark.parametrize("how", ["raised", "noted", "caused"])
def test_an_actor_that_died_is_the_mailbox_unless_a_process_took_it_along(
    connection: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(module, "CAUSE_S", 0.3)
    ends = threading.Event()
    error: Exception = ActorDiedError("it died")
    if how == "caused":
        error = RuntimeError("the tuner ended")
        error.__cause__ = ActorDiedError("it died")

    def body() -> None:
        if how != "noted":
            raise error
        ends.wait()

    with pytest.raises(ControlLost, match="mailbox"):
        supervised(body, connection, failure=lambda: error if how == "noted" else None)
    assert connection.given_up == [MAILBOX]

    threading.Timer(0.1, setattr, (connection, "what", "the raylet")).start()
    with pytest.raises(ControlLost, match="the raylet"):
        supervised(body, connection, failure=lambda: error if how == "noted" else None)
    ends.set()


def test_leases_are_given_back_though_another_thread_holds_the_lock_for_good() -> None:
    store, lock, ends = MemoryStore(), threading.RLock(), threading.Event()
    held = HeldLeases(store, lock, owner="me", heartbeat_s=60.0, on_lost=lambda key: None)
    assert held.acquire("cell")

    def stuck() -> None:
        with lock:
            ends.wait()

    thread = threading.Thread(target=stuck)
    thread.start()
    held.give_up()

    assert store.holders(["cell"]) == {}
    assert not held.holds("cell")
    ends.set()
    thread.join()
