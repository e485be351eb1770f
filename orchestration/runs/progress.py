"""What a person sees while a sweep runs: a live display on a terminal, quiet lines elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import IO, Any, Literal

from orchestration.cells.cell import Plan, PlannedCell
from orchestration.engine.observer import CellState, RunObserver
from orchestration.runs.eta import RunProgress, spoken_seconds
from orchestration.store.contract import AttemptRecord
from trainers.job import EpochRow

EndStatus = Literal["complete", "failed", "stopped", "interrupted"]
SUMMARY_EVERY_S = 30.0
SHOWN_CELLS = 8


def progress_for(stream: IO[str] | None = None) -> RunObserver:
    """Return a live display if the stream (stderr) is a terminal, else lines."""
    target = sys.stderr if stream is None else stream
    return LiveProgress(target) if target.isatty() else LineProgress(target)


def cell_name(cell: PlannedCell) -> str:
    """Return what a cell is called on the screen: id, row or method, seed."""
    return f"{cell.cell_id} {cell.cell.row or cell.config.method} seed {cell.cell.seed}"


class LineProgress(RunObserver):
    """One line per event that matters, and a summary with the ETA now and then."""

    def __init__(self, stream: IO[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._progress = RunProgress(())
        self._last_summary = clock()

    def run_started(self, plan: Plan) -> None:
        with self._lock:
            self._progress = RunProgress(plan.to_run)
            done = sum(cell.is_done for cell in plan.cells)
            self._write(f"{plan.sweep}: {len(plan.to_run)} cells to run, {done} recorded")
            for line in plan.missing_benchmarks if plan.to_run else ():
                self._write(f"missing: {line}")

    def cell_state(self, cell: PlannedCell, state: CellState, detail: str = "") -> None:
        with self._lock:
            self._progress.state(cell.train_key, state, self._clock())
            tail = f" ({detail})" if detail else ""
            self._write(f"{self._position()} {cell_name(cell)}: {state}{tail}")

    def cell_progress(self, cell: PlannedCell, stage: str, done: int, total: int) -> None:
        with self._lock:
            now = self._clock()
            self._progress.progress(cell.train_key, stage, done, total, now)
            if now - self._last_summary >= SUMMARY_EVERY_S:
                self._last_summary = now
                left = spoken_seconds(self._progress.eta_s(now))
                self._write(f"{self._position()} {self._progress.share_done():.0%} done, about {left} left")

    def attempt_failed(self, cell: PlannedCell, attempt: AttemptRecord, decision: str) -> None:
        with self._lock:
            self._write(
                f"{cell_name(cell)}: attempt {attempt.attempt} failed: {attempt.message.splitlines()[0]}; {decision}"
            )

    def message(self, text: str) -> None:
        with self._lock:
            self._write(text)

    def run_ended(self, plan: Plan, status: EndStatus) -> None:
        with self._lock:
            self._write(f"{plan.sweep}: {status}")

    def _position(self) -> str:
        counts = self._progress.counts()
        over = sum(counts.get(state, 0) for state in ("done", "failed", "skipped", "leased-elsewhere"))
        return f"[{over}/{self._progress.total}]"

    def _write(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()


class LiveProgress(RunObserver):
    """A Rich display: one bar for the whole sweep with its ETA, one line for each running cell."""

    def __init__(self, stream: IO[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console
        from rich.live import Live

        self._clock = clock
        self._lock = threading.RLock()
        self._progress = RunProgress(())
        self._running: dict[str, list[str]] = {}
        self._name = ""
        self._console = Console(file=stream)
        self._live = Live(
            get_renderable=self._draw,
            console=self._console,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def run_started(self, plan: Plan) -> None:
        with self._lock:
            self._name = plan.sweep
            self._progress = RunProgress(plan.to_run)
        if plan.to_run:
            self._live.start()

    def cell_state(self, cell: PlannedCell, state: CellState, detail: str = "") -> None:
        with self._lock:
            self._progress.state(cell.train_key, state, self._clock())
            if state == "running":
                self._running[cell.train_key] = [cell_name(cell), "starting", ""]
            else:
                self._running.pop(cell.train_key, None)
            if state in ("failed", "skipped"):
                self._say(f"{cell_name(cell)}: {state} ({detail})")

    def cell_progress(self, cell: PlannedCell, stage: str, done: int, total: int) -> None:
        with self._lock:
            self._progress.progress(cell.train_key, stage, done, total, self._clock())
            line = self._running.setdefault(cell.train_key, [cell_name(cell), "", ""])
            line[1] = f"{stage} {done / total:.0%}" if total else stage

    def epoch_ended(self, cell: PlannedCell, row: EpochRow) -> None:
        with self._lock:
            line = self._running.setdefault(cell.train_key, [cell_name(cell), "", ""])
            line[2] = f"epoch {row.epoch + 1}, loss {row.loss:.3f}, {row.images_per_s:.0f} images/s"

    def attempt_failed(self, cell: PlannedCell, attempt: AttemptRecord, decision: str) -> None:
        with self._lock:
            self._say(
                f"{cell_name(cell)}: attempt {attempt.attempt} failed: {attempt.message.splitlines()[0]}; {decision}"
            )

    def message(self, text: str) -> None:
        with self._lock:
            self._say(text)

    def run_ended(self, plan: Plan, status: EndStatus) -> None:
        if self._live.is_started:
            self._live.stop()
        with self._lock:
            self._say(f"{plan.sweep}: {status}")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def _draw(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        with self._lock:
            counts = self._progress.counts()
            left = spoken_seconds(self._progress.eta_s(self._clock()))
            head = Table.grid(padding=(0, 1))
            states = ", ".join(f"{number} {state}" for state, number in counts.items())
            bar = ProgressBar(total=1.0, completed=self._progress.share_done(), width=30)
            head.add_row(
                Text(self._name, style="bold"), bar, Text(f"{self._progress.share_done():.0%}  about {left} left")
            )
            body = Table.grid(padding=(0, 2))
            for line in list(self._running.values())[:SHOWN_CELLS]:
                body.add_row(*(Text(part) for part in line))
            hidden = len(self._running) - SHOWN_CELLS
            more = [Text(f"and {hidden} more running")] if hidden > 0 else []
            return Group(head, Text(states, style="dim"), body, *more)
