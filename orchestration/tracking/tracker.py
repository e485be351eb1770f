"""The driver's side of tracking: an observer that hands messages to the writer and is never held up by it."""

from __future__ import annotations

import contextlib
import functools
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal, ParamSpec, Protocol

from eval.tables.column import Column
from orchestration.engine.observer import CellState, RunObserver
from orchestration.tracking.journal import Journal
from orchestration.tracking.secrets import scrubbed
from orchestration.tracking.tracked_values import tracked_sweep

if TYPE_CHECKING:
    from eval.report import MetricReport
    from orchestration.cells.cell import Plan, PlannedCell
    from orchestration.store.contract import AttemptRecord, TrainingRecord
    from trainers.job import EpochRow

P = ParamSpec("P")
WRITER: Final = "orchestration.tracking.writer"
END_S: Final = 600.0
"""Seconds that a run waits at its end for what is left to be written; a server that is away costs only the writer's grace."""
_STARTS: Final = 5


class Sink(Protocol):
    """Takes messages in order without holding up its caller."""

    def send(self, message: Mapping[str, Any]) -> None:
        """Take a message."""

    def close(self, timeout_s: float) -> str | None:
        """Say that no more follow; wait for what is left to be written, and return what went wrong."""


class Tracker(RunObserver):
    """Observes nothing: the base of trackers, and the one for runs without tracking."""

    def publish_grid(self, *, markdown: str, html: str, csv: str, latex: str) -> None:
        """Show the rendered grid on the sweep's run."""

    def close(self, timeout_s: float = END_S) -> str | None:
        """Wait for what is left to be written; return a sentence for people when something could not be, else None."""
        return None


def _never_raises(method: Callable[P, None]) -> Callable[P, None]:
    """An observer must not bring a run down, whatever it is told."""

    @functools.wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:
            args[0]._trouble = f"tracking stumbled over its own message: {error}"  # type: ignore[attr-defined]

    return guarded


class MessageTracker(Tracker):
    """Turns what it observes into messages.

    Args:
        sink: Where messages go.
        columns: Table columns, for prepared views; without any, the metrics of the wanted benchmarks.
    """

    def __init__(self, sink: Sink, columns: Sequence[Column] = ()) -> None:
        self._sink = sink
        self._columns = tuple(columns)
        self._trouble: str | None = None

    @_never_raises
    def run_started(self, plan: Plan) -> None:
        """Tell the writer the sweep, and which cells have records already."""
        recorded = [cell.train_key for cell in plan.cells if cell.trained or cell.failed]
        self._send("sweep", sweep=tracked_sweep(plan, self._columns).to_plain(), recorded=recorded)

    @_never_raises
    def cell_state(self, cell: PlannedCell, state: CellState, detail: str = "") -> None:
        """Tell the states that a person looks for: at work, and over."""
        if state in {"running", "done", "failed", "skipped"}:
            self._send("state", key=cell.train_key, state=state)

    @_never_raises
    def epoch_ended(self, cell: PlannedCell, row: EpochRow) -> None:
        """Tell an epoch; the writer gathers them."""
        self._send("epoch", key=cell.train_key, row=asdict(row))

    @_never_raises
    def training_recorded(self, cell: PlannedCell, record: TrainingRecord) -> None:
        """Tell that the store has more of a cell."""
        self._send("recorded", key=cell.train_key)

    @_never_raises
    def report_recorded(self, cell: PlannedCell, checkpoint_sha256: str, report: MetricReport) -> None:
        """Tell that the store has more of a cell, or why a benchmark was refused."""
        if report.outcome is not None:
            self._send("recorded", key=cell.train_key)
        else:
            reason = scrubbed(report.error or "refused")
            self._send("refused", key=cell.train_key, benchmark=report.benchmark, reason=reason)

    @_never_raises
    def attempt_failed(self, cell: PlannedCell, attempt: AttemptRecord, decision: str) -> None:
        """Tell that an attempt was recorded."""
        self._send("recorded", key=cell.train_key)

    @_never_raises
    def run_ended(self, plan: Plan, status: Literal["complete", "failed", "stopped", "interrupted"]) -> None:
        """Tell how the run ended."""
        self._send("ended", status=status)

    def publish_grid(self, *, markdown: str, html: str, csv: str, latex: str) -> None:
        """Show the rendered grid on the sweep's run."""
        self._send("grid", files={"grid.md": markdown, "grid.html": html, "grid.csv": csv, "grid.tex": latex})

    def close(self, timeout_s: float = END_S) -> str | None:
        """Wait for what is left to be written; return a sentence for people when something could not be, else None."""
        return self._sink.close(timeout_s) or self._trouble

    def _send(self, kind: str, **fields: Any) -> None:
        self._sink.send({"type": kind, **fields})


class ProcessSink:
    """A writer in a process of its own, in its own session so that Ctrl-C does not reach it; it ends with its driver.

    One that dies is started again and told everything once more.

    Args:
        hello: What the writer must know first.
        log: File that takes everything MLflow prints, or None to drop it.
        command: The writer's command line.
    """

    def __init__(
        self, hello: Mapping[str, Any], log: Path | None, command: Sequence[str] = (sys.executable, "-m", WRITER)
    ) -> None:
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

    def send(self, message: Mapping[str, Any]) -> None:
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
        for _ in range(_STARTS):
            problem, is_whole = self._one_writer()
            self._problem = problem if is_whole else f"{problem}, {_STARTS} times"
            if is_whole:
                return

    def _one_writer(self) -> tuple[str | None, bool]:
        try:
            return self._pass_on()
        except OSError as error:
            return f"the tracking writer could not be started ({error})", False

    def _pass_on(self) -> tuple[str | None, bool]:
        """Serve one writer until it ends; return what went wrong, and whether it said itself how it ended."""
        with self._started() as process:
            self._process = process
            assert process.stdin is not None
            assert process.stdout is not None
            # A broken pipe is a writer that died: the journal has what was passed on, the queue what waits.
            with contextlib.suppress(BrokenPipeError):
                self._tell(process.stdin)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            return _outcome(process.stdout.read(), process.wait())

    def _tell(self, writer: IO[str]) -> None:
        """Tell a writer what was told before, then everything that comes until the end."""
        for known in (self._hello, *map(json.dumps, self._journal.replay())):
            writer.write(known + "\n")
        writer.flush()
        while not self._is_over:
            line = self._messages.get()
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

    def __init__(self, run: Callable[[queue.Queue[Mapping[str, Any] | None]], str | None]) -> None:
        self._messages: queue.Queue[Mapping[str, Any] | None] = queue.Queue()
        self._problem: str | None = None

        def serve() -> None:
            try:
                self._problem = run(self._messages)
            except Exception as error:
                self._problem = f"the tracking writer ended with {type(error).__name__}: {error}"

        self._thread = threading.Thread(target=serve, name="tracking", daemon=True)
        self._thread.start()

    def send(self, message: Mapping[str, Any]) -> None:
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
