"""What a worker of a group does between jobs, with a mailbox that is played."""

from __future__ import annotations

import contextlib
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from trainers.job import Delivery
from trainers.worker import group_loop as module
from trainers.worker.group_loop import StopOrders


def deliveries_to(*given: Any, monkeypatch: pytest.MonkeyPatch, stops: StopOrders) -> list[bool]:
    """Take these deliveries; return for each job whether it finds itself asked to stop."""
    answers, found = [*given, None], []
    mailbox = SimpleNamespace(
        take=SimpleNamespace(remote=lambda *_: answers.pop(0)), finish=SimpleNamespace(remote=lambda *_: None)
    )
    monkeypatch.setattr(module.ray, "get", lambda value: value)
    # It would set aside all modules of this process for good.
    monkeypatch.setattr(module, "isolated", contextlib.nullcontext)
    module._take_jobs(mailbox, "g", 0, 1, stops, lambda request, sink: found.append(sink.stop_requested()))
    return found


def test_a_stop_counts_for_the_jobs_that_were_posted_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stops = StopOrders()
    stops.last = 3
    jobs: list[Any] = [Delivery(job=0, request=None, orders=2), Delivery(job=1, request=None, orders=3)]

    assert deliveries_to(*jobs, monkeypatch=monkeypatch, stops=stops) == [True, False]


def test_a_stop_that_arrives_before_the_job_does_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    stops, is_told = StopOrders(), threading.Event()
    orders = [(1, "stop"), (1, "gone")]

    def answer(*_: Any) -> tuple[int, str]:
        is_told.set() if len(orders) == 1 else None
        return orders.pop(0)

    monkeypatch.setattr(module.ray, "get", lambda value: value)
    module._watch(SimpleNamespace(orders=SimpleNamespace(remote=answer)), "g", 0, 1, 0, stops)
    assert is_told.wait(5.0)

    job: Any = Delivery(job=0, request=None, orders=0)
    assert deliveries_to(job, monkeypatch=monkeypatch, stops=stops) == [True]
