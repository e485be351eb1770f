"""Ends the wait for an answer that never ends: HTTP libraries bound the pause between two bytes, not an answer as a whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import psutil

T = TypeVar("T")
MOST_MEMORY: Final = 2**30
"""Bytes by which this process may grow while it waits; the largest page of a thousand runs has about 50 MB."""
_LOOK_S: Final = 0.2
_SHORT_S: Final = 0.05


class Overdue(TimeoutError):
    """An answer did not end within its time.

    Attributes:
        is_flood: Whether it ran on and filled memory, so that this process should end soon.
    """

    def __init__(self, message: str, *, is_flood: bool) -> None:
        super().__init__(message)
        self.is_flood = is_flood


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what a call returns, or raise what it raises.

    A call that takes longer is left to a thread which does not keep the process from ending.

    Raises:
        Overdue: If it takes longer, or this process grows by more than `MOST_MEMORY` meanwhile.
    """
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((call(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, name="tracking-call", daemon=True)
    thread.start()
    thread.join(_SHORT_S)
    if not outcome:
        _wait(thread, seconds)
    value, error = outcome[0]
    if error is not None:
        raise error
    return value  # type: ignore[no-any-return]


def _wait(thread: threading.Thread, seconds: float) -> None:
    began, process = time.monotonic(), psutil.Process()
    before = process.memory_info().rss
    while thread.is_alive():
        thread.join(_LOOK_S)
        if not thread.is_alive():
            return
        if process.memory_info().rss - before > MOST_MEMORY:
            raise Overdue(f"its answer has more than {MOST_MEMORY // 2**20} MiB", is_flood=True)
        if time.monotonic() - began > seconds:
            raise Overdue(f"its answer did not end within {seconds:.0f} s", is_flood=False)


class Bounded:
    """An object of which every method call must end within some seconds; see `within`."""

    def __init__(self, inner: Any, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found
        return lambda *arguments, **named: within(self._seconds, lambda: found(*arguments, **named))
