"""The pipe between a driver and a writer: messages as JSON lines to the writer, one JSON line with the outcome back."""

from __future__ import annotations

import json
import queue
import sys
import threading
from collections.abc import Mapping
from typing import Any, Protocol

Message = Mapping[str, Any]


class Outcome(Protocol):
    """What a writer says at its end: what it wrote, how much it could not write, and why."""

    @property
    def written(self) -> int:
        """Things that were written."""

    @property
    def waiting(self) -> int:
        """Things that could not be written."""

    @property
    def problem(self) -> str | None:
        """Why, as a sentence for people; None where everything was written."""


def messages_of_driver(name: str) -> queue.Queue[Message | None]:
    """Return the messages on standard input as they come, and None after the last: the driver has ended, or wants the end.

    Args:
        name: Name of the thread that reads them.
    """
    messages: queue.Queue[Message | None] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            if line.endswith("\n"):  # a driver that was killed may leave half a line
                messages.put(json.loads(line))
        messages.put(None)

    threading.Thread(target=read, name=name, daemon=True).start()
    return messages


def report_outcome(writer: Outcome) -> None:
    """Write the line that the driver waits for to standard output."""
    found = {"written": writer.written, "waiting": writer.waiting, "problem": writer.problem}
    sys.stdout.write(json.dumps(found) + "\n")
