"""Cells through warm worker groups on a real local Ray."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters.placement import GroupShape
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
        f"{seed:064x}": float(seed) for seed in range(5)
    }
    worlds = [results[cell.train_key].training.summary.environment["world_size"] for cell in cells]
    assert worlds == [2, 2, 2, 2, 1]
    pids = {results[cell.train_key].training.summary.environment["pid"] for cell in cells[:4]}
    assert len(pids) == 1
    assert listener.status == "complete"
