"""Where the controller of a warm group asks for its workers, and what it leaves behind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.ray


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Build the callback as it finds itself on a node with some CPUs and GPUs free."""
    from orchestration.engine.groups import trainer

    def build(here: str, **free: float) -> Any:
        context = SimpleNamespace(get_node_id=lambda: here)
        monkeypatch.setattr(trainer.ray, "get_runtime_context", lambda: context)
        monkeypatch.setattr(trainer, "available_resources_per_node", lambda: {here: free})
        return trainer.ControllerPlacement(driver_node="driver", scratch=str(tmp_path / "scratch"))

    return build


def asked(callback: Any, workers: int, **each: float) -> dict[str, str] | None:
    found: dict[str, str] | None = callback.on_controller_start_worker_group(
        scaling_config=SimpleNamespace(resources_per_worker=each), num_workers=workers
    )
    return found


def test_workers_come_to_the_node_of_their_controller_where_they_fit(beside):
    assert asked(beside("b", CPU=4.0, GPU=2.0), 2, CPU=2.0, GPU=1.0) == {"ray.io/node-id": "b"}
    assert asked(beside("b", CPU=4.0, GPU=0.9999999), 2, CPU=1.0, GPU=0.5) == {"ray.io/node-id": "b"}


def test_workers_go_where_ray_finds_room_when_they_do_not_fit_there(beside):
    assert asked(beside("b", CPU=3.0, GPU=2.0), 2, CPU=2.0, GPU=1.0) is None
    assert asked(beside("b", CPU=4.0), 1, CPU=1.0, GPU=1.0) is None


def test_a_controller_on_the_node_of_the_driver_asks_for_nothing(beside):
    assert asked(beside("driver", CPU=4.0), 1, CPU=1.0) is None


@pytest.mark.parametrize(("here", "is_kept"), [("b", False), ("driver", True)])
def test_what_train_wrote_is_removed_from_a_node_that_is_not_the_drivers(beside, tmp_path, here, is_kept):
    mine, other = tmp_path / "scratch" / "mine", tmp_path / "scratch" / "other"
    for folder in (mine, other):
        folder.mkdir(parents=True)
    callback = beside(here)
    callback.after_controller_start(SimpleNamespace(run_config=SimpleNamespace(name="mine")))
    asyncio.run(callback.before_controller_shutdown())
    assert mine.exists() == is_kept
    assert other.exists()
    other.rmdir()
    asyncio.run(callback.before_controller_shutdown())
    assert (tmp_path / "scratch").exists() == is_kept
