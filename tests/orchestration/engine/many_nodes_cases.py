"""Cells on several nodes: they spread, a node may be lost, and a node that is about to leave costs no attempt.

Run by `test_many_nodes.py` in a process of its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from clusters.connect import connect
from clusters.ray_api.environment import QUIET_ENVIRONMENT
from orchestration.engine.run import execute
from orchestration.store.files import MemoryStore

START_ATTEMPTS = 4


def patiently(start: Callable[[], Any]) -> Any:
    """Start something of Ray, again where a busy machine was too slow for the 30 seconds that Ray allows."""
    for attempts_left in reversed(range(START_ATTEMPTS)):
        try:
            return start()
        except Exception as error:
            if not attempts_left or "timed out during startup" not in str(error):
                raise
    raise AssertionError("the last attempt returns or raises")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without CPUs and three nodes with one CPU each."""
    import ray
    from ray.cluster_utils import Cluster

    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    patch.setenv("RAY_AUTH_MODE", "disabled")
    for name, value in QUIET_ENVIRONMENT.items():
        patch.setenv(name, value)
    made = patiently(lambda: Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}))
    made.workers = [patiently(lambda: made.add_node(num_cpus=1)) for _ in range(3)]
    made.wait_for_nodes()
    yield made
    ray.shutdown()
    made.shutdown()
    patch.undo()


@pytest.fixture
def started(cluster: Any, plan_of: Any, options: Any, listener: Any) -> Any:
    """Start a run in a thread; its outcome arrives in the returned list."""

    def start(cells: list[Any], store: MemoryStore, **changes: Any) -> tuple[threading.Thread, list[Any]]:
        settings = options(address=cluster.address, num_cpus=None, group_start_s=120.0, **changes)
        outcomes: list[Any] = []
        runner = threading.Thread(
            target=lambda: outcomes.append(execute(plan_of(*cells), store=store, options=settings, observer=listener))
        )
        runner.start()
        return runner, outcomes

    return start


def wait_until(condition: Any, runner: threading.Thread) -> None:
    while not condition() and runner.is_alive():
        runner.join(0.2)


def test_a_node_that_is_about_to_leave_costs_no_attempt_and_its_cell_goes_on_elsewhere(
    cluster, planned, started, listener
):
    store = MemoryStore()
    cells = [planned(seed, epochs=8, epoch_s=1.5) for seed in range(2)]
    runner, outcomes = started(cells, store, max_attempts=1)
    wait_until(lambda: len({cell for cell, _ in listener.epochs}) == 2, runner)
    drained = drain_a_busy_node(cluster)
    runner.join(500)
    (outcome,) = outcomes
    assert outcome.status == "complete", outcome
    assert [attempt.error_class for attempt in listener.attempts] == ["preempted"]
    assert drained
    cluster.workers.append(patiently(lambda: cluster.add_node(num_cpus=1)))


def test_a_node_that_is_ended_by_sigterm_costs_no_attempt(cluster, planned, started, listener):
    store = MemoryStore()
    cells = [planned(seed, epochs=6, epoch_s=1.5) for seed in range(10, 13)]
    runner, outcomes = started(cells, store, max_attempts=1)
    wait_until(lambda: len({cell for cell, _ in listener.epochs}) == 3, runner)
    node = cluster.workers.pop()
    os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGTERM)
    runner.join(500)
    (outcome,) = outcomes
    assert outcome.status == "complete", outcome
    assert [attempt.error_class for attempt in listener.attempts] == ["preempted"], listener.attempts
    assert "received SIGTERM" in listener.attempts[0].message
    cluster.remove_node(node)
    cluster.workers.append(patiently(lambda: cluster.add_node(num_cpus=1)))


def drain_a_busy_node(cluster: Any) -> str:
    """Tell Ray that a node on which workers run is taken back in a minute; return its id."""
    from ray.util import placement_group_table

    held = [one for one in placement_group_table().values() if one["state"] == "CREATED" and "CPU" in one["bundles"][0]]
    chosen = min(one["bundles_to_node_id"][0] for one in held)
    connection = connect()
    connection.drain(chosen, deadline_s=60)
    assert connection.wait_until_idle(chosen, deadline_s=55)
    return str(chosen)


def names_below(node: Any) -> set[str]:
    """Return the names of the actors whose processes a node's raylet started."""
    names = set()
    for process in psutil.Process(node.all_processes["raylet"][0].process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            names.update(re.findall(r"ray::(?:_\w+:)?(\w+)", " ".join(process.cmdline())))
    return names


def test_cells_spread_over_nodes_and_survive_the_loss_of_one(cluster, planned, started, listener):
    store = MemoryStore()
    cells = [planned(seed, epochs=6, epoch_s=1.0) for seed in range(8)]
    runner, outcomes = started(cells, store)
    wait_until(lambda: len({cell for cell, _ in listener.epochs}) >= 2, runner)
    of_a_group = {"GroupRunner", "TrainController", "SynchronizationActor", "RayTrainWorker"}
    assert not names_below(cluster.head_node) & of_a_group
    standing = [names_below(node) for node in cluster.workers]
    assert sum(of_a_group <= names for names in standing) >= 2
    cluster.remove_node(cluster.workers[-1], allow_graceful=False)
    runner.join(500)
    (outcome,) = outcomes
    assert outcome.status == "complete", outcome
    assert len(outcome.computed) == 8
    pids = {result.training.summary.environment["pid"] for result in store.results(outcome.done).values()}
    assert len(pids) >= 2
