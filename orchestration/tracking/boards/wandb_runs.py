"""Weights & Biases: one run a cell, whose id follows from the cell, so that a sweep continued anywhere continues its runs."""

from __future__ import annotations

import hashlib
import netrc
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from urllib.parse import urlsplit

from orchestration.errors import EnvironmentRefused
from orchestration.tracking.boards.contract import Board, BoardPlace, curves, results
from orchestration.tracking.boards.notes import Note, digest_of, noted
from orchestration.tracking.content.state import RunState
from orchestration.tracking.content.tracked_values import TrackedCell
from orchestration.tracking.contract import Point

QUIET: Final[Mapping[str, str]] = {"WANDB_SILENT": "true", "WANDB_CONSOLE": "off", "WANDB_ERROR_REPORTING": "false"}
_ODD: Final = re.compile(r"[/\\#?%:\s]+")
_LONGEST_PROJECT: Final = 128
_LONGEST_TAG: Final = 64
_LOCAL: Final = frozenset({"offline", "disabled", "dryrun"})
_CLOUD: Final = "https://api.wandb.ai"


def check_wandb(environment: Mapping[str, str] | None = None) -> None:
    """Check that W&B knows who writes, unless it only writes files.

    Raises:
        EnvironmentRefused: If there is no key; its library would ask for one where nobody can answer.
    """
    variables = os.environ if environment is None else environment
    if variables.get("WANDB_MODE", "") in _LOCAL or variables.get("WANDB_API_KEY"):
        return
    host = urlsplit(variables.get("WANDB_BASE_URL") or _CLOUD).hostname or ""
    try:
        if netrc.netrc(variables.get("NETRC")).authenticators(host):
            return
    except (OSError, netrc.NetrcParseError):
        pass
    raise EnvironmentRefused(
        f"W&B must know who writes to {host}, but neither WANDB_API_KEY nor a login says so; "
        "set WANDB_API_KEY, log in with `wandb login`, or write files only with WANDB_MODE=offline"
    )


class WandbRuns(Board):
    """The project of a sweep.

    Args:
        library: The package `wandb`.
    """

    def __init__(self, library: ModuleType, place: BoardPlace, sweep: str) -> None:
        self._wandb = library
        # W&B makes a folder `wandb` in this one.
        self._folder = Path(os.environ.get("WANDB_DIR") or place.folder)
        self._notes = place.own_folder / "dreamgrid"
        self._project = os.environ.get("WANDB_PROJECT") or _ODD.sub("-", place.prefix + sweep).strip("-")
        self._project = self._project[:_LONGEST_PROJECT]
        self._sweep = sweep
        self._open: dict[str, Any] = {}

    def log_points(self, cell: TrackedCell, points: Sequence[Point]) -> None:
        with noted(self._note_of(cell)) as note:
            self._log(self._run_of(cell), points, note)

    def show(self, cell: TrackedCell, state: RunState) -> bool:
        with noted(self._note_of(cell)) as note:
            digest = digest_of(cell, state)
            if note.digest == digest and cell.key not in self._open:
                return False
            run = self._run_of(cell)
            self._log(run, curves(state), note)
            run.config.update({f"tags.{name}": value for name, value in state.tags.items()}, allow_val_change=True)
            run.summary.update({**results(state), "status": state.status})
            for name, text in state.artifacts.items():
                (Path(run.dir) / name).write_text(text, encoding="utf-8")  # what is in this folder is uploaded
            self._open.pop(cell.key)
            run.finish(exit_code=0 if state.status == "FINISHED" else 1)
            note.digest = digest
        return True

    def describe(self, grid: Mapping[str, str]) -> None:
        text = grid.get("grid.md", "")
        if not text:
            return
        with noted(self._notes / self._project / "grid.json") as note:
            digest = hashlib.sha256(text.encode()).hexdigest()[:16]
            if note.digest == digest:
                return
            run = self._begun(run_id(self._project, "grid"), f"Grid of {self._sweep}", group="", kind="sweep")
            run.notes = text
            for name, content in grid.items():
                (Path(run.dir) / name).write_text(content, encoding="utf-8")
            run.finish(exit_code=0)
            note.digest = digest

    def close(self) -> None:
        for key in tuple(self._open):
            self._open.pop(key).finish(exit_code=1)

    def _note_of(self, cell: TrackedCell) -> Path:
        return self._notes / self._project / f"{cell.key[:32]}.json"

    def _run_of(self, cell: TrackedCell) -> Any:
        run = self._open.get(cell.key)
        if run is None:
            run = self._begun(
                run_id(self._project, cell.key), cell.name, group=cell.row, kind=cell.tags.get("kind", "cell")
            )
            run.config.update({**cell.params, "cell_key": cell.key, "sweep": self._sweep}, allow_val_change=True)
            self._open[cell.key] = run
        return run

    def _begun(self, identity: str, name: str, *, group: str, kind: str) -> Any:
        self._folder.mkdir(parents=True, exist_ok=True)
        settings = self._wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            save_code=False,
            x_disable_meta=True,  # host, user, paths and the command line of this process
            x_disable_stats=True,  # the writer's machine trains nothing
        )
        run = self._wandb.init(
            project=self._project,
            dir=str(self._folder),
            id=identity,
            name=name,
            group=group or None,
            job_type=kind,
            tags=[tag for tag in (kind, group[:_LONGEST_TAG]) if tag],
            resume="allow",
            reinit="create_new",  # the cells of a sweep run next to each other
            settings=settings,
        )
        run.define_metric("epoch")
        run.define_metric("train/*", step_metric="epoch")
        run.define_metric("validation/*", step_metric="epoch")
        return run

    def _log(self, run: Any, points: Sequence[Point], note: Note) -> None:
        """Log epochs that were not logged: of a resumed run the server knows the last step too."""
        first = max(note.epochs, int(run.step))
        rows: dict[int, dict[str, float]] = {}
        for point in points:
            if point.step >= first:
                rows.setdefault(point.step, {"epoch": point.step})[point.key] = point.value
        for epoch, values in sorted(rows.items()):
            run.log(values, step=epoch)
            note.epochs = epoch + 1


def run_id(project: str, key: str) -> str:
    """Return the id of a run: the same for the same cell of the same project, on any machine."""
    return hashlib.sha256(f"{project}/{key}".encode()).hexdigest()[:24]
