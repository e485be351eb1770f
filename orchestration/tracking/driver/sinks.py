"""Where the driver's messages go: to a writer in its own process, or in a thread; nothing here delays the driver."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Final, Protocol

from clusters.code.own_packages import command_of
from orchestration.tracking.content.messages import Message

WRITER: Final = command_of("orchestration.tracking.writer")
BOARD_WRITER: Final = command_of("orchestration.tracking.boards.writer")
_STARTS: Final = 5
"""Deaths in a row after which no other writer is started; one that lived for a minute begins a new row."""
_MINUTE_S: Final = 60.0
_LOOK_S: Final = 2.0
"""Seconds without a message after which is looked whether the writer lives."""
_LASTING: Final = ("grid", "ended")


class Sink(Protocol):
    """Takes messages in order without holding up its caller."""

    def send(self, message: Message) -> None:
        """Take a message."""

    def close(self, timeout_s: float) -> str | None:
        """Say that no more follow; wait for what is left to be written, and return what went wrong."""


class SeveralSinks:
    """Gives every message to several sinks, or to none: runs without tracking."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)

    def send(self, message: Message) -> None:
        """Give a message to all of them."""
        for sink in self._sinks:
            sink.send(message)

    def close(self, timeout_s: float) -> str | None:
        """Close all of them, one after the other; return what went wrong with any."""
        patience = time.monotonic() + timeout_s
        found = [sink.close(max(0.0, patience - time.monotonic())) for sink in self._sinks]
        return "; ".join(text for text in found if text) or None


class Journal:
    """Gathers the messages of a run, and forgets those that newer ones, or the store, make superfluous."""

    def __init__(self) -> None:
        self._sweep: dict[str, Any] | None = None
        self._recorded: dict[str, None] = {}
        self._states: dict[str, Message] = {}
        self._refused: list[Message] = []
        self._epochs: dict[str, list[Message]] = {}
        self._last: dict[str, Message] = {}

    def note(self, message: Message) -> None:
        """Note a message that was sent, or is about to be."""
        kind, key = message["type"], message.get("key", "")
        if kind == "sweep":
            self._sweep = dict(message)
        elif kind == "recorded":
            self._recorded[key] = None
            self._epochs.pop(key, None)  # the store has them now
        elif kind == "state":
            self._states[key] = message
        elif kind == "refused":
            self._refused.append(message)
        elif kind == "epoch":
            self._epochs.setdefault(key, []).append(message)
        elif kind in _LASTING:
            self._last[kind] = message

    def replay(self) -> list[Message]:
        """Return messages after which a new writer knows what the one before it knew; writing twice changes nothing."""
        if self._sweep is None:
            return []
        recorded = list(dict.fromkeys([*self._sweep["recorded"], *self._recorded]))
        epochs = [message for messages in self._epochs.values() for message in messages]
        sweep = {**self._sweep, "recorded": recorded}
        return [sweep, *self._states.values(), *epochs, *self._refused, *self._last.values()]


class ProcessSink:
    """A writer in its own process and session, so that Ctrl-C does not reach it; it ends with its driver.

    One that dies is started again and gets everything once more.
    """

    def __init__(self, hello: Message, log: Path | None, command: Sequence[str] = WRITER) -> None:
        self._hello = json.dumps(hello)
        self._messages: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._journal = Journal()
        self._log = log
        self._command = tuple(command)
        self._is_over = False
        self._process: subprocess.Popen[str] | None = None
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._serve, name="tracking", daemon=True)
        self._thread.start()

    def send(self, message: Message) -> None:
        """Queue a message."""
        self._messages.put(json.dumps(message))

    def close(self, timeout_s: float) -> str | None:
        """Wait for the writer to end; one that needs longer goes on alone."""
        self._messages.put(None)
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            return f"tracking is not complete after {timeout_s:.0f} s and is still being written in the background"
        return self._problem

    def _serve(self) -> None:
        deaths, is_whole = 0, False
        while not is_whole and deaths < _STARTS:
            began = time.monotonic()
            problem, is_whole = self._one_writer()
            deaths = deaths + 1 if time.monotonic() - began < _MINUTE_S else 1
            self._problem = problem if is_whole else f"{problem}, {_STARTS} times"

    def _one_writer(self) -> tuple[str | None, bool]:
        try:
            return self._pass_on()
        except OSError as error:
            return f"the tracking writer could not be started ({error})", False
        except Exception as error:  # an error that nobody sees would look like success
            return f"the tracking writer could not be served ({type(error).__name__}: {error})", False

    def _pass_on(self) -> tuple[str | None, bool]:
        """Serve one writer until it ends; return what went wrong, and whether it said itself how it ended."""
        with self._started() as process:
            self._process = process
            assert process.stdin is not None
            assert process.stdout is not None
            # A broken pipe is a writer that died: the journal has what was passed on, the queue what waits.
            with contextlib.suppress(BrokenPipeError):
                self._pipe(process, process.stdin)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            return _outcome(process.stdout.read(), process.wait())

    def _pipe(self, process: subprocess.Popen[str], writer: IO[str]) -> None:
        """Write what earlier writers got, then everything that comes until the end, or until the writer has died."""
        for known in (self._hello, *map(json.dumps, self._journal.replay())):
            writer.write(known + "\n")
        writer.flush()
        while not self._is_over:
            try:
                line = self._messages.get(timeout=_LOOK_S)
            except queue.Empty:
                if process.poll() is not None:
                    return
                continue
            if line is None:
                self._is_over = True
                return
            self._journal.note(json.loads(line))
            writer.write(line + "\n")
            writer.flush()

    def _started(self) -> subprocess.Popen[str]:
        errors: IO[bytes] | int = self._log.open("ab") if self._log else subprocess.DEVNULL
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )


class ThreadSink:
    """A writer in a thread of this process, for stores that other processes cannot see."""

    def __init__(self, run: Callable[[queue.Queue[Message | None]], str | None]) -> None:
        self._messages: queue.Queue[Message | None] = queue.Queue()
        self._problem: str | None = None

        def serve() -> None:
            try:
                self._problem = run(self._messages)
            except Exception as error:
                self._problem = f"the tracking writer ended with {type(error).__name__}: {error}"

        self._thread = threading.Thread(target=serve, name="tracking", daemon=True)
        self._thread.start()

    def send(self, message: Message) -> None:
        """Queue a message in the form in which another process would get it."""
        self._messages.put(json.loads(json.dumps(message)))

    def close(self, timeout_s: float) -> str | None:
        """Wait for the writer to end."""
        self._messages.put(None)
        self._thread.join(timeout_s)
        return self._problem


def _outcome(printed: str, exit_code: int) -> tuple[str | None, bool]:
    """Return what went wrong, and whether the writer said so itself; one that was killed says nothing."""
    try:
        found = json.loads(printed.strip().splitlines()[-1])
        waiting, problem = found["waiting"], found["problem"]
    except (ValueError, IndexError, KeyError, TypeError):
        return f"the tracking writer ended with code {exit_code}", False
    return (f"{problem} ({waiting} updates wait for `sync`)" if waiting else problem), True
