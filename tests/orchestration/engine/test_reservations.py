"""What groups that are gone have left reserved is removed, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from clusters.placement import GroupShape
from orchestration.engine.groups.reservations import WATCH_S, Leftovers

JOB = "02000000"
SHAPE = GroupShape(num_workers=2, cpus_per_worker=2.0, gpus_per_worker=0.5)
OTHER = GroupShape(num_workers=1)


def row(shape: GroupShape, state: str = "CREATED") -> dict[str, Any]:
    each = {"CPU": shape.cpus_per_worker, "accelerator_type:L4": 0.001}
    if shape.gpus_per_worker:
        each["GPU"] = shape.gpus_per_worker
    return {"state": state, "bundles": dict.fromkeys(range(shape.num_workers), each)}


@pytest.fixture
def world() -> Any:
    """A table, what was removed from it, and a clock."""

    class World:
        table: dict[str, Any]
        removed: list[str]
        now: float

        def leftovers(self) -> Leftovers:
            return Leftovers(JOB, table=lambda: self.table, remove=self.removed.append, clock=lambda: self.now)

    made = World()
    made.table, made.removed, made.now = {}, [], 0.0
    return made


def test_what_a_dead_group_had_reserved_before_anybody_knew_is_removed(world):
    leftovers = world.leftovers()
    world.table = {f"old{JOB}": row(SHAPE)}
    before = leftovers.ids()
    world.table |= {f"new{JOB}": row(SHAPE, "PENDING")}
    leftovers.add(SHAPE, before)
    leftovers.sweep({})

    assert world.removed == [f"new{JOB}"]


@pytest.mark.parametrize(
    ("found", "what"),
    [
        ("new01000000", row(SHAPE)),
        (f"new{JOB}", row(OTHER)),
        (f"new{JOB}", row(SHAPE, "REMOVED")),
        (f"new{JOB}", {"state": "CREATED", "bundles": {0: {"node:__internal_head__": 0.001}}}),
    ],
)
def test_what_others_have_reserved_stays(world, found, what):
    leftovers = world.leftovers()
    leftovers.add(SHAPE, leftovers.ids())
    world.table = {found: what}
    leftovers.sweep({})

    assert world.removed == []


def test_what_a_living_group_holds_stays(world):
    leftovers = world.leftovers()
    leftovers.add(SHAPE, frozenset())
    world.table = {f"a{JOB}": row(SHAPE), f"b{JOB}": row(SHAPE)}
    leftovers.sweep({"group-1": (SHAPE, f"a{JOB}"), "group-2": (OTHER, "")})

    assert world.removed == [f"b{JOB}"]


def test_nothing_is_removed_while_a_living_group_of_that_size_has_not_said_what_it_holds(world):
    leftovers = world.leftovers()
    leftovers.add(SHAPE, frozenset())
    world.table = {f"a{JOB}": row(SHAPE), f"b{JOB}": row(SHAPE)}
    leftovers.sweep({"group-1": (SHAPE, "")})
    world.now += 10 * WATCH_S
    leftovers.sweep({"group-1": (SHAPE, "")})
    assert world.removed == []
    assert leftovers.is_watching
    leftovers.sweep({"group-1": (SHAPE, f"b{JOB}")})

    assert world.removed == [f"a{JOB}"]
    assert not leftovers.is_watching


def test_what_appears_a_moment_after_the_end_is_removed_too(world):
    leftovers = world.leftovers()
    leftovers.add(SHAPE, leftovers.ids())
    leftovers.sweep({})
    assert leftovers.is_watching
    world.now += WATCH_S / 2
    world.table = {f"late{JOB}": row(SHAPE)}
    leftovers.sweep({})
    assert world.removed == [f"late{JOB}"]
    world.now += WATCH_S
    leftovers.sweep({})

    assert not leftovers.is_watching
