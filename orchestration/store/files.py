"""The results store over files or `s3://`: small immutable JSON records, arrays beside them.

    results/<train_key>/<checkpoint sha256>/training.json           the training that made this checkpoint
                                                                    (on object stores with the reports that came with it)
    results/<train_key>/<checkpoint sha256>/<benchmark_key>.json    a report on it (its arrays: <benchmark_key>.<digest>.npz)
    attempts/<train_key>/<era>-<time>-<digest>.json                 a failed attempt
    tombstones/<train_key>/<era>.json                               all records of earlier eras no longer count
    leases/<train_key>/<generation>.json                            who works on the cell
    control/<sweep>.json                                            a standing request to pause or stop
    sweeps/<digest>.json                                            a sweep that was run: its file, its options, its cells
    calibrations/<machine>/<hardware>.json                          what a short run taught of costs; can be deleted
    index/                                                          compacted segments; can be deleted

<checkpoint sha256> is the hash of the weights; earlier versions wrote that of the checkpoint file. Reports in several folders
whose trainings name the same weights are all results of the cell.

An era begins with each tombstone; records of era n > 0 are stored in `<checkpoint sha256>~n`, so that a checkpoint that
comes out the same after an invalidation counts again. No clock is needed to tell the dead from the living.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from clusters.storage.contract import MissingObjectError, Storage
from eval.report import MetricReport
from orchestration.store.calibrations import read_calibrations, write_calibration
from orchestration.store.contract import AttemptRecord, CellResult, Lease, SweepRecord, TrainingRecord
from orchestration.store.errors import OnDamage, StoreError
from orchestration.store.format.arrays import pack_arrays
from orchestration.store.format.bundles import bundled
from orchestration.store.format.codec import ArraysFile, decode_attempt, encode_attempt, encode_report, encode_training
from orchestration.store.format.plain import seal, unseal
from orchestration.store.leases import Leases
from orchestration.store.measured import Experience
from orchestration.store.reading import Reader
from orchestration.store.sweep_records import delete_sweep, read_sweeps, write_sweep

DEFAULT_LEASE_EXPIRY_S: Final = 60.0
_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")


class FileStore:
    """A `ResultsStore` over a `Storage`. Threads and processes may share the files; each opens its own store.

    Args:
        storage: Where the files lie.
        lease_expiry_s: Seconds without a heartbeat after which another driver takes a lease over.
        clock: A monotonic clock in seconds.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        lease_expiry_s: float = DEFAULT_LEASE_EXPIRY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not lease_expiry_s > 0:
            raise StoreError(
                f"the expiry of leases must be more than 0 seconds, but it is {lease_expiry_s}; "
                f"leave it out for {DEFAULT_LEASE_EXPIRY_S:g}"
            )
        self.storage = storage
        self._leases = Leases(storage, expiry_s=lease_expiry_s, clock=clock)
        self._reader = Reader(storage)
        self._folders: dict[tuple[str, str], str] = {}
        """Where this store recorded trainings: reports on a checkpoint belong beside it, whatever was invalidated since."""

        self._eras: dict[str, int] = {}
        """Train key -> the era in which its lease was taken, while this store holds it."""

        self._joined: dict[str, frozenset[str]] = {}
        """Folder of a checkpoint -> the benchmark keys of the reports that were recorded together with its training."""

    @property
    def uri(self) -> str:
        """Where the store lies."""
        return self.storage.uri

    def exists(self) -> bool:
        """Return whether the folder, or anything under the prefix, is there: nothing was ever recorded otherwise."""
        if self.storage.is_remote:
            return bool(self.storage.names())
        return not self.uri.startswith("/") or Path(self.uri).is_dir()

    def record_training(self, record: TrainingRecord) -> bool:
        """Record a finished training; return False if this checkpoint was recorded before (nothing changes)."""
        return self.record_cell(record, ())

    def record_cell(self, record: TrainingRecord, reports: Sequence[MetricReport]) -> bool:
        """Record a finished training and reports on it: on an object store in one request, which stands whole or not at all.

        Returns:
            Whether the training was new; if not, the reports are recorded one by one.

        Raises:
            StoreError: As `record_report`.
        """
        for report in reports:
            _check_success(report)
        key, checkpoint = record.train_key, record.summary.checkpoint_sha256
        folder, training = self._folder(key, checkpoint), encode_training(record)
        self._folders[key, checkpoint] = folder
        joined = {}
        if self.storage.is_remote:
            joined = {report.benchmark_key: self._encoded(folder, key, checkpoint, report) for report in reports}
        is_new = self.storage.write_exclusive(
            f"{folder}/training.json", bundled(training, joined) if joined else training
        )
        if is_new:
            self._joined[folder] = frozenset(joined)
        for report in reports:
            if not is_new or report.benchmark_key not in joined:
                self.record_report(key, checkpoint, report)
        return is_new

    def record_report(self, train_key: str, checkpoint_sha256: str, report: MetricReport) -> bool:
        """Record a successful report; return False if one stands for that benchmark key (nothing changes).

        Raises:
            StoreError: If the report failed, or holds something other than plain values and arrays.
        """
        _check_success(report)
        folder = self._folders.get((train_key, checkpoint_sha256)) or self._folder(train_key, checkpoint_sha256)
        path = f"{folder}/{_checked(report.benchmark_key)}.json"
        if report.benchmark_key in self._reports_in_bundle(folder):
            return False
        if report.outcome and report.outcome.arrays and self.storage.exists(path):
            return False
        data = self._encoded(folder, train_key, checkpoint_sha256, report)
        return self.storage.write_exclusive(path, data)

    def result(self, train_key: str) -> CellResult | None:
        """Return what is recorded of a cell, or None when no complete checkpoint is."""
        return self._reader.read([_checked(train_key)]).get(train_key)

    def results(
        self,
        train_keys: Iterable[str],
        *,
        wanted: Mapping[str, Collection[str]] | None = None,
        on_damage: OnDamage | None = None,
    ) -> Mapping[str, CellResult]:
        """Return what is recorded of many cells; those without a complete checkpoint are left out.

        Args:
            train_keys: The cells.
            wanted: Train key -> benchmark keys that will be looked at. A cell that the index of an object store holds these of
                is taken from there as it was when it was indexed; without this its files are listed, which takes longer.
            on_damage: Is handed what is not whole; its cell is left out then.

        Raises:
            CorruptRecordError: If a record file is not whole and nobody is to hear of it; the message names it.
        """
        return self._reader.read([_checked(key) for key in train_keys], wanted, on_damage)

    def train_keys(self) -> tuple[str, ...]:
        """Return the train keys of all cells that anything was ever recorded of, sorted."""
        names = {
            name for folder in ("results", "attempts") for name in self.storage.names(folder) if name.endswith("/")
        }
        return tuple(sorted(key for name in names if _NAME.fullmatch(key := name.removesuffix("/"))))

    def record_attempt(self, attempt: AttemptRecord) -> None:
        """Record a failed attempt; the same one twice is recorded once."""
        data = encode_attempt(attempt)
        era = self.era(attempt.train_key)
        name = f"{era}-{max(0, round(attempt.ended_at * 1000)):014d}-{hashlib.sha256(data).hexdigest()[:12]}"
        self.storage.write_exclusive(f"attempts/{attempt.train_key}/{name}.json", data)

    def attempts(self, train_key: str) -> tuple[AttemptRecord, ...]:
        """Return the failed attempts at a cell, oldest first."""
        return self.failures([train_key]).get(train_key, ())

    def failures(self, train_keys: Iterable[str]) -> Mapping[str, tuple[AttemptRecord, ...]]:
        """Return the failed attempts at many cells, oldest first; cells without any are left out."""
        wanted = dict.fromkeys(_checked(key) for key in train_keys)
        if len(wanted) > 1:
            tried = {name.removesuffix("/") for name in self.storage.names("attempts")}
            wanted = {key: None for key in wanted if key in tried}
        found = {key: self._attempts(key) for key in wanted}
        return {key: attempts for key, attempts in found.items() if attempts}

    def invalidate(self, train_key: str, reason: str) -> None:
        """Write a tombstone: the recorded checkpoint, its reports and its attempts no longer count."""
        self._folders = {known: folder for known, folder in self._folders.items() if known[0] != train_key}
        self._eras.pop(train_key, None)
        while True:
            era = self._reader.era(_checked(train_key)) + 1
            body = {"train_key": train_key, "reason": reason, "at": time.time()}
            if self.storage.write_exclusive(f"tombstones/{train_key}/{era:06d}.json", seal("tombstone", 1, body)):
                return

    def era(self, train_key: str) -> int:
        """Return how often a cell was invalidated: now, or when its lease was taken for as long as this store holds that."""
        held = self._eras.get(train_key)
        return self._reader.era(_checked(train_key)) if held is None else held

    def acquire(self, train_key: str, owner: str) -> Lease | None:
        """Take the lease of a cell, also over a stale one; return None while another driver holds it."""
        lease = self._leases.acquire(_checked(train_key), owner)
        if lease is not None:
            self._eras[train_key] = self._reader.era(train_key)
        return lease

    def renew(self, leases: Iterable[Lease]) -> frozenset[str]:
        """Beat the heart of leases; return the train keys of those that were lost to another driver."""
        return self._leases.renew(leases)

    def release(self, lease: Lease) -> None:
        """Give a lease back."""
        self._eras.pop(lease.train_key, None)
        self._leases.release(lease)

    def holders(self, train_keys: Iterable[str]) -> Mapping[str, str]:
        """Return who works on which of these cells, as far as their leases tell."""
        return self._leases.holders(_checked(key) for key in train_keys)

    def request(self, sweep: str, action: Literal["pause", "stop"] | None) -> None:
        """Ask every driver of a sweep to pause or to stop, or clear the request with None."""
        path = _control(sweep)
        if action is None:
            self.storage.delete(path)
        else:
            body = {"sweep": sweep, "action": action, "at": time.time()}
            self.storage.write_bytes(path, seal("control", 1, body), durable=False)

    def requested(self, sweep: str) -> Literal["pause", "stop"] | None:
        """Return the standing request for a sweep."""
        data = self._reader.optional(_control(sweep))
        if data is None:
            return None
        action = unseal(data, "control", 1, f"{self.uri}/{_control(sweep)}").get("action")
        return action if action in {"pause", "stop"} else None

    def record_sweep(self, record: SweepRecord) -> bool:
        """Remember a sweep that is run; return False if one of the same content is remembered (nothing changes)."""
        return write_sweep(self.storage, record)

    def sweeps(self, on_damage: OnDamage | None = None) -> tuple[SweepRecord, ...]:
        """Return every sweep that was run on this storage, oldest first.

        Args:
            on_damage: Is handed each record that is not whole, which is left out then.

        Raises:
            CorruptRecordError: If a record file is not whole and nobody is to hear of it.
        """
        return read_sweeps(self.storage, on_damage)

    def forget_sweep(self, record: SweepRecord) -> None:
        """Remember a sweep no longer; its cells stay."""
        delete_sweep(self.storage, record)

    def record_calibration(self, machine: str, hardware: str, measured: Experience) -> None:
        """Keep what a short run on some hardware taught, as a machine of the price file."""
        write_calibration(self.storage, machine, hardware, measured, at=time.time())

    def calibrated(self, machine: str, on_damage: OnDamage) -> Experience:
        """Return what short runs taught of a machine of the price file; what is not whole is reported and left out."""
        return read_calibrations(self.storage, machine, on_damage)

    def _encoded(self, folder: str, train_key: str, checkpoint_sha256: str, report: MetricReport) -> bytes:
        """Return the bytes of a report's record; its arrays are written before, so that they lie there when it counts."""
        assert report.outcome is not None
        arrays = None
        if report.outcome.arrays:
            data = pack_arrays(report.outcome.arrays)
            digest = hashlib.sha256(data).hexdigest()
            name = f"{_checked(report.benchmark_key)}.{digest[:16]}.npz"
            arrays = ArraysFile(file=name, sha256=digest, names=tuple(report.outcome.arrays))
            self.storage.write_bytes(f"{folder}/{name}", data)
        return encode_report(train_key, checkpoint_sha256, report, arrays)

    def _reports_in_bundle(self, folder: str) -> frozenset[str]:
        if folder not in self._joined:
            try:
                self._joined[folder] = frozenset(self._reader.bundle(folder)[1])
            except MissingObjectError:  # its training may come later
                return frozenset()
        return self._joined[folder]

    def _folder(self, train_key: str, checkpoint_sha256: str) -> str:
        era = self.era(train_key)
        return f"results/{train_key}/{_checked(checkpoint_sha256)}" + (f"~{era}" if era else "")

    def _attempts(self, train_key: str) -> tuple[AttemptRecord, ...]:
        folder, era = f"attempts/{train_key}", self._reader.era(train_key)
        names = [name for name in self.storage.names(folder) if name.startswith(f"{era}-")]
        decoded = [
            decode_attempt(self.storage.read_bytes(f"{folder}/{name}"), f"{self.uri}/{folder}/{name}") for name in names
        ]
        return tuple(sorted(decoded, key=lambda attempt: (attempt.ended_at, attempt.attempt)))


def _check_success(report: MetricReport) -> None:
    if report.outcome is None:
        raise StoreError(
            f"only successful reports are results, but '{report.benchmark}' failed ({report.error}); "
            "record an attempt instead"
        )


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise StoreError(
            f"keys must be at most 200 letters, digits, '_', '-' and '.', but found {name!r:.80}; "
            "use keys as `plan --json` prints them"
        )
    return name


def _control(sweep: str) -> str:
    return f"control/{quote(sweep, safe='')}.json"
