"""The schedule on a virtual clock: it keeps a cluster busy and runs everything."""

from __future__ import annotations

import time

import pytest

from benchmarks.simulated_cluster import simulate


def test_a_small_cluster_is_kept_busy_in_spite_of_failures():
    found = simulate(nodes=10, gpus_per_node=8, cells=1000, failure_share=0.05, seed=3)
    assert found.utilisation >= 0.95
    assert found.attempts > 1000
    assert found.makespan_s >= found.bound_s


def test_without_failures_every_attempt_is_useful():
    found = simulate(nodes=2, gpus_per_node=4, cells=60, failure_share=0.0, seed=1)
    assert found.attempts == 60
    assert found.useful_gpu_s == found.busy_gpu_s


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 4])
def test_a_hundred_nodes_are_used_to_97_percent_by_ten_thousand_cells(seed: int):
    started = time.process_time()
    found = simulate(nodes=100, gpus_per_node=8, cells=10_000, failure_share=0.05, seed=seed)
    assert found.utilisation >= 0.97
    assert time.process_time() - started < 60
