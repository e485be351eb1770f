"""What people ask of a run from other terminals: to pause, or to stop. Read every few seconds, and never a reason to end."""

from __future__ import annotations

from collections.abc import Callable

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
