"""One call of the command line in a process group of its own, whose lines can be waited for."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.faults.harness.workloads import PLUGIN

REPOSITORY: Final = Path(__file__).resolve().parents[3]
Event = list[str]


class Driver:
    """A running `dreamgrid` verb.

    Args:
        arguments: What follows the program's name.
        log: Where its lines go; what it prints goes next to it.
        inside: Command that the program is run in, such as that of another clock.
        umask: Permissions that its files do not get.
        checkout: Where its code is.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        *,
        inside: Sequence[str] = (),
        umask: int = -1,
        checkout: Path = REPOSITORY,
    ) -> None:
        self.log = log
        self.printed = log.with_suffix(".out")
        self._started = time.monotonic()
        self.wall_s = 0.0
        with log.open("w") as lines, self.printed.open("w") as printed:
            self.process = subprocess.Popen(
                [*inside, sys.executable, "-m", "tests.faults.harness.talking", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=lines,
                cwd=checkout,
                env={**environment, "PYTHONPATH": f"{checkout}:{PLUGIN}"},
                start_new_session=True,
                umask=umask,
            )

    @property
    def pid(self) -> int:
        """Number of its process, which is that of its group too."""
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def text(self) -> str:
        """Return all its lines so far."""
        return self.log.read_text(errors="replace")

    def events(self, kind: str = "") -> list[Event]:
        """Return its events so far, as words without the mark; all kinds or one."""
        found = [line[1:].split() for line in self.text().splitlines() if line.startswith("@")]
        return [event for event in found if event and kind in ("", event[0])]

    def wait_until(self, condition: Callable[[], bool], timeout_s: float = 600.0, pause_s: float = 0.02) -> bool:
        """Wait until a condition holds; return False where this process ends first or the time is over."""
        ends = time.monotonic() + timeout_s
        while not condition():
            if not self.is_running or time.monotonic() > ends:
                return condition()
            time.sleep(pause_s)
        return True

    def signal(self, number: int) -> None:
        """Send a signal to the process alone, not to what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def end(self, timeout_s: float) -> int | None:
        """Wait for its end and return its exit code; one that takes longer is killed, and None is returned."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.process.wait(30)
            return None
        finally:
            self.wall_s = self.wall_s or time.monotonic() - self._started

    def document(self) -> dict[str, Any]:
        """Return the JSON document that it printed; an empty one where it printed none."""
        with contextlib.suppress(json.JSONDecodeError):
            found: dict[str, Any] = json.loads(self.printed.read_text())
            return found
        return {}

    def tail(self, lines: int = 30) -> str:
        """Return its last lines, for messages."""
        return "\n".join(self.text().splitlines()[-lines:])
