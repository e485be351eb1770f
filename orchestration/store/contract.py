"""The contract of the results store: its records, its errors, and what each part of it promises.

Records are immutable and the first writer wins. Only the driver writes; workers return values.

    SweepError
      StoreError              the store was asked something that it does not do
        CorruptRecordError    a file in the store is not a whole, known record
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

from eval.report import MetricReport
from orchestration.cells.keys import IMPORTED
from orchestration.errors import EnvironmentRefused, SweepError
from orchestration.store.driver_report import Drivers
from trainers.job import TrainSummary

ErrorClass = Literal[
    "out-of-memory", "preempted", "nan", "bad-data", "no-space", "unusable-device", "worker-died", "bug", "stopped"
]
Action = Literal["pause", "stop"]
Kind = tuple[str, str, str, str]
"""(dataset, model, method, precision) of a training, (dataset, model, benchmark, precision) of an evaluation; the precision is
the one that was asked for."""


class StoreError(SweepError):
    """Base of every error of the results store."""


class CorruptRecordError(StoreError, EnvironmentRefused):
    """A file in the store is truncated, altered, of another kind or of an unknown version; it is never trusted.

    Args:
        fault: What is wrong, and with which file.
    """

    def __init__(self, fault: str, fix: str) -> None:
        super().__init__(fault, fix)
        self.fault = fault
        self.train_key = ""
        """The cell whose record it is, where a reader of cells met it."""

    def __str__(self) -> str:
        return "; ".join(self.args)


OnDamage = Callable[[CorruptRecordError], None]
"""Is handed each file that is not whole where a reader goes on without it."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a result comes from.

    Attributes:
        commit: Commit of the code, or "" outside a checkout.
        dirty: Whether the working tree differed from that commit.
        driver: Host, user-neutral process identity and Ray version of the driver.
    """

    commit: str
    dirty: bool
    config: Mapping[str, Any]
    config_hash: str
    data_identity: str
    versions: Mapping[str, Any]
    driver: Mapping[str, Any]
    recorded_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """A finished training of a train key."""

    train_key: str
    summary: TrainSummary
    provenance: Provenance


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A failed or interrupted attempt at a cell; never a result."""

    train_key: str
    attempt: int
    error_class: ErrorClass
    message: str
    started_at: float
    ended_at: float
    context: Mapping[str, Any] = {}  # msgspec copies the default


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """What is recorded of a cell: its newest complete checkpoint and the reports on exactly that checkpoint."""

    train_key: str
    training: TrainingRecord
    reports: Mapping[str, MetricReport]
    """Benchmark key -> report."""

    @property
    def is_imported(self) -> bool:
        """Whether its numbers come from another suite's file."""
        return self.training.summary.checkpoint_uri.startswith(f"{IMPORTED}:")


class SweptCell(msgspec.Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    """A cell of a sweep that was run; `row` is "" for a cell that only others start from."""

    train_key: str
    row: str
    seed: int


class SweepRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sweep that was run on this storage: its content and the cells that it wanted, so that they are kept.

    Attributes:
        size: "full", "smoke" or "small".
        files: Name -> text of its YAML file, and of the files of its parts where it is a union.
        overrides: What options changed, as texts: "train.epochs=1", "seeds=0,1".
        data_root: Folder of the datasets that its cells were resolved with.
        cells: Its cells and those that they start from, each once.
        recorded_at: When it was first run, in seconds since the epoch.
    """

    name: str
    size: str
    files: Mapping[str, str]
    overrides: tuple[str, ...]
    data_root: str
    cells: tuple[SweptCell, ...]
    recorded_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to work on a cell, held by one driver at a time."""

    train_key: str
    owner: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSeconds:
    """What measurements teach of others of their kind.

    Attributes:
        training: (dataset, model, method, precision) -> device-seconds per image and epoch.
        evaluation: (dataset, model, benchmark, precision) -> seconds per forward pass of one image.
        hardware: What it was measured on, for people.
    """

    training: Mapping[Kind, float] = field(default_factory=dict)
    evaluation: Mapping[Kind, float] = field(default_factory=dict)
    hardware: tuple[str, ...] = ()


class Results(Protocol):
    """What was computed: trainings, reports, failed attempts, and what no longer counts."""

    def record_training(self, record: TrainingRecord) -> bool:
        """Record a finished training; return False if this checkpoint was recorded before (nothing changes)."""

    def record_cell(self, record: TrainingRecord, reports: Sequence[MetricReport]) -> bool:
        """Record a finished training and successful reports on it, in one write where each write is a request.

        Returns:
            False if this checkpoint was recorded before; the reports that were not are recorded all the same.

        Raises:
            StoreError: As `record_report`.
        """

    def record_report(self, train_key: str, checkpoint_sha256: str, report: MetricReport) -> bool:
        """Record a successful report; return False if there is one with that benchmark key (nothing changes).

        Raises:
            StoreError: If the report failed, or contains something other than plain values and arrays.
        """

    def result(self, train_key: str) -> CellResult | None:
        """Return what is recorded of a cell, or None when no complete checkpoint is."""

    def results(
        self,
        train_keys: Iterable[str],
        *,
        wanted: Mapping[str, Collection[str]] | None = None,
        on_damage: OnDamage | None = None,
    ) -> Mapping[str, CellResult]:
        """Return what is recorded of many cells; those without a complete checkpoint are left out.

        Args:
            wanted: Train key -> benchmark keys that will be looked at. A cell that the index of an object store holds these of
                is taken from there as it was when it was indexed; without this its files are listed, which takes longer.
            on_damage: Is handed what is not whole; its cell is left out then.

        Raises:
            CorruptRecordError: If a record file is not whole and there is no `on_damage`; the message names the file.
        """

    def train_keys(self) -> tuple[str, ...]:
        """Return the train keys of all cells that anything was ever recorded of, sorted."""

    def record_attempt(self, attempt: AttemptRecord) -> None:
        """Record a failed attempt; the same one twice is recorded once."""

    def attempts(self, train_key: str) -> tuple[AttemptRecord, ...]:
        """Return the failed attempts at a cell, oldest first."""

    def failures(self, train_keys: Iterable[str]) -> Mapping[str, tuple[AttemptRecord, ...]]:
        """Return the failed attempts at many cells, oldest first; cells without any are left out."""

    def invalidate(self, train_key: str, reason: str) -> None:
        """Write a tombstone: the recorded checkpoint, its reports and its attempts no longer count."""

    def era(self, train_key: str) -> int:
        """Return how often a cell was invalidated: now, or when its lease was taken for as long as this store holds that."""


class Sweeps(Protocol):
    """The sweeps that were run on a storage."""

    def record_sweep(self, record: SweepRecord) -> bool:
        """Remember a sweep that is run; return False if one of the same content is remembered (nothing changes)."""

    def sweeps(self, on_damage: OnDamage | None = None) -> tuple[SweepRecord, ...]:
        """Return every sweep that was run on this storage, oldest first.

        Args:
            on_damage: Is handed each record that is not whole, which is left out then.

        Raises:
            CorruptRecordError: If a record file is not whole and there is no `on_damage`.
        """

    def forget_sweep(self, record: SweepRecord) -> None:
        """Remember a sweep no longer; its cells stay."""


class Leases(Protocol):
    """Who works on which cell: one driver at a time."""

    def acquire(self, train_key: str, owner: str) -> Lease | None:
        """Take the lease of a cell that is free or stale, or that the owner holds already; return None while another does.

        What is recorded of the cell under the lease belongs to the era in which the lease was taken.
        """

    def renew(self, leases: Iterable[Lease]) -> frozenset[str]:
        """Write the heartbeat of leases; return the train keys of those that were lost to another driver."""

    def release(self, lease: Lease) -> None:
        """Give a lease back; nothing happens when it was lost before."""

    def holders(self, train_keys: Iterable[str]) -> Mapping[str, str]:
        """Return which of these cells are held, and by whom, as far as their leases show (silent owners need two looks)."""


class Requests(Protocol):
    """What people ask of the drivers of a sweep."""

    def request(self, sweep: str, action: Action | None) -> None:
        """Ask every driver of a sweep to pause or to stop, or clear the request with None."""

    def requested(self, sweep: str, on_damage: OnDamage) -> Action | None:
        """Return the current request for a sweep; a file that is not whole is reported and counts as none."""


class Measurements(Protocol):
    """What short runs measured of a machine of the price file. No results: newer ones replace older ones."""

    def record_calibration(self, machine: str, hardware: str, measured: MeasuredSeconds) -> None:
        """Keep what a short run on some hardware measured, next to what earlier ones on it measured of other kinds."""

    def calibrated(self, machine: str, on_damage: OnDamage) -> MeasuredSeconds:
        """Return what short runs measured of a machine, the newest of each kind; what is not whole is reported and left out."""


class ResultsStore(Results, Sweeps, Leases, Requests, Measurements, Drivers, Protocol):
    """All of it in one storage: the truth."""
