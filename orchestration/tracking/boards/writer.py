"""The writer of a second tracker: takes the messages of a driver as MLflow's does, in a process of its own.

The results store is read for everything recorded; messages say what changed, and carry the epochs of trainings that still run.
"""

from __future__ import annotations

import contextlib
import json
import queue
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from orchestration.store.contract import ResultsStore
from orchestration.store.open import open_store
from orchestration.tracking.boards.contract import Board, BoardPlace
from orchestration.tracking.boards.registry import BOARDS
from orchestration.tracking.content.messages import Message, messages_of_driver, report_outcome
from orchestration.tracking.content.state import epoch_points, run_state
from orchestration.tracking.content.tracked_values import TrackedCell, TrackedSweep
from orchestration.tracking.contract import Point
from orchestration.tracking.secrets import scrubbed
from trainers.job import EpochRow

_FINAL: Final = frozenset({"done", "failed", "skipped"})


class BoardWriter:
    """Shows one sweep on one second tracker.

    Args:
        open_board: Opens the sweep of a name; called when the sweep is known.
    """

    def __init__(self, open_board: Callable[[str], Board], store: ResultsStore, name: str) -> None:
        self._open_board = open_board
        self._store = store
        self._name = name
        self._board: Board | None = None
        self._cells: dict[str, TrackedCell] = {}
        self._running: set[str] = set()
        self._changed: dict[str, None] = {}
        self._points: dict[str, list[Point]] = {}
        self._grid: Mapping[str, str] = {}
        self._lost: set[str] = set()
        self.problem: str | None = None
        self.written = 0

    @property
    def waiting(self) -> int:
        """Cells that could not be shown."""
        return len(self._lost)

    def take(self, message: Message) -> None:
        """Note what a message says; unknown cells and kinds are ignored."""
        kind, key = message.get("type"), message.get("key")
        if kind == "sweep":
            sweep = msgspec.convert(message["sweep"], TrackedSweep)
            self._cells = {cell.key: cell for cell in sweep.cells}
            self._changed |= dict.fromkeys(message["recorded"])
            self._board = self._guarded(lambda: self._open_board(sweep.name)) if self._board is None else self._board
        elif kind == "grid":
            self._grid = message["files"]
        elif kind == "ended":
            self._changed |= dict.fromkeys(self._running)
            self._running.clear()
        elif key in self._cells:
            self._take_of_cell(key, message)

    def _take_of_cell(self, key: str, message: Message) -> None:
        kind = message["type"]
        if kind == "epoch":
            self._points.setdefault(key, []).extend(epoch_points([EpochRow(**message["row"])]))
        elif kind == "state":
            (self._running.add if message["state"] == "running" else self._running.discard)(key)
            if message["state"] in _FINAL:
                self._changed[key] = None

    def flush(self) -> None:
        """Write what has changed; a cell that fails does not hold up the others."""
        board = self._board
        if board is None:
            return
        points, self._points = self._points, {}
        changed, self._changed = self._changed, {}
        for key, found in points.items():
            if key not in changed:  # else the store has them all
                self._try(key, lambda key=key, found=found: board.log_points(self._cells[key], found))  # type: ignore[misc]
        for key in changed:
            if key in self._cells:
                self._try(key, lambda key=key: self._show(board, self._cells[key]))  # type: ignore[misc]
        if self._grid:
            grid, self._grid = self._grid, {}
            self._guarded(lambda: board.describe(grid))

    def close(self) -> None:
        """Write what is left; cells that still run were interrupted."""
        self.take({"type": "ended"})
        self.flush()
        if self._board is not None:
            self._guarded(self._board.close)

    def _show(self, board: Board, cell: TrackedCell) -> None:
        state = run_state(cell, self._store.result(cell.key), self._store.attempts(cell.key), live=False)
        if state is not None:
            self.written += board.show(cell, state)

    def _try(self, key: str, action: Callable[[], object]) -> None:
        before, self.problem = self.problem, None
        self._guarded(action)
        (self._lost.discard if self.problem is None else self._lost.add)(key)
        self.problem = self.problem or before

    def _guarded(self, action: Callable[[], Any]) -> Any:
        """Run an action; a foreign library's errors are told, and never end the writer."""
        try:
            return action()
        except Exception as error:
            text = (str(error).strip().splitlines() or [type(error).__name__])[0]
            self.problem = f"{self._name} could not be written: {scrubbed(text)[:300]}"
            return None


def run_board_writer(writer: BoardWriter, messages: queue.Queue[Message | None]) -> str | None:
    """Take messages until None arrives, then write what is left; return what could not be written."""
    message: Message | None = None
    while (message := messages.get()) is not None:
        writer.take(message)
        if messages.empty():
            writer.flush()
    writer.close()
    return writer.problem


def board_writer_of(hello: Message, store: ResultsStore) -> BoardWriter:
    """Return the writer that a driver asks for."""
    place = BoardPlace(name=hello["name"], folder=hello["folder"], prefix=hello["prefix"])
    return BoardWriter(lambda sweep: BOARDS[place.name].open(place, sweep), store, place.name)


def main() -> int:
    """Serve one driver: JSON lines on standard input, one JSON line with the outcome on standard output."""
    hello = json.loads(sys.stdin.readline() or "{}")
    if not hello:
        return 0
    writer = board_writer_of(hello, open_store(hello["store"]))
    messages = messages_of_driver("board-messages")
    with contextlib.redirect_stdout(sys.stderr):  # foreign libraries print
        run_board_writer(writer, messages)
    report_outcome(writer)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
