"""The second trackers that there are, and what each needs."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from orchestration.errors import InputError, Mistake
from orchestration.settings import Settings
from orchestration.tracking.boards.contract import Board, BoardPlace
from orchestration.tracking.boards.tensorboard_files import TensorBoardFiles
from orchestration.tracking.boards.wandb_runs import QUIET, WandbRuns, check_wandb


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardKind:
    """A second tracker.

    Attributes:
        package: What it needs; the extra of the same name installs it.
        open: Opens a sweep on it; imports the package.
        check: Raises `EnvironmentRefused` where it could not write.
    """

    package: str
    open: Callable[[BoardPlace, str], Board]
    check: Callable[[], None] = lambda: None


def _open_wandb(place: BoardPlace, sweep: str) -> Board:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    return WandbRuns(importlib.import_module("wandb"), place, sweep)


def _open_tensorboard(place: BoardPlace, sweep: str) -> Board:
    return TensorBoardFiles(importlib.import_module("torch.utils.tensorboard").SummaryWriter, place, sweep)


BOARDS: Final[Mapping[str, BoardKind]] = {
    "wandb": BoardKind(package="wandb", open=_open_wandb, check=check_wandb),
    "tensorboard": BoardKind(package="tensorboard", open=_open_tensorboard),
}


def check_boards(names: Sequence[str]) -> None:
    """Check that second trackers are known, installed, and can write.

    Raises:
        InputError: If one is unknown or its package is not installed.
        EnvironmentRefused: If one has nobody to write as.
    """
    mistakes = []
    for name in names:
        if name not in BOARDS:
            text = f"unknown tracker '{name}'; known: {', '.join(BOARDS)}"
            mistakes.append(Mistake(where="--track", text=text))
        elif not board_version(name):
            fix = f"install the extra `{name}`: pip install 'dreamgrid[{name}]'"
            text = f"'{name}' needs the package {BOARDS[name].package}, which is not installed; {fix}"
            mistakes.append(Mistake(where="--track", text=text))
    if mistakes:
        raise InputError("options", mistakes)
    for name in names:
        BOARDS[name].check()


def board_version(name: str) -> str:
    """Return the installed version of a tracker's package, "" where there is none."""
    try:
        return version(BOARDS[name].package)
    except PackageNotFoundError:
        return ""


def board_places(settings: Settings) -> tuple[BoardPlace, ...]:
    """Return where each second tracker of a run keeps its own: in a local storage, else in the cache."""
    has_folder = not settings.is_remote and not settings.storage.startswith("memory:")
    folder = settings.storage if has_folder else str(settings.cache_dir)
    return tuple(
        BoardPlace(name=name, folder=folder, prefix=settings.experiment_prefix)
        for name in dict.fromkeys(settings.trackers)
    )
