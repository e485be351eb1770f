"""Cells through warm worker groups on a real local Ray."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestration.engine import execute
from orchestration.engine.groups import GroupPool
from orchestration.store.memory import MemoryStore

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def pool(local_ray: None) -> Iterator[GroupPool]:
    """Groups that stay warm over this module."""
    with GroupPool(health_check_s=0.2) as groups:
        yield groups


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
