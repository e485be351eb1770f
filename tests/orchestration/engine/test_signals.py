"""Signals to a run are answered at once, counted, and told apart."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from clusters.errors import ControlLost
from orchestration.engine import run as run_module
from orchestration.engine.requested import Interrupted, StopFlag, stop_flag


@pytest.mark.parametrize(
    ("number", "name", "is_ctrl_c"), [(signal.SIGINT, "Ctrl-C", True), (signal.SIGTERM, "SIGTERM", False)]
)
def test_a_signal_is_answered_at_once_and_the_second_ends_everything(
    number: signal.Signals, name: str, is_ctrl_c: bool
) -> None:
    texts: list[str] = []
    before = signal.getsignal(number)

    with stop_flag(texts.append, grace_s=20.0) as flag:
        flag.has_cells = True
        os.kill(os.getpid(), number)
        deadline = time.monotonic() + 5.0
        while not texts and time.monotonic() < deadline:
            time.sleep(0.01)
        assert texts == [f"{name}: running cells write their checkpoints, for up to 20 s; once more ends them at once"]
        os.kill(os.getpid(), number)

    assert texts[1:] == [f"{name}: ending at once; what is recorded is kept"]
    assert (flag.count, flag.is_ctrl_c) == (2, is_ctrl_c)
    assert signal.getsignal(number) is before


def test_the_first_signal_counts() -> None:
    with stop_flag(lambda text: None, grace_s=1.0) as flag:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)

    assert not flag.is_ctrl_c


def test_outside_the_main_thread_nothing_is_caught() -> None:
    handlers: list[object] = []

    def body() -> None:
        with stop_flag(lambda text: None, grace_s=1.0):
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()

    assert handlers == [signal.getsignal(signal.SIGINT)]


def test_before_any_cell_runs_a_signal_ends_the_start_at_once() -> None:
    texts: list[str] = []
    began = time.monotonic()

    def start(flag: StopFlag) -> None:
        with flag.breakable():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60.0)

    with stop_flag(texts.append, grace_s=20.0) as flag:
        with pytest.raises(Interrupted):
            start(flag)
        with pytest.raises(Interrupted):
            start(flag)
        os.kill(os.getpid(), signal.SIGINT)  # while what was begun is ended: no second exception

    assert time.monotonic() - began < 30.0
    assert texts == ["Ctrl-C: stopping; no cell runs yet"] * 2
    assert (flag.count, flag.is_ctrl_c) == (2, True)


@pytest.mark.parametrize("number", [None, signal.SIGINT, signal.SIGTERM])
def test_a_ray_that_ends_after_a_signal_is_one_of_a_run_that_was_asked_to_end(
    number: signal.Signals | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal to the whole process group ended Ray's processes, and the run started another Ray and went on."""

    def lost(*_: Any, **__: Any) -> None:
        if number is not None:
            os.kill(os.getpid(), number)
        raise ControlLost("the raylet", "the private Ray", is_private=True)

    monkeypatch.setattr(run_module, "connect", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(run_module, "supervised", lost)
    nothing: Any = None
    options: Any = SimpleNamespace(address=None, num_gpus=None, num_cpus=1, workers=1, cpus_per_worker=None)
    queued: Any = SimpleNamespace(flush=None)

    with stop_flag(lambda text: None, grace_s=1.0) as flag, pytest.raises(ControlLost) as raised:
        run_module._drive(nothing, nothing, options, queued, None, flag)

    assert raised.value.is_ending == (number is not None)
    assert raised.value.is_ctrl_c == (number == signal.SIGINT)
