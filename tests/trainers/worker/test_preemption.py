"""A machine that is taken away: a checkpoint at the next step, an end that counts as no failure, and an exact way on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch

from orchestration.planning.retry_policy import COUNTED, classify
from trainers.errors import JobPreempted, TrainingError
from trainers.job import JobRequest, JobResult
from trainers.training.group import OneWorker
from trainers.worker.failure import describe_failure
from trainers.worker.preemption import VARIABLE, SigtermHandler, noticing
from trainers.worker.run_job import run_job


def run(request: JobRequest, sink: Any) -> JobResult:
    return run_job(request, group=OneWorker(torch.device("cpu")), sink=sink)


def test_sigterm_saves_at_the_next_step_and_the_job_goes_on_bit_identical(
    small_job: Callable[..., JobRequest], make_sink: Any
) -> None:
    straight = run(small_job(folder="straight"), make_sink())
    warned = make_sink()

    def warn(key: str, stage: str, done: int, total: int) -> None:
        if done == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    warned.progress = warn
    with pytest.raises(JobPreempted, match="its machine leaves; step 3 of 6 is saved"):
        run(small_job(), warned)
    resumed = run(small_job(), make_sink())
    assert resumed.training.resumed_from_step == 3
    for name in ("weights_sha256", "workers_from_step"):
        assert resumed.training.environment[name] == straight.training.environment[name]


def test_preempted_job_counts_as_no_failure() -> None:
    error_class, message = classify([describe_failure(JobPreempted("its machine leaves; step 3 of 6 is saved"), 1)])
    assert error_class == "preempted"
    assert error_class not in COUNTED
    assert "step 3 of 6" in message


def test_sigterm_does_what_it_did_before_once_training_is_over() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with noticing(threading.Event()):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_notice_of_a_cluster_is_asked_for_from_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainers.worker.preemption.POLL_S", 0.01)
    answers = iter([False, False, True])
    notice = threading.Event()

    def work() -> None:
        with noticing(notice, lambda: next(answers)):
            deadline = time.monotonic() + 10
            while not notice.is_set() and time.monotonic() < deadline:
                time.sleep(0.01)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert notice.is_set()
    assert next(answers, None) is None


def test_notice_that_cannot_be_asked_is_told_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> bool:
        raise OSError("no metadata server")

    notice = threading.Event()
    with noticing(notice, broken):
        time.sleep(0.05)
    assert not notice.is_set()
    assert "could not be queried" in caplog.text


def test_function_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "nowhere:nothing")
    with (
        pytest.raises(TrainingError, match="must be an importable 'module:function', but 'nowhere:nothing'"),
        noticing(threading.Event()),
    ):
        pass


@pytest.fixture
def signals_before() -> Iterator[list[int]]:
    """The signals that reached the handler which stood before a handler."""
    before = signal.getsignal(signal.SIGTERM)
    called: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: called.append(number))
    yield called
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def handler(signals_before: list[int]) -> SigtermHandler:
    """A handler that handles SIGTERM."""
    made = SigtermHandler()
    made.install()
    made.install()
    return made


def test_sigterm_takes_the_innermost_way_once_and_then_does_what_it_did_before(
    handler: SigtermHandler, signals_before: list[int]
) -> None:
    taken: list[str] = []
    job, training = (handler.calling(partial(taken.append, name)) for name in ("job", "training"))

    def train() -> None:
        with job, training:
            signal.raise_signal(signal.SIGTERM)
            assert taken == ["training"]
            signal.raise_signal(signal.SIGTERM)
            raise JobPreempted("its machine leaves")

    with pytest.raises(JobPreempted):
        train()
    assert taken == ["training"]
    assert signals_before == [signal.SIGTERM]


def test_training_that_ended_before_it_saw_the_signal_calls_the_function_around_it(handler: SigtermHandler) -> None:
    taken: list[str] = []
    with handler.calling(lambda: taken.append("job")):
        with handler.calling(lambda: taken.append("training")):
            signal.raise_signal(signal.SIGTERM)
        assert taken == ["training", "job"]


def test_sigterm_is_left_alone_where_nothing_runs(handler: SigtermHandler, signals_before: list[int]) -> None:
    signal.raise_signal(signal.SIGTERM)
    assert signals_before == [signal.SIGTERM]
