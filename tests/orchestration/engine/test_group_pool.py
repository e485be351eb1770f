"""How the pool of warm groups ends a group, with a Ray that is played."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from clusters.placement import GroupShape, Placement
from orchestration.engine.groups import group as module
from orchestration.engine.groups.group import GroupPool

SHAPE = GroupShape(num_workers=1)


class Played:
    """Actors of groups that run until they are killed, and a mailbox that remembers which groups have ended, and why."""

    def __init__(self) -> None:
        self.is_killed = threading.Event()
        self.may_start = threading.Event()
        self.ended: list[tuple[str, str]] = []
        self.runner = SimpleNamespace(run=SimpleNamespace(remote=lambda *_: self._until_killed))
        answers = {"last_reserved": "ab12", "reserved": {}, "ended": None}
        self.mailbox = SimpleNamespace(
            **{name: SimpleNamespace(remote=lambda *_, name=name: answers[name]) for name in answers}
        )
        self.mailbox.ended = SimpleNamespace(remote=lambda name, reason, _: self.ended.append((name, reason)))
        self.mailbox.end = SimpleNamespace(remote=lambda _: None)

    def start(self, _: str) -> Any:
        assert self.may_start.wait(10.0)
        return self.runner

    def kill(self, actor: Any) -> None:
        if actor is self.runner:
            self.is_killed.set()

    def get(self, value: Any) -> Any:
        return value() if callable(value) else value

    def _until_killed(self) -> None:
        assert self.is_killed.wait(10.0)
        raise ray.exceptions.ActorDiedError


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    """A Ray that is played; all it reserves is freed at once."""
    made = Played()
    context = SimpleNamespace(namespace="space", get_node_id=lambda: "here", get_job_id=lambda: "01")
    actor = SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda: made.mailbox))
    fake = SimpleNamespace(
        remote=lambda _: actor,
        get=made.get,
        kill=made.kill,
        exceptions=ray.exceptions,
        get_runtime_context=lambda: context,
    )
    leftovers = SimpleNamespace(ids=frozenset, add=lambda *_: None, sweep=lambda _: None, is_watching=False)
    monkeypatch.setattr(module, "ray", fake)
    monkeypatch.setattr(module, "_runner_on", made.start)
    monkeypatch.setattr(module, "Leftovers", lambda _: leftovers)
    monkeypatch.setattr(module, "remove_reserved", lambda _: None)
    return made


def until(condition: Callable[[], object]) -> None:
    ends = time.monotonic() + 5.0
    while not condition() and time.monotonic() < ends:
        time.sleep(0.01)


def test_a_group_that_is_killed_before_its_actor_is_there_ends_as_soon_as_it_is(played: Played, tmp_path: Path) -> None:
    pool = GroupPool(scratch=str(tmp_path))
    group = pool.start(SHAPE, Placement(SHAPE, (0,)), "module:function")

    pool.kill(group.name)
    assert not played.is_killed.is_set()
    played.may_start.set()

    until(lambda: played.ended)
    assert played.is_killed.is_set()
    assert [name for name, _ in played.ended] == [group.name]


def test_the_end_of_a_group_is_reported_also_when_ray_cannot_be_asked_to_free_anything(
    played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str) -> None:
        raise ray.exceptions.RaySystemError("the head node is away")

    monkeypatch.setattr(module, "remove_reserved", refuse)
    played.may_start.set()
    pool = GroupPool(scratch=str(tmp_path))
    group = pool.start(SHAPE, Placement(SHAPE, (0,)), "module:function")
    until(lambda: pool._runners)

    pool.kill(group.name)

    until(lambda: played.ended)
    assert [(name, reason.split(":")[0]) for name, reason in played.ended] == [(group.name, "ActorDiedError")]
