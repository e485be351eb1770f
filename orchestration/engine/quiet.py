"""Keep the noise of Ray out of the terminal: what its libraries print from our background threads goes to a log file."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

QUIET_THREADS = ("dreamgrid-", "ray_")
"""Threads whose names begin so write to the log file: ours, and the one in which Ray prints what its nodes say."""


class _Router:
    """A text stream that sends what background threads write to a log and passes everything else on."""

    def __init__(self, stream: IO[str], log: IO[str]) -> None:
        self._stream = stream
        self._log = log

    def write(self, text: str) -> int:
        """Write to the log from a quiet thread, else to the stream."""
        return self._target().write(text)

    def flush(self) -> None:
        """Flush the stream of this thread."""
        self._target().flush()

    def _target(self) -> IO[str]:
        is_quiet = threading.current_thread().name.startswith(QUIET_THREADS)
        return self._log if is_quiet and not self._log.closed else self._stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def quiet(log_file: Path) -> Iterator[None]:
    """Send what Ray logs, and what background threads print, to a file while the block runs."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    streams = sys.stdout, sys.stderr
    ray_logger = logging.getLogger("ray")
    handlers, propagates, level = list(ray_logger.handlers), ray_logger.propagate, ray_logger.level
    with log_file.open("a", encoding="utf-8", buffering=1) as log, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"ray\..*")
        handler = logging.StreamHandler(log)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        ray_logger.handlers, ray_logger.propagate = [handler], False
        sys.stdout, sys.stderr = (_Router(stream, log) for stream in streams)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = streams
            ray_logger.handlers, ray_logger.propagate = handlers, propagates
            ray_logger.setLevel(level)
