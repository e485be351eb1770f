"""What was computed, as record files in a storage: trainings, reports, failed attempts, tombstones."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from clusters.storage.contract import MissingObjectError, Storage
from eval.report import MetricReport
from orchestration.store.contract import AttemptRecord, CellResult, OnDamage, Results, StoreError, TrainingRecord
from orchestration.store.format.arrays import pack_arrays
from orchestration.store.format.bundles import bundled
from orchestration.store.format.documents import seal
from orchestration.store.format.records import (
    ArraysFile,
    decode_attempt,
    encode_attempt,
    encode_report,
    encode_training,
)
from orchestration.store.reading import Reader

_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")


class FileResults(Results):
    """Results in a storage."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._reader = Reader(storage)
        self._folders: dict[tuple[str, str], str] = {}
        """Where this store recorded trainings: reports on a checkpoint belong next to it, whatever was invalidated since."""

        self._eras: dict[str, int] = {}
        """Train key -> the era in which its lease was taken, while this store holds it."""

        self._joined: dict[str, frozenset[str]] = {}
        """Folder of a checkpoint -> the benchmark keys of the reports that were recorded together with its training."""

    def record_training(self, record: TrainingRecord) -> bool:
        return self.record_cell(record, ())

    def record_cell(self, record: TrainingRecord, reports: Sequence[MetricReport]) -> bool:
        for report in reports:
            _check_success(report)
        key, checkpoint = record.train_key, record.summary.checkpoint_sha256
        folder, training = self._folder(key, checkpoint), encode_training(record)
        self._folders[key, checkpoint] = folder
        joined = {}
        # One write where each is a request; training and reports then appear together or not at all.
        if self.storage.is_remote:
            joined = {report.benchmark_key: self._encoded(folder, key, checkpoint, report) for report in reports}
        is_new = self.storage.write_exclusive(
            f"{folder}/training.json", bundled(training, joined) if joined else training
        )
        if is_new:
            self._joined[folder] = frozenset(joined)
        for report in reports:
            # Where another driver was first, its bundle has its reports: ours are recorded one by one.
            if not is_new or report.benchmark_key not in joined:
                self.record_report(key, checkpoint, report)
        return is_new

    def record_report(self, train_key: str, checkpoint_sha256: str, report: MetricReport) -> bool:
        _check_success(report)
        folder = self._folders.get((train_key, checkpoint_sha256)) or self._folder(train_key, checkpoint_sha256)
        path = f"{folder}/{checked_key(report.benchmark_key)}.json"
        if report.benchmark_key in self._reports_in_bundle(folder):
            return False
        # Spares the upload of arrays for a report that is there; the exclusive write below decides in any case.
        if report.outcome and report.outcome.arrays and self.storage.exists(path):
            return False
        data = self._encoded(folder, train_key, checkpoint_sha256, report)
        return self.storage.write_exclusive(path, data)

    def result(self, train_key: str) -> CellResult | None:
        return self._reader.read([checked_key(train_key)]).get(train_key)

    def results(
        self,
        train_keys: Iterable[str],
        *,
        wanted: Mapping[str, Collection[str]] | None = None,
        on_damage: OnDamage | None = None,
    ) -> Mapping[str, CellResult]:
        return self._reader.read([checked_key(key) for key in train_keys], wanted, on_damage)

    def train_keys(self) -> tuple[str, ...]:
        names = {
            name for folder in ("results", "attempts") for name in self.storage.names(folder) if name.endswith("/")
        }
        return tuple(sorted(key for name in names if _NAME.fullmatch(key := name.removesuffix("/"))))

    def record_attempt(self, attempt: AttemptRecord) -> None:
        data = encode_attempt(attempt)
        era = self.era(attempt.train_key)
        # Names sort by time; by the digest an attempt that is recorded twice is one file.
        name = f"{era}-{max(0, round(attempt.ended_at * 1000)):014d}-{hashlib.sha256(data).hexdigest()[:12]}"
        self.storage.write_exclusive(f"attempts/{attempt.train_key}/{name}.json", data)

    def attempts(self, train_key: str) -> tuple[AttemptRecord, ...]:
        return self.failures([train_key]).get(train_key, ())

    def failures(self, train_keys: Iterable[str]) -> Mapping[str, tuple[AttemptRecord, ...]]:
        wanted = dict.fromkeys(checked_key(key) for key in train_keys)
        # One listing finds the few cells that ever failed; for one cell its own listing costs the same.
        if len(wanted) > 1:
            tried = {name.removesuffix("/") for name in self.storage.names("attempts")}
            wanted = {key: None for key in wanted if key in tried}
        found = {key: self._attempts(key) for key in wanted}
        return {key: attempts for key, attempts in found.items() if attempts}

    def invalidate(self, train_key: str, reason: str) -> None:
        # What is remembered here belongs to the era that ends now.
        self._folders = {known: folder for known, folder in self._folders.items() if known[0] != train_key}
        self._eras.pop(train_key, None)
        # Of two that invalidate at once, each must get an era: who loses counts again.
        while True:
            era = self._reader.era(checked_key(train_key)) + 1
            body = {"train_key": train_key, "reason": reason, "at": time.time()}
            if self.storage.write_exclusive(f"tombstones/{train_key}/{era:06d}.json", seal("tombstone", 1, body)):
                return

    def era(self, train_key: str) -> int:
        held = self._eras.get(train_key)
        return self._reader.era(checked_key(train_key)) if held is None else held

    def _encoded(self, folder: str, train_key: str, checkpoint_sha256: str, report: MetricReport) -> bytes:
        """Return the bytes of a report's record; its arrays are written first, so that they are there when it counts."""
        assert report.outcome is not None
        arrays = None
        if report.outcome.arrays:
            data = pack_arrays(report.outcome.arrays)
            digest = hashlib.sha256(data).hexdigest()
            name = f"{checked_key(report.benchmark_key)}.{digest[:16]}.npz"
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
        return f"results/{train_key}/{checked_key(checkpoint_sha256)}" + (f"~{era}" if era else "")

    def _attempts(self, train_key: str) -> tuple[AttemptRecord, ...]:
        folder, era = f"attempts/{train_key}", self._reader.era(train_key)
        names = [name for name in self.storage.names(folder) if name.startswith(f"{era}-")]
        decoded = [
            decode_attempt(self.storage.read_bytes(f"{folder}/{name}"), f"{self.storage.uri}/{folder}/{name}")
            for name in names
        ]
        return tuple(sorted(decoded, key=lambda attempt: (attempt.ended_at, attempt.attempt)))


def _check_success(report: MetricReport) -> None:
    if report.outcome is None:
        raise StoreError(
            f"only successful reports are results, but '{report.benchmark}' failed ({report.error}); "
            "record an attempt instead"
        )


def checked_key(name: str) -> str:
    """Return a train key or benchmark key."""
    if not _NAME.fullmatch(name):
        raise StoreError(
            f"keys must be at most 200 letters, digits, '_', '-' and '.', but found {name!r:.80}; "
            "use keys as `plan --json` prints them"
        )
    return name
