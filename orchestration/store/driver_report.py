"""What a driver reports of itself while it runs, for people who watch from elsewhere: no result, and gone when the run ends."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

LOCAL_EVERY_S: Final = 2.0
REMOTE_EVERY_S: Final = 10.0
"""Between two reports, or two looks at them, where each is a request: as often as leases are renewed."""


class UseOfWorker(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """How busy a worker is.

    Attributes:
        node: Name of its machine.
        cpu_busy: Share of that machine's CPU time, 0 to 1.
        gpu_busy: Share of the time in which its GPU worked, or None where none is, or nothing says so.
    """

    node: str
    rank: int
    cpu_busy: float
    gpu_busy: float | None


class RunningCell(msgspec.Struct, frozen=True, kw_only=True):
    """How far a running cell is; every value as the driver last heard it.

    Attributes:
        stage: "train", "mixing set" or the name of a benchmark; "" before the first is reported.
        done: Steps or images of the stage, of `total`.
        running_s: Seconds since it was handed to workers.
        epoch: Epochs that ended.
        loss: Mean loss of the last epoch.
        accuracy: Accuracy on training images as seen, in the last epoch.
        workers: The use of each worker that reported one.
    """

    train_key: str
    stage: str = ""
    done: int = 0
    total: int = 0
    running_s: float = 0.0
    epoch: int = 0
    loss: float | None = None
    accuracy: float | None = None
    images_per_s: float | None = None
    workers: tuple[UseOfWorker, ...] = ()


class DriverReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one driver does now.

    Attributes:
        owner: The process (`clusters.temporary.owners`).
        sweep: Label of the sweep that it runs.
        beat: Counts its reports: one that stays the same comes from a driver that is silent.
        stage: What it does before the first cell runs, "" from then on.
        changes: Counts what it recorded, failures included: as long as it stays the same, so do the records.
        elapsed_s: Seconds since it began.
        cells_per_hour: Cells that it completed, over the time since its first cell began; None before one is complete.
        share: Share of the run's estimated work that is done, 0 to 1, as its own display says; None before the run is planned.
        eta_s: Seconds that its own display says are left, or None while it is estimating.
        resources: What each worker reserves.
        log_file: Where Ray's log is on its machine.
    """

    owner: str
    sweep: str
    beat: int
    stage: str = ""
    changes: int = 0
    elapsed_s: float = 0.0
    cells_per_hour: float | None = None
    share: float | None = None
    eta_s: float | None = None
    resources: str = ""
    log_file: str = ""
    cells: tuple[RunningCell, ...] = ()


class Drivers(Protocol):
    """The drivers that run on a storage, as they report themselves."""

    def report_driver(self, report: DriverReport) -> None:
        """Write what a driver does now, over what it reported before."""

    def drivers(self) -> tuple[DriverReport, ...]:
        """Return the last report of every driver that did not withdraw it; one that is not whole is left out."""

    def forget_driver(self, owner: str) -> None:
        """Withdraw the report of a driver."""


def report_every_s(*, is_remote: bool) -> float:
    """Return the seconds between two reports of a driver, and so between two looks at them."""
    return REMOTE_EVERY_S if is_remote else LOCAL_EVERY_S
