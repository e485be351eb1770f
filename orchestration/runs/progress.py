"""What a person sees while a sweep runs: a live display on a terminal, quiet lines elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any

from augment.heavy import rich
from augment.lookup.parameters import first_line
from augment.lookup.wording import count
from orchestration.cells.cell import Plan, PlannedCell
from orchestration.engine.observer import CellState, RunObserver, RunStatus
from orchestration.engine.resources import Resources
from orchestration.planning.costs.estimate import TRAIN_STAGE
from orchestration.runs.eta import RunProgress, time_left
from orchestration.store.contract import AttemptRecord
from trainers.job import EpochRow

SUMMARY_EVERY_S = 30.0
SHOWN_CELLS = 8
WITH_BAR = 70
WITH_DETAIL = 110
"""Columns of a terminal from which a bar, and the losses of running cells, have room; digits are not cut to make some."""

_SPOKEN = {TRAIN_STAGE: "training", "mixing set": "building the mixing set"}


def progress_for(stream: IO[str] | None = None) -> RunObserver:
    """Return a live display if the stream (stderr) is a terminal, else lines."""
    target = sys.stderr if stream is None else stream
    return LiveProgress(target) if target.isatty() else LineProgress(target)


def cell_name(cell: PlannedCell) -> str:
    """Return what a cell is called on the screen: id, row or method, seed."""
    return f"{cell.cell_id} {cell.cell.row or cell.config.method} seed {cell.cell.seed}"


def stage_text(stage: str, done: int, total: int) -> str:
    """Return what a cell is doing, for people: "building the mixing set 40 %"."""
    spoken = _SPOKEN.get(stage, stage)
    return f"{spoken} {100 * done / total:.0f} %" if total else spoken


def missing_lines(plan: Plan) -> list[str]:
    """Return what a run goes on without: files of benchmarks."""
    return [f"missing: {line}" for line in plan.missing_benchmarks] if plan.to_run else []


def attempt_text(cell: PlannedCell, attempt: AttemptRecord, decision: str) -> str:
    """Return that an attempt failed, or was stopped with its run, why, and what follows."""
    how = "stopped" if attempt.error_class == "stopped" else "failed"
    text = f"{cell_name(cell)}: attempt {attempt.attempt} {how}: {first_line(attempt.message) or attempt.error_class}"
    return f"{text}; {decision}" if decision else text


def _gpu_text(busy: Iterable[float | None]) -> str:
    """Return how busy GPUs are on average, as the end of a line; nothing where no GPU says it."""
    known = [share for share in busy if share is not None]
    return f", GPU {100 * sum(known) / len(known):.0f} %" if known else ""


def _text_column(field: str) -> Any:
    """Return a column of Rich whose texts go on in a second line where they are too long: an ellipsis would cut numbers."""
    column = rich.table.Column(no_wrap=False)
    return rich.progress.TextColumn(f"{{task.{field}}}", markup=False, table_column=column)


class LineProgress(RunObserver):
    """One line per event that matters, and a summary with the ETA now and then."""

    def __init__(self, stream: IO[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._estimates: Mapping[str, Mapping[str, float]] = {}
        self._progress = RunProgress(())
        self._last_summary = clock()
        self._gpu_busy: dict[str, float | None] = {}

    def stage(self, text: str, *, is_brief: bool = False) -> None:
        if text and not is_brief:
            self.message(f"{text} ...")

    def work_estimated(self, seconds: Mapping[str, Mapping[str, float]]) -> None:
        self._estimates = seconds

    def resources_known(self, resources: Resources) -> None:
        self.message(str(resources))

    def run_started(self, plan: Plan) -> None:
        with self._lock:
            self._progress = RunProgress(plan.to_run, self._estimates)
            done = sum(cell.is_done for cell in plan.cells)
            self._write(f"{plan.sweep}: {count(len(plan.to_run), 'cell')} to run, {done} done")
            for line in missing_lines(plan):
                self._write(line)

    def cell_state(self, cell: PlannedCell, state: CellState, detail: str = "") -> None:
        with self._lock:
            self._progress.state(cell.train_key, state, self._clock())
            if state != "running":
                self._gpu_busy.pop(cell.train_key, None)
            tail = f" ({detail})" if detail else ""
            self._write(f"{self._position()} {cell_name(cell)}: {state}{tail}")

    def cell_progress(self, cell: PlannedCell, stage: str, done: int, total: int) -> None:
        with self._lock:
            now = self._clock()
            self._progress.progress(cell.train_key, stage, done, total, now)
            if now - self._last_summary >= SUMMARY_EVERY_S:
                self._last_summary = now
                left = time_left(self._progress.eta_s(now)) + _gpu_text(self._gpu_busy.values())
                doing = f"{cell.cell.row or cell.config.method} seed {cell.cell.seed}: {stage_text(stage, done, total)}"
                self._write(f"{self._position()} {100 * self._progress.share_done():.0f} % done, {left}; {doing}")

    def epoch_ended(self, cell: PlannedCell, row: EpochRow) -> None:
        with self._lock:
            self._gpu_busy[cell.train_key] = row.gpu_busy

    def attempt_failed(self, cell: PlannedCell, attempt: AttemptRecord, decision: str) -> None:
        with self._lock:
            self._write(attempt_text(cell, attempt, decision))

    def message(self, text: str) -> None:
        with self._lock:
            self._write(text)

    def run_ended(self, plan: Plan, status: RunStatus) -> None:
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
    """Rich's progress display: one bar for the whole sweep with its ETA, one line for each running cell.

    A bar without a total moves to and fro: work goes on, and how much of it is done is not known yet.
    """

    def __init__(self, stream: IO[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._estimates: Mapping[str, Mapping[str, float]] = {}
        self._progress = RunProgress(())
        self._cells: dict[str, Any] = {}
        self._has_begun = False
        console = rich.console.Console(file=stream)
        self.display = rich.progress.Progress(
            _text_column("description"),
            *([rich.progress.BarColumn(bar_width=20)] if console.width >= WITH_BAR else []),
            _text_column("fields[stage]"),
            *([_text_column("fields[detail]")] if console.width >= WITH_DETAIL else []),
            console=console,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._sweep = self.display.add_task("", total=None, stage="", detail="")

    def stage(self, text: str, *, is_brief: bool = False) -> None:
        with self._lock:
            if not text:
                self.display.stop()
                return
            self.display.update(self._sweep, description=f"{text} ...")
            self.display.start()

    def work_estimated(self, seconds: Mapping[str, Mapping[str, float]]) -> None:
        self._estimates = seconds

    def resources_known(self, resources: Resources) -> None:
        self.message(str(resources))

    def run_started(self, plan: Plan) -> None:
        with self._lock:
            self._progress = RunProgress(plan.to_run, self._estimates)
            self.display.update(self._sweep, description=plan.sweep)
            self._update()
            for line in missing_lines(plan):
                self.message(line)
        if plan.to_run:
            self.display.start()

    def cell_state(self, cell: PlannedCell, state: CellState, detail: str = "") -> None:
        with self._lock:
            self._progress.state(cell.train_key, state, self._clock())
            if state == "running":
                self._task(cell)
            elif cell.train_key in self._cells:
                self.display.remove_task(self._cells.pop(cell.train_key))
            if state in ("failed", "skipped"):
                self.message(f"{cell_name(cell)}: {state} ({detail})")
            self._update()

    def cell_progress(self, cell: PlannedCell, stage: str, done: int, total: int) -> None:
        with self._lock:
            self._progress.progress(cell.train_key, stage, done, total, self._clock())
            share = done / total if total else 0.0
            self.display.update(self._task(cell), total=1.0, completed=share, stage=stage_text(stage, done, total))
            self._update()

    def epoch_ended(self, cell: PlannedCell, row: EpochRow) -> None:
        with self._lock:
            text = f"epoch {row.epoch + 1}, loss {row.loss:.3f}, {row.images_per_s:.0f} images/s"
            self.display.update(self._task(cell), detail=text + _gpu_text([row.gpu_busy]))

    def attempt_failed(self, cell: PlannedCell, attempt: AttemptRecord, decision: str) -> None:
        self.message(attempt_text(cell, attempt, decision))

    def message(self, text: str) -> None:
        with self._lock:
            self.display.console.print(text, markup=False, highlight=False)

    def run_ended(self, plan: Plan, status: RunStatus) -> None:
        self.display.stop()
        self.message(f"{plan.sweep}: {status}")

    def _task(self, cell: PlannedCell) -> Any:
        """Return the line of a running cell, which is added when the cell is first heard of."""
        if cell.train_key not in self._cells:
            task = self.display.add_task(cell_name(cell), total=None, stage="starting", detail="")
            self._cells[cell.train_key] = task
        return self._cells[cell.train_key]

    def _update(self) -> None:
        share, counts = self._progress.share_done(), self._progress.counts()
        states = ", ".join(f"{number} {state}" for state, number in counts.items())
        self._has_begun |= not counts.keys() <= {"waiting"}
        if counts and not self._has_begun:
            self.display.update(self._sweep, stage="starting workers", detail=states)
            return
        text = f"{100 * share:.0f} %  {time_left(self._progress.eta_s(self._clock()))}"
        self.display.update(self._sweep, total=1.0, completed=share, stage=text, detail=states)
        # Cells beyond the first few are counted above, but not drawn.
        for position, task in enumerate(self._cells.values()):
            self.display.update(task, visible=position < SHOWN_CELLS)
