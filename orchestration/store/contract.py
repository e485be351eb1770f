"""The contract of the results store, and the records it holds.

Records are immutable and the first writer wins. Only the driver writes; workers return values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from eval.report import MetricReport
    from orchestration.store.errors import OnDamage
    from orchestration.store.measured import Experience
    from trainers.job import TrainSummary

ErrorClass = Literal["out-of-memory", "preempted", "nan", "bad-data", "no-space", "worker-died", "bug", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a result comes from.

    Attributes:
        commit: Commit of the code, or "" outside a checkout.
        dirty: Whether the working tree differed from that commit.
        config: The resolved configuration as plain values.
        config_hash: Hash of its canonical JSON.
        data_identity: Declared checksum of the dataset.
        versions: Versions of Python and the main libraries.
        driver: Host, user-neutral process identity and Ray version of the driver.
        recorded_at: Seconds since the epoch.
    """

    commit: str
    dirty: bool
    config: Mapping[str, Any]
    config_hash: str
    data_identity: str
    versions: Mapping[str, str]
    driver: Mapping[str, Any]
    recorded_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """A finished training of a train key."""

    train_key: str
    summary: TrainSummary
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """A failed or interrupted attempt at a cell; never a result."""

    train_key: str
    attempt: int
    error_class: ErrorClass
    message: str
    started_at: float
    ended_at: float
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """What is recorded of a cell: its newest complete checkpoint and the reports on exactly that checkpoint."""

    train_key: str
    training: TrainingRecord
    reports: Mapping[str, MetricReport]
    """Benchmark key -> report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptCell:
    """A cell of a sweep that was run; `row` is "" for a cell that only others start from."""

    train_key: str
    row: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """A sweep that was run on this storage: what it says and which cells it wanted, so that they are kept.

    Attributes:
        name: Name of the sweep.
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


class ResultsStore(Protocol):
    """The truth: records, attempts, tombstones, leases, control requests, the sweeps that were run; and calibrations."""

    def record_training(self, record: TrainingRecord) -> bool:
        """Record a finished training; return False if this checkpoint was recorded before (nothing changes)."""

    def record_cell(self, record: TrainingRecord, reports: Sequence[MetricReport]) -> bool:
        """Record a finished training and successful reports on it, in one write where each write is a request.

        Returns:
            False if this checkpoint was recorded before; the reports that were not are recorded all the same.
        """

    def record_report(self, train_key: str, checkpoint_sha256: str, report: MetricReport) -> bool:
        """Record a successful report; return False if one stands for that benchmark key (nothing changes)."""

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

        With `wanted` (train key -> benchmark keys) a store may leave out what else is recorded of a cell. With `on_damage` a
        cell whose records are not whole is reported to it and left out, instead of ending the call.
        """

    def train_keys(self) -> tuple[str, ...]:
        """Return the train keys of all cells that anything was ever recorded of, sorted."""

    def record_attempt(self, attempt: AttemptRecord) -> None:
        """Record a failed attempt."""

    def attempts(self, train_key: str) -> tuple[AttemptRecord, ...]:
        """Return the failed attempts at a cell, oldest first."""

    def failures(self, train_keys: Iterable[str]) -> Mapping[str, tuple[AttemptRecord, ...]]:
        """Return the failed attempts at many cells, oldest first; cells without any are left out."""

    def invalidate(self, train_key: str, reason: str) -> None:
        """Write a tombstone: the recorded checkpoint, its reports and its attempts no longer count."""

    def era(self, train_key: str) -> int:
        """Return how often a cell was invalidated: now, or when its lease was taken for as long as this store holds that."""

    def acquire(self, train_key: str, owner: str) -> Lease | None:
        """Take the lease of a cell, also over a stale one; return None while another driver holds it.

        What is recorded of the cell under the lease belongs to the era in which the lease was taken.
        """

    def renew(self, leases: Iterable[Lease]) -> frozenset[str]:
        """Beat the heart of leases; return the train keys of those that were lost to another driver."""

    def release(self, lease: Lease) -> None:
        """Give a lease back."""

    def holders(self, train_keys: Iterable[str]) -> Mapping[str, str]:
        """Return which of these cells are held, and by whom, as far as their leases tell (silent owners need two looks)."""

    def request(self, sweep: str, action: Literal["pause", "stop"] | None) -> None:
        """Ask every driver of a sweep to pause or to stop, or clear the request with None."""

    def requested(self, sweep: str) -> Literal["pause", "stop"] | None:
        """Return the standing request for a sweep."""

    def record_sweep(self, record: SweepRecord) -> bool:
        """Remember a sweep that is run; return False if one of the same content is remembered (nothing changes)."""

    def sweeps(self, on_damage: OnDamage | None = None) -> tuple[SweepRecord, ...]:
        """Return every sweep that was run on this storage, oldest first.

        With `on_damage` a record that is not whole is reported to it and left out, instead of ending the call.
        """

    def forget_sweep(self, record: SweepRecord) -> None:
        """Remember a sweep no longer; its cells stay."""

    def record_calibration(self, machine: str, hardware: str, measured: Experience) -> None:
        """Keep what a short run on some hardware taught, as a machine of the price file; newer measurements replace older."""

    def calibrated(self, machine: str, on_damage: OnDamage) -> Experience:
        """Return what short runs taught of a machine of the price file; what is not whole is reported and left out."""
