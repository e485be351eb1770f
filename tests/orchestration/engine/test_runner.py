"""Where the actor of a group asks for its workers, when it asks again, and what it leaves behind."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clusters.placement import GroupShape
from clusters.temporary.private import private_folder
from orchestration.engine.groups import runner as module
from orchestration.engine.groups.plan import GroupPlan
from orchestration.engine.groups.runner import NEAR_START_S, NODE_LABEL, START_TIMEOUT, GroupRunner

pytestmark = pytest.mark.ray

HERE = {NODE_LABEL: "here"}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run a group in this process: `fits` says whether Ray finds room on the node, `ends` how each `fit` ends, and when."""
    from orchestration.engine.groups import train_run

    made = SimpleNamespace(
        fits=True,
        ends=[None],
        asked=[],
        timeouts=[],
        trials=[],
        hosts=[],
        now=0.0,
        scratch=tmp_path / "scratch",
        scratches=[],
    )

    def fit(mailbox: Any, plan: GroupPlan, label: dict[str, str] | None) -> None:
        made.asked.append(label)
        made.timeouts.append(float(os.environ[START_TIMEOUT]))
        made.scratches.append(Path(plan.scratch))
        (made.scratches[-1] / plan.run_name).mkdir(parents=True, exist_ok=True)
        error, took_s = made.ends.pop(0) or (None, 0.0)
        made.now += took_s
        if error is not None:
            raise error

    def reserve(shape: GroupShape, node: str) -> Any:
        made.trials.append((shape, node))
        return SimpleNamespace(wait=lambda timeout: made.fits)

    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(train_run, "fit", fit)
    monkeypatch.setattr(module, "reserve_here", reserve)
    monkeypatch.setattr(module, "remove_placement_group", lambda trial: made.trials.append("removed"))
    monkeypatch.setattr(module.time, "monotonic", lambda: made.now)
    monkeypatch.setattr(module.ray, "get", lambda value: value)
    monkeypatch.setattr(module.ray, "get_runtime_context", lambda: SimpleNamespace(get_node_id=lambda: "here"))
    mailbox = SimpleNamespace(hosted=SimpleNamespace(remote=lambda group, node: made.hosts.append((group, node))))

    def run(**changes: Any) -> str:
        plan = GroupPlan(
            **{
                "name": "group-0", "run_name": "mine", "shape": GroupShape(num_workers=2), "job": "a:b",
                "scratch": str(made.scratch), "is_near": True, "start_s": 600.0,
                "environment": {"RAY_TRAIN_OF_THE_TEST": "1"}, **changes,
            }
        )  # fmt: skip
        return GroupRunner().run(mailbox, plan)

    made.run = run
    return made


def not_placed() -> Exception:
    from ray.train import ControllerError

    return ControllerError(TimeoutError("no room"))


def test_workers_come_to_the_node_of_their_controller_where_they_fit(world):
    assert world.run() == ""
    assert world.asked == [HERE]
    assert world.trials == [(GroupShape(num_workers=2), "here"), "removed"]
    assert world.hosts == [("group-0", "here")]
    assert os.environ["RAY_TRAIN_OF_THE_TEST"] == "1"


def test_workers_go_where_ray_finds_room_when_they_do_not_fit_there(world):
    world.fits = False
    assert world.run() == ""
    assert world.asked == [None]
    assert world.trials[-1] == "removed"


def test_a_group_that_may_be_anywhere_asks_for_no_node(world):
    assert world.run(is_near=False) == ""
    assert (world.asked, world.trials, world.timeouts) == ([None], [], [600.0])


def test_room_that_others_took_meanwhile_is_looked_for_elsewhere(world):
    world.ends = [(not_placed(), NEAR_START_S), None]
    assert world.run() == ""
    assert world.asked == [HERE, None]
    assert world.timeouts == [NEAR_START_S, 600.0]


def test_room_is_asked_for_as_often_as_it_takes(world):
    world.ends = [(not_placed(), 600.0), (not_placed(), 600.0), None]
    assert world.run(is_near=False) == ""
    assert world.asked == [None] * 3


def test_a_start_that_fails_for_another_reason_ends_the_group_with_it(world):
    world.ends = [(not_placed(), 5.0)]
    assert world.run() == "TimeoutError: no room"


def test_the_death_of_a_controller_is_reported_as_one(world):
    from ray.exceptions import ActorDiedError

    world.ends = [(ActorDiedError(), 5.0)]
    assert world.run().startswith("ActorDiedError: ")


def test_what_train_writes_stays_in_a_folder_that_was_given(world):
    world.run()
    assert (world.scratch / "mine").is_dir()


@pytest.mark.parametrize("error", [None, ValueError("broken")])
def test_on_a_node_that_is_not_the_drivers_train_writes_to_a_private_folder_that_is_removed(world, error):
    world.ends = [(error, 0.0)]
    world.run(scratch="")
    (scratch,) = world.scratches
    assert scratch.is_relative_to(private_folder())
    assert not scratch.exists()
