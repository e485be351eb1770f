"""How busy a worker is, as it reports it while a job runs."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from trainers.job import WorkerUse
from trainers.worker import use_reports
from trainers.worker.group_loop import MailboxSink, PeerSink
from trainers.worker.use_reports import reporting_use

CPU = torch.device("cpu")


def test_a_worker_reports_until_its_job_ends_and_no_longer() -> None:
    found: list[WorkerUse] = []
    has_two = threading.Event()

    def report(use: WorkerUse) -> None:
        found.append(use)
        if len(found) == 2:
            has_two.set()

    with reporting_use(report, rank=3, device=CPU, first_after_s=0.01, every_s=0.01):
        assert has_two.wait(10.0)
    thread = next((each for each in threading.enumerate() if each.name == "worker-use"), None)
    if thread is not None:
        thread.join(10.0)
    number = len(found)

    assert number >= 2
    assert {(use.rank, use.gpu_busy) for use in found} == {(3, None)}
    assert all(0.0 <= use.cpu_busy <= 1.0 for use in found)
    assert found[0].node
    assert len(found) == number


def test_a_worker_on_a_gpu_reports_what_nvml_says_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Watch:
        def __init__(self, device: torch.device) -> None:
            assert device.type == "cuda"

        def __enter__(self) -> None:
            pass

        def __exit__(self, *_: object) -> None:
            closed.set()

        def take(self) -> Any:
            return SimpleNamespace(busy=0.9)

    closed, reported = threading.Event(), threading.Event()
    found: list[WorkerUse] = []
    monkeypatch.setattr(use_reports, "GpuWatch", Watch)

    with reporting_use(
        lambda use: (found.append(use), reported.set())[0], rank=0, device=torch.device("cuda"), first_after_s=0.01
    ):
        assert reported.wait(10.0)

    assert found[0].gpu_busy == 0.9
    assert closed.wait(10.0)


def test_a_job_that_is_over_at_once_reports_nothing() -> None:
    found: list[WorkerUse] = []
    with reporting_use(found.append, rank=0, device=CPU):
        pass

    assert found == []


def test_every_rank_sends_its_own_use_and_only_the_first_sends_the_rest() -> None:
    sent: list[tuple[Any, ...]] = []
    mailbox = SimpleNamespace(tell=SimpleNamespace(remote=lambda *values: sent.append(values)))
    use = WorkerUse(node="n", rank=1, cpu_busy=0.5)

    peer = PeerSink(mailbox, "g", 7, lambda: False)
    peer.progress("key", "train", 1, 1)
    peer.use(use)
    first = MailboxSink(mailbox, "g", 7, lambda: False)
    first.progress("key", "train", 1, 1)
    first.progress("key", "clean", 2, 2)

    assert sent == [
        ("g", 7, "use", (use,)),
        ("g", 7, "progress", ("key", "train", 1, 1), 0),
        ("g", 7, "progress", ("key", "clean", 2, 2), 1),
    ]
