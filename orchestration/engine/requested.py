"""What people ask of a run: Ctrl-C in its own terminal, and from others to pause or to stop, which is read every few seconds."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any, Final

from clusters.storage.contract import StorageError
from orchestration.store.contract import Action, Requests


class StandingRequest:
    """The request to the drivers of a sweep, as far as it can be read.

    A file of garbage counts as no request; while the storage is away the last request counts. Each is reported once.

    Args:
        report: Called with what cannot be read, as a sentence.
    """

    def __init__(self, store: Requests, sweep: str, report: Callable[[str], None]) -> None:
        self._store = store
        self._sweep = sweep
        self._report = report
        self._reported: set[str] = set()
        self._last: Action | None = None

    def read(self) -> Action | None:
        """Return the current request."""
        try:
            self._last = self._store.requested(self._sweep, self._damaged)
        except StorageError as error:
            self._once(f"whether this run is to pause or stop cannot be read at the moment: {error}")
        return self._last

    def _damaged(self, error: Exception) -> None:
        self._once(f"left out because it is damaged: {error}")

    def _once(self, text: str) -> None:
        if text not in self._reported:
            self._reported.add(text)
            self._report(text)


class Interrupted(BaseException):
    """A signal asked this process to end before anything ran that has to end in order."""


class StopFlag:
    """How often a signal asked this process to end.

    Attributes:
        count: Signals so far.
        is_ctrl_c: Whether the first one was SIGINT.
        has_cells: Whether cells may be running, which need time for their checkpoints.
    """

    def __init__(self) -> None:
        self.count = 0
        self.is_ctrl_c = False
        self.has_cells = False
        self._is_breakable = False

    @contextlib.contextmanager
    def breakable(self) -> Iterator[None]:
        """Let the first signal end the block at once.

        Raises:
            Interrupted: In the main thread, where the signal met it, or before the block if one came earlier.
        """
        self._is_breakable = True
        try:
            if self.count:
                raise Interrupted
            yield
        finally:
            self._is_breakable = False

    def note(self, number: int) -> None:
        """Count a signal.

        Raises:
            Interrupted: If it is the first, in a block that it ends.
        """
        self.is_ctrl_c = self.is_ctrl_c or (not self.count and number == signal.SIGINT)
        self.count += 1
        if self._is_breakable and self.count == 1:
            raise Interrupted


_SIGNALS: Final = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


@contextlib.contextmanager
def stop_flag(report: Callable[[str], None], grace_s: float) -> Iterator[StopFlag]:
    """Count SIGINT and SIGTERM instead of ending; outside the main thread nothing is caught.

    Args:
        report: Called with what a signal leads to, at once and in a thread of its own, since this one may wait for Ray.
        grace_s: Seconds that running cells have to write their checkpoints.
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    texts: SimpleQueue[str | None] = SimpleQueue()  # its `put` may interrupt itself, so that a handler may call it

    def note(number: int, _: Any) -> None:
        texts.put(_answer(_SIGNALS[signal.Signals(number)], flag, grace_s))
        flag.note(number)

    def tell() -> None:
        for text in iter(texts.get, None):
            report(text)

    teller = threading.Thread(target=tell, name="acknowledge", daemon=True)
    teller.start()
    before = {one: signal.getsignal(one) for one in _SIGNALS}
    for one in _SIGNALS:
        signal.signal(one, note)
    try:
        yield flag
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        texts.put(None)
        teller.join()


def _answer(name: str, flag: StopFlag, grace_s: float) -> str:
    if not flag.has_cells:
        return f"{name}: stopping; no cell runs yet"
    if not flag.count:
        return f"{name}: running cells write their checkpoints, for up to {grace_s:g} s; once more ends them at once"
    return f"{name}: ending at once; what is recorded is kept"
