"""An object storage that is away for a while is waited for, and people are told meanwhile.

Servers that are overloaded or restarted answer 503 for a minute, or not at all. The client tries a few times within seconds; this
goes on for minutes, at any call, since an error would end a run or cost an attempt at a cell. What a person mistyped must not be
waited for: where that is likely (the first call of a command line), a server that does not answer at all is an error at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from clusters.storage.contract import ObjectInfo, Storage, StorageError

T = TypeVar("T")
Report = Callable[[str], None]

PATIENCE_S: Final = 300.0
"""So long a storage may be away before its error is raised."""

_PAUSE_S: Final = 2.0
_REPEAT_S: Final = 30.0
"""Seconds between the sentences about one absence."""

_PASSING: Final = frozenset({429, 500, 502, 503, 504})
"""HTTP statuses of a server that may do better later."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Place:
    """What this process knows of a storage: all of its threads share one absence, and one report on it.

    Attributes:
        has_answered: Whether any call ever succeeded.
        away_since: Since when calls fail, by the monotonic clock, or None while it answers.
        back_at: When it last answered again.
    """

    has_answered: bool = False
    away_since: float | None = None
    reported_at: float = 0.0
    back_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


_PLACES: Final[dict[str, _Place]] = {}
_REPORTS: Final[list[Report]] = []
_MISTAKES_LIKELY: Final = threading.Event()


@contextlib.contextmanager
def reported_to(report: Report) -> Iterator[None]:
    """Have the innermost of these called with a sentence when a storage is away, every half a minute, and when it is back.

    Without one, sentences go to the log of this process.

    Args:
        report: Called from any thread.
    """
    _REPORTS.append(report)
    try:
        yield
    finally:
        _REPORTS.remove(report)


def expect_mistakes() -> None:
    """Note that addresses of this process were just typed by a person: one that never answered is an error at once."""
    _MISTAKES_LIKELY.set()


class PatientStorage(Storage):
    """A storage whose calls wait while it is away."""

    def __init__(self, inner: Storage) -> None:
        self._inner = inner
        # One server may serve several buckets, and tests several servers.
        bucket = inner.uri.removeprefix("s3://").partition("/")[0]
        self._place = _PLACES.setdefault(f"{os.environ.get('AWS_ENDPOINT_URL', '')} {bucket}", _Place())

    def __reduce__(self) -> tuple[type[PatientStorage], tuple[Storage]]:
        # Each process makes its own experience.
        return type(self), (self._inner,)

    @property
    def uri(self) -> str:
        return self._inner.uri

    @property
    def is_remote(self) -> bool:
        return self._inner.is_remote

    @property
    def back_at(self) -> float:
        return self._place.back_at

    def read_bytes(self, path: str) -> bytes:
        return self._waited(lambda: self._inner.read_bytes(path))

    def read_range(self, path: str, start: int, length: int) -> bytes:
        return self._waited(lambda: self._inner.read_range(path, start, length))

    def write_bytes(self, path: str, data: bytes, *, durable: bool = True) -> None:
        self._waited(lambda: self._inner.write_bytes(path, data, durable=durable))

    def write_exclusive(self, path: str, data: bytes, *, durable: bool = True) -> bool:
        """Write an object unless one exists; one with these bytes that a call before the absence has written is ours."""
        calls = 0

        def write() -> bool:
            nonlocal calls
            calls += 1
            return self._inner.write_exclusive(path, data, durable=durable)

        return self._waited(write) or (calls > 1 and self.read_bytes(path) == data)

    def stat(self, path: str) -> ObjectInfo | None:
        return self._waited(lambda: self._inner.stat(path))

    def list(self, prefix: str = "") -> tuple[ObjectInfo, ...]:
        return self._waited(lambda: self._inner.list(prefix))

    def names(self, folder: str = "") -> tuple[str, ...]:
        return self._waited(lambda: self._inner.names(folder))

    def delete(self, path: str) -> None:
        self._waited(lambda: self._inner.delete(path))

    def unfinished(self) -> tuple[ObjectInfo, ...]:
        return self._waited(self._inner.unfinished)

    def abandon(self, upload: str) -> None:
        self._waited(lambda: self._inner.abandon(upload))

    def upload_file(self, source: Path, path: str) -> str:
        return self._waited(lambda: self._inner.upload_file(source, path))

    def download_file(self, path: str, target: Path, *, sha256: str | None = None) -> str:
        return self._waited(lambda: self._inner.download_file(path, target, sha256=sha256))

    def _waited(self, call: Callable[[], T]) -> T:
        """Make a call again and again while the storage is away, for `PATIENCE_S` at most."""
        began = time.monotonic()
        while True:
            try:
                found = call()
            except StorageError as error:
                if not self._may_pass(error):
                    if _status_of(error) is not None:
                        self._answered()
                    raise
                if time.monotonic() - began > PATIENCE_S:
                    raise
                self._note_absence(error)
                time.sleep(_PAUSE_S)
            else:
                self._answered()
                return found

    def _may_pass(self, error: StorageError) -> bool:
        """Whether the storage is away, rather than wrong or refusing."""
        status = _status_of(error)
        if status is not None:
            return status in _PASSING
        is_mistake = _MISTAKES_LIKELY.is_set() and not self._place.has_answered
        return error.reason == "unreachable" and not is_mistake

    def _note_absence(self, error: StorageError) -> None:
        place, now = self._place, time.monotonic()
        with place.lock:
            is_new = place.away_since is None
            place.away_since = now if place.away_since is None else place.away_since
            if not is_new and now - place.reported_at < _REPEAT_S:
                return
            place.reported_at, away_s = now, now - place.away_since
        since = "" if is_new else f", for {away_s:.0f} s now"
        _report(f"{error.detail}{since}: {self.uri}; waiting for up to {PATIENCE_S / 60:.0f} minutes, nothing is lost")

    def _answered(self) -> None:
        place = self._place
        place.has_answered = True
        with place.lock:
            since, place.away_since = place.away_since, None
            if since is None:
                return
            place.back_at = time.monotonic()
        _report(f"the object storage answers again after {place.back_at - since:.0f} s: {self.uri}")


def _status_of(error: StorageError) -> int | None:
    """Return the HTTP status that a server answered with, or None where none came."""
    response: Any = getattr(error.__cause__, "response", None)
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(response, dict) else None
    return status if isinstance(status, int) else None


def _report(text: str) -> None:
    if _REPORTS:
        _REPORTS[-1](text)
    else:
        logger.warning(text)
