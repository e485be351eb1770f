"""Moments of a run at which a fault strikes, each recognised by what the driver says or by a file that appears."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.faults.harness.driver import Driver

_TIGHT_S: Final = 0.0005
"""Seconds between two looks at a folder: a checkpoint of a small network is written within milliseconds."""
_MIDDLE: Final = 3
"""Epochs after which a training counts as in its middle."""

Moment = Callable[[Driver, Path], bool]
"""Waits for a moment of a driver on a storage; returns False where the run ended before."""


def _start(driver: Driver, storage: Path) -> bool:
    return driver.wait_until(lambda: bool(driver.events("up")))


def _mid_epoch(driver: Driver, storage: Path) -> bool:
    """The first cell that still trains now has some epochs behind it and others before it."""
    known = len(driver.events("epoch"))

    def is_there() -> bool:
        counts: dict[str, int] = {}
        for event in driver.events("epoch")[known:]:
            counts[event[1]] = counts.get(event[1], 0) + 1
        return max(counts.values(), default=0) >= _MIDDLE

    return driver.wait_until(is_there)


def _checkpoint(driver: Driver, storage: Path) -> bool:
    """A temporary file of a checkpoint is there, or at least another checkpoint than before."""
    folder = storage / "checkpoints"
    before = _files(folder)
    return driver.wait_until(lambda: any(_files(folder) - before), pause_s=_TIGHT_S)


def _evaluation(driver: Driver, storage: Path) -> bool:
    known = len(_evaluations(driver))
    return driver.wait_until(lambda: len(_evaluations(driver)) > known)


def _record(driver: Driver, storage: Path) -> bool:
    """A cell begins to be recorded: its folder, or a file in it, appears."""
    folder = storage / "results"
    before = _files(folder)
    return driver.wait_until(lambda: any(_files(folder) - before), pause_s=_TIGHT_S)


def _end(driver: Driver, storage: Path) -> bool:
    return driver.wait_until(lambda: bool(driver.events("ended")))


MOMENTS: Final[Mapping[str, Moment]] = {
    "start": _start,
    "mid-epoch": _mid_epoch,
    "checkpoint write": _checkpoint,
    "evaluation": _evaluation,
    "record": _record,
    "end": _end,
}


def _evaluations(driver: Driver) -> list[list[str]]:
    return [event for event in driver.events("stage") if event[2] not in ("train", "mixing-set")]


def _files(folder: Path) -> set[str]:
    """Return the paths of all files in a folder, temporary ones included."""
    return {os.path.join(root, name) for root, _, names in os.walk(folder) for name in names}
