"""Runs a command in its own session; ends the whole session when standard input closes: its parent stops it, or dies."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Final

_PATIENCE_S: Final = 8.0


def guard(command: Sequence[str]) -> int:
    """Run a command until it ends or standard input closes; return its exit code."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def end_with_the_parent() -> None:
        sys.stdin.buffer.read()
        _end(process)

    threading.Thread(target=end_with_the_parent, daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _end(process))
    return process.wait()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the session to end, then insist: a server's children may outlive it by seconds."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_S)
        os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    raise SystemExit(guard(sys.argv[1:]))
