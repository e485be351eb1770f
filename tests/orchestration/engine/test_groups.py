"""Cells through warm worker groups on a real local Ray."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clusters.placement import GroupShape, Placement
from orchestration.engine.groups import group as groups_module
from orchestration.engine.groups.group import GroupPool
from orchestration.engine.run import execute
from orchestration.store.files import MemoryStore

HERE = Path(__file__).resolve().parent

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def pool(local_ray: None) -> Iterator[GroupPool]:
    """Groups that stay warm over this module."""
    with GroupPool(health_check_s=0.2) as groups:
        yield groups


def test_a_group_that_is_ended_between_reserving_and_starting_gives_back_what_it_reserved(local_ray, monkeypatch):
    import ray

    monkeypatch.setattr(groups_module, "THREAD_END_S", 30.0)
    before = wait_for_cpus(lambda cpus: cpus >= 1.0)
    shape = GroupShape(num_workers=1)
    pool = GroupPool(health_check_s=0.2)
    try:
        pool.start(shape, Placement(shape, (0,)), "fake_jobs:run")
        assert wait_for_cpus(lambda cpus: cpus < before) == before - 1.0
    finally:
        pool.close(timeout_s=0.0)
    assert wait_for_cpus(lambda cpus: cpus >= before) == before
    assert ray.is_initialized()


def test_cells_of_mixed_sizes_run_through_warm_groups_and_are_recorded(pool, planned, plan_of, options, listener):
    store = MemoryStore()
    cells = [planned(seed, shards=2) for seed in range(4)] + [planned(4, shards=1)]
    outcome = execute(plan_of(*cells), store=store, options=options(workers=2), observer=listener, pool=pool)
    assert (outcome.status, len(outcome.computed)) == ("complete", 5)
    results = store.results([cell.train_key for cell in cells])
    assert {key: result.reports["clean-key"].outcome.metrics["error"].value for key, result in results.items()} == {
        cell.train_key: float(cell.config.seed) for cell in cells
    }
    worlds = [results[cell.train_key].training.summary.environment["world_size"] for cell in cells]
    assert worlds == [2, 2, 2, 2, 1]
    pids = {results[cell.train_key].training.summary.environment["pid"] for cell in cells[:4]}
    assert len(pids) == 1
    facts = results[cells[0].train_key].training.summary.environment
    read = facts["read_by_libraries"]
    assert [read[name] for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK")] == list(
        "02020"
    )
    assert read["NCCL_SOCKET_IFNAME"] == f"={read['GLOO_SOCKET_IFNAME']}"
    assert read["MASTER_ADDR"]
    assert int(read["MASTER_PORT"]) > 0
    assert facts["torch_rank"] == [0, 2, "gloo"]
    assert listener.status == "complete"


def test_a_benchmark_that_refuses_leaves_the_training_and_its_reason(pool, planned, plan_of, options, listener):
    store = MemoryStore()
    cell = planned(20, benchmarks=("clean", "c"), refuse="c")
    outcome = execute(plan_of(cell), store=store, options=options(), observer=listener, pool=pool)
    assert outcome.failed == {cell.train_key: "c: no data"}
    result = store.result(cell.train_key)
    assert set(result.reports) == {"clean-key"}
    assert [attempt.message for attempt in store.attempts(cell.train_key)] == ["c: no data"]


def test_a_job_finds_its_process_as_if_it_were_the_first(pool, planned, plan_of, options, listener):
    store = MemoryStore()
    cells = [planned(21, shards=2, do="sully", epochs=2), planned(22, shards=2)]
    execute(plan_of(*cells), store=store, options=options(workers=2), observer=listener, pool=pool)
    first, second = (store.result(cell.train_key).training.summary.environment for cell in cells)
    assert first["pid"] == second["pid"]
    assert first["surroundings"] == second["surroundings"]


def test_a_group_whose_workers_have_grown_is_replaced(pool, planned, plan_of, options, listener):
    store = MemoryStore()
    cells = [planned(seed, shards=2, do="grow", mib=200, epochs=50 - seed) for seed in range(30, 33)]
    settings = options(workers=2, group_growth_mib=150.0)
    execute(plan_of(*cells), store=store, options=settings, observer=listener, pool=pool)
    pids = [store.result(cell.train_key).training.summary.environment["pid"] for cell in cells]
    assert pids[0] != pids[2]


def test_a_cell_that_is_recorded_meanwhile_is_not_computed_again(pool, planned, plan_of, options, listener):
    store = MemoryStore()
    cell = planned(40)
    execute(plan_of(cell), store=store, options=options(), observer=listener, pool=pool)
    again = execute(plan_of(cell), store=store, options=options(), observer=listener, pool=pool)
    assert (again.status, again.done, again.computed) == ("complete", (cell.train_key,), ())


def test_a_stop_request_ends_the_run_and_leaves_the_rest_unfinished(pool, planned, plan_of, options, listener):
    store = MemoryStore()
    cells = [planned(seed, epochs=40, epoch_s=0.5) for seed in range(50, 52)]

    class Stopper(type(listener)):
        def epoch_ended(self, cell, row):
            store.request("made-up", "stop")

    outcome = execute(plan_of(*cells), store=store, options=options(max_concurrent=1), observer=Stopper(), pool=pool)
    assert outcome.status == "stopped"
    assert outcome.unfinished == tuple(cell.train_key for cell in cells)
    attempts = [attempt.error_class for cell in cells for attempt in store.attempts(cell.train_key)]
    assert attempts == ["stopped"]
    assert all(store.acquire(cell.train_key, "someone-else") is not None for cell in cells)


@pytest.mark.slow
def test_the_driver_imports_no_torch_for_its_groups(tmp_path: Path) -> None:
    script = """
import sys
from clusters.connect import connect
from clusters.placement import GroupShape, Placement

with connect(num_cpus=1):
    from orchestration.engine.groups.group import GroupPool

    shape = GroupShape(num_workers=1)
    with GroupPool(scratch=sys.argv[1]) as pool:
        pool.start(shape, Placement(shape, (0,)), "fake_jobs:run")
        while not any(event.kind == "joined" for event in pool.drain()):
            pool.wait(1.0)
    print("torch" in sys.modules, "ray.train" in sys.modules)
"""
    paths = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "scratch")],
        env=environment | {"PYTHONPATH": paths}, text=True, capture_output=True, timeout=200, check=False,
    )  # fmt: skip

    assert ran.stdout.split() == ["False", "False"], ran.stderr[-3000:]


def wait_for_cpus(is_reached: Callable[[float], bool], timeout_s: float = 90.0) -> float:
    """Wait until the free CPUs are as wanted, and return them."""
    import ray

    ends = time.monotonic() + timeout_s
    while True:
        free = ray.available_resources().get("CPU", 0.0)
        if is_reached(free) or time.monotonic() > ends:
            return free
        time.sleep(0.02)
