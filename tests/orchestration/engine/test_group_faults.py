"""Cells that break their worker groups: each is told apart, none takes another with it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import psutil
import pytest

from orchestration.engine.groups.group import GroupPool
from orchestration.engine.run import execute
from orchestration.store.files import MemoryStore
from trainers.config import JobConfig, RecipeConfig

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(280)]


@pytest.fixture(scope="module")
def pool(local_ray: None) -> Iterator[GroupPool]:
    """Groups that stay warm over this module."""
    with GroupPool(health_check_s=0.2) as groups:
        yield groups


def test_a_job_that_raises_on_one_rank_ends_while_the_other_waits_in_a_collective(
    pool, planned, plan_of, options, listener
):
    store = MemoryStore()
    cells = [planned(1, shards=2, do="raise", rank=1), planned(2, shards=2)]
    outcome = execute(plan_of(*cells), store=store, options=options(workers=2), observer=listener, pool=pool)
    assert outcome.failed == {cells[0].train_key: "bug: rank 1: ValueError: shapes differ"}
    assert outcome.computed == (cells[1].train_key,)
    (attempt,) = store.attempts(cells[0].train_key)
    assert attempt.error_class == "bug"
    assert "in _act" in attempt.context["ranks"][0]["trace"]


def test_a_rank_that_exits_without_a_word_is_a_dead_worker_and_the_cell_is_tried_again(
    pool, planned, plan_of, options, listener, tmp_path
):
    store = MemoryStore()
    cell = planned(3, shards=2, do="exit", rank=1, once=str(tmp_path / "once"))
    outcome = execute(plan_of(cell), store=store, options=options(workers=2), observer=listener, pool=pool)
    assert (outcome.status, outcome.attempts) == ("complete", 1)
    assert [attempt.error_class for attempt in store.attempts(cell.train_key)] == ["worker-died"]


def test_a_loss_that_is_not_a_number_is_given_up_at_once(pool, planned, plan_of, options, listener):
    store = MemoryStore()
    cell = planned(4, shards=2, do="nan")
    outcome = execute(plan_of(cell), store=store, options=options(workers=2), observer=listener, pool=pool)
    assert outcome.status == "failed"
    assert outcome.failed[cell.train_key].startswith("nan: rank 0: NonFiniteLoss")
    assert outcome.attempts == 1


def test_the_death_of_a_controller_gives_its_resources_back_and_the_cell_runs_on_a_new_group(
    pool, planned, plan_of, options, listener, tmp_path
):
    store = MemoryStore()
    cell = planned(14, shards=2, epochs=3, epoch_s=2.0, journal=str(tmp_path / "journal"))
    killed: list[int] = []

    class Killer(type(listener)):
        def epoch_ended(self, cell, row):
            for process in psutil.Process().children(recursive=True):
                if not killed and "TrainController" in " ".join(process.cmdline()):
                    killed.append(process.pid)
                    process.kill()

    outcome = execute(plan_of(cell), store=store, options=options(workers=2), observer=Killer(), pool=pool)
    assert killed
    assert (outcome.status, outcome.attempts) == ("complete", 1), outcome
    assert [attempt.error_class for attempt in store.attempts(cell.train_key)] == ["worker-died"]


def test_a_cell_that_kills_its_group_each_time_is_set_aside_and_the_others_finish(
    pool, planned, plan_of, options, listener
):
    store = MemoryStore()
    cells = [planned(5, do="exit"), *(planned(seed) for seed in range(6, 9))]
    outcome = execute(plan_of(*cells), store=store, options=options(max_attempts=2), observer=listener, pool=pool)
    assert outcome.status == "failed"
    assert set(outcome.failed) == {cells[0].train_key}
    assert len(outcome.computed) == 3
    assert [attempt.attempt for attempt in store.attempts(cells[0].train_key)] == [1, 2]


def test_failing_fast_ends_the_run_at_the_first_cell_that_is_given_up(pool, planned, plan_of, options, listener):
    store = MemoryStore()
    cells = [planned(9, do="raise", epochs=2), *(planned(seed) for seed in range(10, 13))]
    outcome = execute(
        plan_of(*cells),
        store=store,
        options=options(fail_fast=True, max_concurrent=1),
        observer=listener,
        pool=pool,
    )
    assert outcome.status == "failed"
    assert outcome.computed == ()
    assert len(outcome.unfinished) == 3


def test_sigterm_outside_of_training_ends_the_worker_and_counts_as_no_failure(
    pool, planned, plan_of, options, listener
):
    store = MemoryStore()
    cell = planned(15, epochs=10, epoch_s=1.0)
    signalled: list[int] = []

    class Terminator(type(listener)):
        def epoch_ended(self, cell, row):
            signalled.extend(terminate_workers() if not signalled else ())

    outcome = execute(plan_of(cell), store=store, options=options(max_attempts=1), observer=Terminator(), pool=pool)
    assert signalled
    assert outcome.status == "complete", outcome
    assert {attempt.error_class for attempt in store.attempts(cell.train_key)} == {"preempted"}


def test_sigterm_in_the_middle_of_a_training_saves_that_step_and_the_cell_goes_on_from_it(
    pool, planned, plan_of, options, listener
):
    store = MemoryStore()
    cell = dataclasses.replace(planned(16, epochs=20, benchmarks=()), config=small_training(epochs=20))
    settings = options(max_attempts=1)
    outcome = execute(plan_of(cell), store=store, options=settings, observer=listener, pool=pool)
    assert outcome.status == "complete", outcome
    (attempt,) = store.attempts(cell.train_key)
    assert attempt.error_class == "preempted"
    found = re.search(r"its machine leaves; step (\d+) of 140 is saved", attempt.message)
    assert found is not None, attempt.message
    (result,) = store.results([cell.train_key]).values()
    assert result.training.summary.resumed_from_step == int(found[1]) >= 28
    assert [epoch for _, epoch in listener.epochs] == list(range(20))


def small_training(*, epochs: int) -> JobConfig:
    """A training of 7 steps an epoch on real images; Ray looks for signals about once a second."""
    return JobConfig(
        method="baseline",
        method_params={},
        dataset="digits",
        model="wrn-10-1",
        recipe=RecipeConfig(epochs=epochs, batch_shards=1, train_images=448, batch_size=64),
        seed=16,
    )


def terminate_workers() -> list[int]:
    """Send SIGTERM to the workers of groups that belong to this process; return their process ids."""
    found = [one for one in psutil.Process().children(recursive=True) if "RayTrainWorker" in " ".join(one.cmdline())]
    for process in found:
        process.terminate()
    return [process.pid for process in found]
