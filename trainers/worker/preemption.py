"""Notices that this worker is about to be taken away: SIGTERM, and whatever a cluster says of its spot machines.

A noticed worker asks for a checkpoint at the next step boundary; all ranks of its job then end with `JobPreempted`, which counts
against no cell. Signals reach the main thread of a process only. A Ray worker trains in another thread: its main thread is told
once, by `relay_sigterm`, to hand SIGTERM on. A callable that is polled, or the driver's order, gives the
notice as well.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

from trainers.errors import TrainingError

logger = logging.getLogger(__name__)
VARIABLE: Final = "DREAMGRID_PREEMPTION_NOTICE"
"""Environment variable that names "module:function" -> whether this machine is about to be taken away."""

POLL_S: Final = 2.0


class PreemptionNotice:
    """Whether this worker is about to be taken away; set from a signal handler or a thread, read by the loop."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def give(self) -> None:
        """Say that the worker is about to be taken away."""
        self._event.set()

    def __call__(self) -> bool:
        """Return whether the notice was given."""
        return self._event.is_set()


class SigtermRelay:
    """A signal handler that hands SIGTERM to what runs in this process's other threads.

    The innermost way to leave is taken, once; without one, and for a second signal, the handler before it acts, so that a
    process can always be ended.
    """

    def __init__(self) -> None:
        self._ways: list[Callable[[], None]] = []
        self._is_told = False
        self._before: Any = None

    def install(self) -> None:
        """Become the handler of SIGTERM; does nothing the second time.

        Raises:
            ValueError: If this is not the main thread.
        """
        found = signal.getsignal(signal.SIGTERM)
        if found != self._handle:
            signal.signal(signal.SIGTERM, self._handle)
            self._before = found

    @contextlib.contextmanager
    def leaving_by(self, way: Callable[[], None]) -> Iterator[None]:
        """Let the signal call a function while the body runs.

        A body that ended well after the signal leaves by the way around it.

        Args:
            way: Returns at once: it runs in the main thread, in the middle of anything.
        """
        self._ways.append(way)
        try:
            yield
        finally:
            self._ways.remove(way)
        if self._is_told and self._ways:
            self._ways[-1]()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._ways and not self._is_told:
            self._is_told = True
            self._ways[-1]()
        elif callable(self._before):
            self._before(number, frame)
        elif self._before == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)


RELAY: Final = SigtermRelay()
"""The one of this process; it does nothing before `relay_sigterm`."""


def relay_sigterm() -> None:
    """Hand SIGTERM to the other threads of this process; for its main thread.

    Raises:
        ValueError: If this is not the main thread.
    """
    RELAY.install()


@contextlib.contextmanager
def noticing(notice: PreemptionNotice, is_leaving: Callable[[], bool] | None = None) -> Iterator[None]:
    """Give the notice on SIGTERM and as soon as a callable says so, while the body runs.

    Outside the main thread SIGTERM counts where the main thread has called `relay_sigterm`.

    Args:
        notice: What is set.
        is_leaving: Asked every `POLL_S` seconds from a thread of its own; None takes the one that `VARIABLE` names, if any.

    Raises:
        TrainingError: If `VARIABLE` names no function.
    """
    asked = is_leaving or named_notice()
    with _on_sigterm(notice), _polling(notice, asked):
        yield


def named_notice() -> Callable[[], bool] | None:
    """Return the function that the environment names, or None.

    Raises:
        TrainingError: If it is not an importable "module:function".
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return None
    module, _, function = text.partition(":")
    try:
        found: Callable[[], bool] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise TrainingError(
            f"{VARIABLE} must be an importable 'module:function', but {text!r} is not: {error}"
        ) from error
    return found


@contextlib.contextmanager
def _on_sigterm(notice: PreemptionNotice) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        with RELAY.leaving_by(notice.give):
            yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: notice.give())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _polling(notice: PreemptionNotice, is_leaving: Callable[[], bool] | None) -> Iterator[None]:
    if is_leaving is None:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_poll, args=(notice, is_leaving, ended), name="preemption", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _poll(notice: PreemptionNotice, is_leaving: Callable[[], bool], ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            if is_leaving():
                notice.give()
                return
        except Exception:
            logger.exception("the preemption notice could not be asked; it is not asked again")
            return
        ended.wait(POLL_S)
