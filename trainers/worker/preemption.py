"""Notices that this worker is about to be taken away: SIGTERM, and whatever a cluster reports of its spot machines.

A noticed worker asks for a checkpoint at the next step boundary; all ranks of its job then end with `JobPreempted`, which counts
against no cell. Signals reach the main thread of a process only. A Ray worker trains in another thread: its main thread installs
a handler once, by `handle_sigterm`, that passes SIGTERM on. A callable that is polled, or the driver's order, gives the notice as
well.
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


class SigtermHandler:
    """A signal handler that passes SIGTERM on to what runs in this process's other threads.

    The innermost function is called, once; without one, and for a second signal, the handler before it acts, so that a process
    can always be ended.
    """

    def __init__(self) -> None:
        self._functions: list[Callable[[], None]] = []
        self._is_used = False
        self._before: Any = None

    def install(self) -> None:
        """Become the handler of SIGTERM; does nothing the second time.

        Raises:
            ValueError: If this is not the main thread.
        """
        found = signal.getsignal(signal.SIGTERM)
        # Not `is not`: every look at a bound method makes another object.
        if found != self._handle:
            signal.signal(signal.SIGTERM, self._handle)
            self._before = found

    @contextlib.contextmanager
    def calling(self, function: Callable[[], None]) -> Iterator[None]:
        """Let the signal call a function while the body runs.

        After a body that ended well in spite of the signal, the function around it is called.

        Args:
            function: Returns at once: it runs in the main thread, in the middle of anything.
        """
        self._functions.append(function)
        try:
            yield
        finally:
            self._functions.remove(function)
        if self._is_used and self._functions:
            self._functions[-1]()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._functions and not self._is_used:
            self._is_used = True
            self._functions[-1]()
        elif callable(self._before):
            self._before(number, frame)
        elif self._before == signal.SIG_DFL:
            # The default action is no function: it is put back, and the signal is sent again.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)


SIGTERM: Final = SigtermHandler()
"""The one of this process; it does nothing before `handle_sigterm`."""


def handle_sigterm() -> None:
    """Pass SIGTERM on to the other threads of this process; for its main thread.

    Raises:
        ValueError: If this is not the main thread.
    """
    SIGTERM.install()


@contextlib.contextmanager
def noticing(notice: threading.Event, is_leaving: Callable[[], bool] | None = None) -> Iterator[None]:
    """Give the notice on SIGTERM and as soon as a callable returns true, while the body runs.

    Outside the main thread SIGTERM counts where the main thread has called `handle_sigterm`.

    Args:
        is_leaving: Called every `POLL_S` seconds in its own thread; None takes the one that `VARIABLE` names, if any.
    """
    asked = is_leaving or named_notice()
    with _on_sigterm(notice), _polling(notice, asked):
        yield


def named_notice() -> Callable[[], bool] | None:
    """Return the function that the environment names, or None."""
    text = os.environ.get(VARIABLE, "")
    if not text:
        return None
    return function_named(text, VARIABLE)


def function_named(path: str, what: str) -> Callable[..., Any]:
    """Return the function that "module:function" names."""
    module, _, function = path.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise TrainingError(f"{what} must be an importable 'module:function', but {path!r} is not: {error}") from error
    return found


@contextlib.contextmanager
def _on_sigterm(notice: threading.Event) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        with SIGTERM.calling(notice.set):
            yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: notice.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _polling(notice: threading.Event, is_leaving: Callable[[], bool] | None) -> Iterator[None]:
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


def _poll(notice: threading.Event, is_leaving: Callable[[], bool], ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            if is_leaving():
                notice.set()
                return
        except Exception:
            logger.exception("the preemption notice could not be queried; it is not queried again")
            return
        ended.wait(POLL_S)
