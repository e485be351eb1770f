"""TensorBoard: one folder a cell with its event files, which are written again as a whole when the cell looks otherwise."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from orchestration.tracking.boards.contract import Board, BoardPlace, curves, results
from orchestration.tracking.boards.notes import digest_of, noted
from orchestration.tracking.content.state import RunState
from orchestration.tracking.content.tracked_values import TrackedCell
from orchestration.tracking.contract import Point

NOTE: Final = "dreamgrid.json"
_ODD: Final = re.compile(r"[^\w.=, +-]+")
_LONGEST_NAME: Final = 120
_EVENTS: Final = "events.out.tfevents.*"


class TensorBoardFiles(Board):
    """The folder of a sweep.

    Args:
        writer: `SummaryWriter` of `torch.utils.tensorboard`.
    """

    def __init__(self, writer: Callable[..., Any], place: BoardPlace, sweep: str) -> None:
        self._writer = writer
        self._folder = place.own_folder / _clean(place.prefix + sweep)
        self._open: dict[str, Any] = {}
        self._seen: dict[str, int] = {}

    def log_points(self, cell: TrackedCell, points: Sequence[Point]) -> None:
        folder = self._folder_of(cell)
        with noted(folder / NOTE) as note:
            if cell.key not in self._open:
                before = _events(folder)
                self._open[cell.key] = self._writer(str(folder))
                note.files += sorted(_events(folder) - before)
            first = self._seen.get(cell.key, note.epochs)
            self._add(self._open[cell.key], [point for point in points if point.step >= first])
            self._open[cell.key].flush()
            note.epochs = self._seen[cell.key] = max([first, *(point.step + 1 for point in points)])
            note.digest = ""

    def show(self, cell: TrackedCell, state: RunState) -> bool:
        folder = self._folder_of(cell)
        with noted(folder / NOTE) as note:
            digest = digest_of(cell, state)
            if note.digest == digest and set(note.files) <= _events(folder):
                return False
            opened = self._open.pop(cell.key, None)
            if opened is not None:
                opened.close()
            self._seen.pop(cell.key, None)
            for name in note.files:  # ours only: somebody may have put another file here
                (folder / name).unlink(missing_ok=True)
            before = _events(folder)
            self._write(folder, cell, state)
            note.files = sorted(_events(folder) - before)
            note.digest = digest
            note.epochs = max([0, *(point.step + 1 for point in curves(state))])
        return True

    def describe(self, grid: Mapping[str, str]) -> None:
        text = grid.get("grid.md", "")
        if not text:
            return
        folder = self._folder / "grid"
        with noted(folder / NOTE) as note:
            digest = hashlib.sha256(text.encode()).hexdigest()[:16]
            if note.digest == digest and set(note.files) <= _events(folder):
                return
            for name in note.files:
                (folder / name).unlink(missing_ok=True)
            before = _events(folder)
            writer = self._writer(str(folder))
            writer.add_text("grid", text)
            writer.close()
            note.files, note.digest = sorted(_events(folder) - before), digest

    def close(self) -> None:
        for writer in self._open.values():
            writer.close()
        self._open.clear()

    def _write(self, folder: Path, cell: TrackedCell, state: RunState) -> None:
        writer = self._writer(str(folder))
        self._add(writer, curves(state))
        labels = {"name": cell.name, "row": cell.row, "status": state.status, **state.tags}
        writer.add_text("cell", "\n".join(f"- **{name}**: {value}" for name, value in labels.items()))
        found = results(state)
        if state.status == "FINISHED" and found:
            params = {name: _number(text) for name, text in cell.params.items()}
            writer.add_hparams(params, found, run_name=".", global_step=0)
        else:
            self._add(writer, [Point(name, value, round(time.time() * 1000), 0) for name, value in found.items()])
        writer.close()

    @staticmethod
    def _add(writer: Any, points: Sequence[Point]) -> None:
        for point in points:
            writer.add_scalar(point.key, point.value, global_step=point.step, walltime=point.time_ms / 1000)

    def _folder_of(self, cell: TrackedCell) -> Path:
        """Return the folder of a cell, found by its key: the name of a row may have changed since."""
        end = f"-{cell.key[:12]}"
        wanted = self._folder / (_clean(cell.name)[: _LONGEST_NAME - len(end)] + end)
        if cell.key not in self._open and not wanted.exists():
            for older in self._folder.glob(f"*{end}") if self._folder.is_dir() else ():
                older.rename(wanted)
                break
        return wanted


def _clean(name: str) -> str:
    return _ODD.sub("-", name).strip("-. ") or "sweep"


def _events(folder: Path) -> set[str]:
    return {file.name for file in folder.glob(_EVENTS)}


def _number(text: str) -> float | str:
    """Return a parameter as TensorBoard sorts it: a number where it is one."""
    try:
        return float(text)
    except ValueError:
        return text
