"""The failure policy: classes and what follows from them."""

from __future__ import annotations

import errno

import pytest

from augment.mixing_sets.contract import NoSpaceForSet
from eval.errors import NoSpace as NoSpaceInCache
from orchestration.planning.retry_policy import Retry, Skip, Stop, classify, decide
from trainers.errors import CorruptData, NonFiniteLoss, NoSpace, UnusableDevice
from trainers.worker.failure import RankFailure, describe_failure


class OutOfMemoryError(RuntimeError):
    pass


class ActorDiedError(Exception):
    pass


class WorkerHealthCheckFailedError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NonFiniteLoss(3, 0.1, [float("nan")]), "nan"),
        (CorruptData("the bytes differ"), "bad-data"),
        (NoSpace("no room"), "no-space"),
        (NoSpaceInCache("no room for a generated set"), "no-space"),
        (NoSpaceForSet("no room for a mixing set"), "no-space"),
        (UnusableDevice("torch sees no GPU"), "unusable-device"),
        (OutOfMemoryError("CUDA out of memory"), "out-of-memory"),
        (RuntimeError("CUDA error: out of memory"), "out-of-memory"),
        (MemoryError(), "out-of-memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "no-space"),
        (ActorDiedError("the actor died"), "worker-died"),
        (ActorDiedError("the node was preempted"), "preempted"),
        (ActorDiedError("the actor's node was terminated expectedly: received SIGTERM"), "preempted"),
        (WorkerHealthCheckFailedError("its node was terminated expectedly: received SIGTERM"), "preempted"),
        (WorkerHealthCheckFailedError("its node has died"), "worker-died"),
        (RuntimeError("gloo: Connection closed by peer [127.0.0.1]"), "worker-died"),
        (ConnectionResetError("reset"), "worker-died"),
        (ValueError("shapes differ"), "bug"),
    ],
)
def test_an_exception_is_told_apart_by_what_it_is(error: BaseException, expected: str):
    assert classify([describe_failure(error, 1)])[0] == expected


def test_an_exception_may_declare_its_class():
    error = ValueError("a label is 12 of 10 classes")
    error.error_class = "bad-data"  # type: ignore[attr-defined]
    assert classify([describe_failure(error, 0)])[0] == "bad-data"


def test_the_cause_of_an_exception_counts():
    error = RuntimeError("checkpoint not written")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert classify([describe_failure(error, 0)])[0] == "no-space"


def test_a_lost_peer_is_not_taken_for_the_cause():
    failures = [
        describe_failure(RuntimeError("Connection closed by peer"), 0),
        describe_failure(NonFiniteLoss(3, 0.1, [float("nan")]), 1),
    ]
    error_class, text = classify(failures)
    assert error_class == "nan"
    assert text.startswith("rank 1: NonFiniteLoss: losses must be finite")


def test_a_group_that_vanished_without_a_word_died():
    assert classify([])[0] == "worker-died"


def test_a_failure_without_text_shows_the_name_of_its_class():
    failure = describe_failure(KeyError(), 0)
    assert isinstance(failure, RankFailure)
    assert failure.message == "KeyError"


def _decide(error_class: str, attempts: int = 1, **more: bool) -> Retry | Skip | Stop:
    options = {"is_exclusive": True, **more}
    return decide("0123456789ab", error_class, attempts=attempts, max_attempts=3, **options)  # type: ignore[arg-type]


def test_a_dead_worker_is_tried_again_until_the_cell_is_set_aside():
    assert isinstance(_decide("worker-died", 1), Retry)
    assert isinstance(_decide("worker-died", 2), Retry)
    assert _decide("worker-died", 3) == Skip(text="cell 0123456789ab is set aside after 3 attempts")


@pytest.mark.parametrize("error_class", ["nan", "bad-data", "bug"])
def test_what_a_retry_would_repeat_is_given_up_at_once(error_class: str):
    assert isinstance(_decide(error_class), Skip)


def test_out_of_memory_on_a_shared_device_gets_one_for_itself():
    decision = _decide("out-of-memory", is_exclusive=False)
    assert isinstance(decision, Retry)
    assert "it gets one for itself" in decision.text
    alone = _decide("out-of-memory", is_exclusive=True)
    assert not isinstance(alone, Retry) or "shared" not in alone.text


def test_a_preemption_is_retried_however_often_it_happens():
    assert isinstance(_decide("preempted", 99), Retry)


def test_a_full_disk_stops_the_sweep():
    assert isinstance(_decide("no-space"), Stop)


def test_a_gpu_that_cannot_be_used_stops_the_sweep():
    assert isinstance(_decide("unusable-device"), Stop)


def test_failing_fast_stops_the_sweep_at_the_first_cell_that_is_given_up():
    assert isinstance(_decide("bug", fail_fast=True), Stop)
    assert isinstance(_decide("worker-died", 1, fail_fast=True), Retry)
