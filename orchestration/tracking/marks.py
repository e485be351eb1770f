"""Marks of what a tracking server was shown: a note in the cache that spares a run with nothing to do the import of MLflow.

A mark is a convenience: deleting the cache only makes the next run show the sweep again, which changes nothing there.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from orchestration.cells.cell import Plan
from orchestration.settings import Settings
from orchestration.tracking.addresses import sqlite_file


@dataclass(frozen=True, slots=True)
class ShownMark:
    """The mark of one sweep on one server: with which complete cells it was shown last.

    Args:
        content: Identifies the cells; another choice of cells has the runs of this one marked as unwanted.
    """

    path: Path
    uri: str
    content: str

    @classmethod
    def of(cls, settings: Settings, plan: Plan) -> ShownMark:
        """Return the mark of a plan whose cells are all complete."""
        cells = [[cell.train_key, sorted(request.key for request in cell.benchmarks)] for cell in plan.cells]
        name = _digest(
            [settings.storage, settings.tracking, settings.experiment_prefix + plan.sweep, *settings.trackers]
        )
        return cls(settings.cache_dir / "shown" / name, settings.tracking, _digest(cells))

    def is_noted(self) -> bool:
        """Whether the server was shown this; a database file that is gone, or in the place of an older one, was not."""
        file = _file_number(self.uri)
        if not file:
            return False
        try:
            return self.path.read_text(encoding="utf-8") == f"{self.content} {file}"
        except OSError:
            return False

    def note(self) -> None:
        """Note that the server was shown this; a cache that cannot be written is passed over."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(f"{self.content} {_file_number(self.uri)}", encoding="utf-8")
        except OSError:
            return

    def clear(self) -> None:
        """Note that the server shows the sweep otherwise now, or incomplete."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError:
            return


def _file_number(uri: str) -> str:
    """Return what tells a database file from another of its name, "" where there is none; "server" for other addresses."""
    database = sqlite_file(uri)
    try:
        return "server" if database is None else str(database.stat().st_ino)
    except OSError:
        return ""


def _digest(plain: object) -> str:
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:32]
