"""Several raylets on this machine stand for the nodes of a cluster: cells spread over them, and a node may be lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from clusters.connect import QUIET_ENVIRONMENT
from orchestration.engine import execute
from orchestration.store.memory import MemoryStore

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(580)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without CPUs and three nodes with one CPU each."""
    import os
    from pathlib import Path

    import ray
    from ray.cluster_utils import Cluster

    if ray.is_initialized():
        pytest.skip("this process is connected to another Ray; run this file alone")
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    patch.setenv("RAY_AUTH_MODE", "disabled")
    for name, value in QUIET_ENVIRONMENT.items():
        patch.setenv(name, value)
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.workers = [made.add_node(num_cpus=1) for _ in range(3)]
    made.wait_for_nodes()
    yield made
    ray.shutdown()
    made.shutdown()
    patch.undo()


def test_cells_spread_over_nodes_and_survive_the_loss_of_one(cluster, planned, plan_of, options, listener):
    store = MemoryStore()
    cells = [planned(seed, epochs=6, epoch_s=1.0) for seed in range(8)]
    settings = options(address=cluster.address, num_cpus=None, group_start_s=120.0)
    outcomes: list[Any] = []
    runner = threading.Thread(
        target=lambda: outcomes.append(execute(plan_of(*cells), store=store, options=settings, observer=listener))
    )
    runner.start()
    while len({cell for cell, _ in listener.epochs}) < 3 and runner.is_alive():
        runner.join(0.2)
    cluster.remove_node(cluster.workers[0], allow_graceful=False)
    runner.join(500)
    (outcome,) = outcomes
    assert outcome.status == "complete", outcome
    assert len(outcome.computed) == 8
    assert outcome.attempts >= 1
    pids = {result.training.summary.environment["pid"] for result in store.results(outcome.done).values()}
    assert len(pids) >= 2
