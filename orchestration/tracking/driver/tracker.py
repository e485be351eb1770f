"""The driver's side of tracking: turns what a run reports into messages to the writer, and is never held up by it."""

from __future__ import annotations

import functools
import queue
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, ParamSpec

from eval.report import MetricReport
from eval.tables.column import Column
from orchestration.cells.cell import Plan, PlannedCell
from orchestration.settings import Settings
from orchestration.store.contract import AttemptRecord, TrainingRecord
from orchestration.store.files import FileStore
from orchestration.tracking.addresses import NO_TRACKING, artifacts_of
from orchestration.tracking.boards.contract import BoardPlace
from orchestration.tracking.boards.registry import board_places
from orchestration.tracking.boards.writer import board_writer_of, run_board_writer
from orchestration.tracking.content.messages import Message
from orchestration.tracking.content.tracked_values import tracked_sweep
from orchestration.tracking.driver.sinks import BOARD_WRITER, ProcessSink, SeveralSinks, Sink, ThreadSink
from orchestration.tracking.secrets import scrubbed
from orchestration.tracking.writer import run_writer, writer_of
from trainers.job import EpochRow

P = ParamSpec("P")
END_S: Final = 600.0
"""Seconds that a run waits at its end for what is left to be written; a server that is away costs only the writer's grace."""
_GRACE_S: Final = 20.0


def _never_raises(method: Callable[P, None]) -> Callable[P, None]:
    """Tracking must not bring a run down."""

    @functools.wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:
            args[0]._trouble = f"tracking could not process a message: {error}"  # type: ignore[attr-defined]

    return guarded


class Tracker:
    """Turns what a run reports into messages; listens like the observers of the engine."""

    def __init__(self, sink: Sink, columns: Sequence[Column] = ()) -> None:
        self._sink = sink
        self._columns = tuple(columns)
        self._trouble: str | None = None

    @_never_raises
    def run_started(self, plan: Plan) -> None:
        """Send the sweep, and which cells have records already."""
        recorded = [cell.train_key for cell in plan.cells if cell.trained or cell.failed]
        self._send("sweep", sweep=asdict(tracked_sweep(plan, self._columns)), recorded=recorded)

    @_never_raises
    def cell_state(self, cell: PlannedCell, state: str, detail: str = "") -> None:
        """Send the states that a person looks for: running, and over."""
        if state in {"running", "done", "failed", "skipped"}:
            self._send("state", key=cell.train_key, state=state)

    def cell_progress(self, cell: PlannedCell, stage: str, done: int, total: int) -> None:
        """Steps and images are not tracked."""

    def message(self, text: str) -> None:
        """Messages are not tracked."""

    @_never_raises
    def epoch_ended(self, cell: PlannedCell, row: EpochRow) -> None:
        """Send an epoch; the writer gathers them."""
        self._send("epoch", key=cell.train_key, row=asdict(row))

    @_never_raises
    def training_recorded(self, cell: PlannedCell, record: TrainingRecord) -> None:
        """Send that the store has more of a cell."""
        self._send("recorded", key=cell.train_key)

    @_never_raises
    def report_recorded(self, cell: PlannedCell, checkpoint_sha256: str, report: MetricReport) -> None:
        """Send that the store has more of a cell, or why a benchmark was refused."""
        if report.outcome is not None:
            self._send("recorded", key=cell.train_key)
        else:
            reason = scrubbed(report.error or "refused")
            self._send("refused", key=cell.train_key, benchmark=report.benchmark, reason=reason)

    @_never_raises
    def attempt_failed(self, cell: PlannedCell, attempt: AttemptRecord, decision: str) -> None:
        """Send that an attempt was recorded."""
        self._send("recorded", key=cell.train_key)

    @_never_raises
    def run_ended(self, plan: Plan, status: str) -> None:
        """Send how the run ended."""
        self._send("ended", status=status)

    def publish_grid(self, *, markdown: str, html: str, csv: str, latex: str) -> None:
        """Show the rendered grid on the sweep's run."""
        self._send("grid", files={"grid.md": markdown, "grid.html": html, "grid.csv": csv, "grid.tex": latex})

    def close(self, timeout_s: float = END_S) -> str | None:
        """Wait for what is left to be written; return a sentence for people when something could not be, else None."""
        return self._sink.close(timeout_s) or self._trouble

    def _send(self, kind: str, **fields: Any) -> None:
        self._sink.send({"type": kind, **fields})


def open_tracker(
    uri: str,
    store: FileStore,
    *,
    columns: Sequence[Column] = (),
    log: Path | None = None,
    grace_s: float = _GRACE_S,
    prefix: str = "",
    with_weights: bool = False,
    boards: Sequence[BoardPlace] = (),
) -> Tracker:
    """Open a tracker that shows a run of a sweep on a tracking server; it never blocks and never raises.

    Args:
        uri: sqlite:///file, postgresql://..., http(s)://server, databricks, arn:..., or "none".
        columns: Table columns, for prepared views; without any, the metrics of the wanted benchmarks.
        grace_s: Seconds that the writer goes on trying a server that is away after the run has ended.
        prefix: What the name of the experiment begins with.
        with_weights: Whether logged models contain their checkpoints.
        boards: Second trackers, each with a writer of its own.
    """
    sinks = [_board_sink(place, store, log) for place in boards]
    if uri != NO_TRACKING:
        places = {"uri": uri, "store": store.uri, "artifacts": artifacts_of(uri, store.uri), "prefix": prefix}
        sinks.insert(0, _sink({**places, "grace_s": grace_s, "with_weights": with_weights}, store, log))
    return Tracker(sinks[0] if len(sinks) == 1 else SeveralSinks(sinks), columns)


def _sink(hello: Message, store: FileStore, log: Path | None) -> Sink:
    """Return a writer in its own process; a store in memory is seen by this one only."""
    if store.uri == "memory:":
        return ThreadSink(lambda messages: _serve(hello, store, messages))
    return ProcessSink(hello, log)


def _board_sink(place: BoardPlace, store: FileStore, log: Path | None) -> Sink:
    hello = place.hello(store.uri)
    if store.uri == "memory:":
        return ThreadSink(lambda messages: run_board_writer(board_writer_of(hello, store), messages))
    return ProcessSink(hello, log, BOARD_WRITER)


def _serve(hello: Message, store: FileStore, messages: queue.Queue[Message | None]) -> str | None:
    writer = writer_of(hello, store)
    run_writer(writer, messages, grace_s=hello["grace_s"])
    return writer.problem


def show_on_boards(
    settings: Settings, store: FileStore, plan: Plan, *, columns: Sequence[Column] = (), grid: Mapping[str, str]
) -> str | None:
    """Show what is recorded of a sweep on second trackers only; return what could not be written.

    Args:
        grid: The rendered grid: file name -> text.
    """
    places = board_places(settings)
    if not places:
        return None
    tracker = open_tracker(NO_TRACKING, store, columns=columns, boards=places)
    tracker.run_started(plan)
    tracker.publish_grid(markdown=grid["grid.md"], html=grid["grid.html"], csv=grid["grid.csv"], latex=grid["grid.tex"])
    return tracker.close()
