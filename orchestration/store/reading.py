"""Reading recorded cells: which files count now, their texts (from the index if it has exactly these), values on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Final, TypeVar

from augment.heavy import numpy as np
from clusters.storage.contract import Storage, StorageError
from eval.report import MetricReport
from orchestration.errors import command
from orchestration.store.contract import CellResult, CorruptRecordError, OnDamage, TrainingRecord
from orchestration.store.format.arrays import load_arrays
from orchestration.store.format.bundles import unbundled
from orchestration.store.format.documents import check_seal, corrupt, record_names
from orchestration.store.format.lazy import LazyMapping
from orchestration.store.format.records import VERSION, ArraysFile, decode_report, decode_training, report_of
from orchestration.store.index import Index, RawCell
from orchestration.store.parallel import both, each

INDEX_FROM: Final = 50
"""Cells that were read from small files before a segment is written for them."""
INDEX_FROM_REMOTE: Final = 8
"""The same where each small file is a request."""
_FEW: Final = 64
"""Cells of an object store that are listed one by one; for more of them one listing of everything is cheaper."""
_TRAINING: Final = "training.json"

T = TypeVar("T")
U = TypeVar("U")
Listing = Mapping[str, tuple[str, ...]]
"""Checkpoint folder -> names of the files in it."""


class Reader:
    """Reads cells of a storage; remembers what it read, and notices by the names of the files when there is more."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._index = Index(storage)
        self._cache: dict[str, tuple[str, CellResult]] = {}
        self._orphans: dict[str, tuple[str, ...]] = {}
        """Train key -> reports that count now although no training is recorded with them."""

    def era(self, key: str) -> int:
        """Return how often a cell was invalidated."""
        return _last(self._storage.names(f"tombstones/{key}"))

    def read(
        self,
        keys: Sequence[str],
        wanted: Mapping[str, Collection[str]] | None = None,
        on_damage: OnDamage | None = None,
    ) -> Mapping[str, CellResult]:
        """Return the recorded cells among these keys.

        Args:
            wanted: Train key -> benchmark keys that the caller looks at. Where each call is a request, the files of a cell
                are not listed once the index holds all of these.
            on_damage: Is handed what is not whole; its cell is left out then.

        Raises:
            CorruptRecordError: If a record file is not whole and there is no `on_damage`.
        """
        indexed = self._whole_in_index(wanted) if wanted and self._storage.is_remote else {}
        rest = [key for key in keys if key not in indexed]
        listed = self._read_listed(rest, on_damage) if rest else {}
        return {key: found for key in keys if (found := indexed.get(key) or listed.get(key)) is not None}

    def _whole_in_index(self, wanted: Mapping[str, Collection[str]]) -> Mapping[str, CellResult]:
        """Return the cells of which the index holds every wanted report: what else is there adds nothing to the answer."""
        _, eras = both(self._storage, self._index.refresh, lambda: self._eras(wanted))
        self._index.fetch(wanted)
        found = {}
        for key, reports in wanted.items():
            for fingerprint, raw in self._index.entries(key):
                # No invalidation touches a segment: entries of ended eras may still be in it.
                is_of_now = _era_of(raw.folder.rpartition("/")[2]) == eras.get(key, 0)
                if is_of_now and set(reports) <= raw.reports.keys():
                    found[key] = self._remembered(key, fingerprint, raw)
                    break
        return found

    def _remembered(self, key: str, fingerprint: str, raw: RawCell) -> CellResult:
        if not self._knows(key, fingerprint):
            self._cache[key] = (fingerprint, self._decoded(key, raw))
        return self._cache[key][1]

    def _knows(self, key: str, fingerprint: str) -> bool:
        return key in self._cache and self._cache[key][0] == fingerprint

    def _read_listed(self, keys: Sequence[str], on_damage: OnDamage | None) -> Mapping[str, CellResult]:
        """Return the recorded cells among these keys by the files that are there now."""
        listings = self._listings(dict.fromkeys(keys))
        prints = {key: _fingerprint(listing) for key, listing in listings.items()}
        stale = [key for key in listings if not self._knows(key, prints[key])]
        if stale:
            self._index.refresh()
        # Records are immutable: an index entry of exactly the files that are there now needs no look at any of them.
        indexed = {key: raw for key in stale if (raw := self._index.get(key, prints[key])) is not None}
        missed = [key for key in stale if key not in indexed]
        read = each(self._storage, missed, lambda key: _unless_damaged(self._from_files, key, listings[key], on_damage))
        fresh = {key: raw for key, raw in zip(missed, read, strict=True) if raw is not None}
        for key, raw in (indexed | fresh).items():
            decoded = _unless_damaged(self._decoded, key, raw, on_damage)
            if decoded is not None:
                self._cache[key] = (prints[key], decoded)
        self._compact({key: (prints[key], raw) for key, raw in fresh.items()})
        # What was not whole, and what other drivers removed meanwhile, is not in the cache with its present files.
        known = [key for key in listings if self._knows(key, prints[key])]
        checked = [_unless_damaged(self._checked_newest, key, self._cache[key][1], on_damage) for key in known]
        return {result.train_key: result for result in checked if result is not None}

    def _checked_newest(self, key: str, result: CellResult) -> CellResult:
        """Return a result unless there are reports on a later checkpoint whose training record is gone.

        A training is recorded before the reports on it, so that the result is no longer that of the newest checkpoint.
        """
        for path in self._orphans.get(key, ()):
            found = self._storage.stat(path)
            if found is not None and found.modified > result.training.provenance.recorded_at:
                folder = f"{self._storage.uri}/{path.rpartition('/')[0]}"
                fault = f"reports must have the record of their training next to them, but it is gone: '{folder}/{_TRAINING}'"
                raise CorruptRecordError(fault, _fix_of_training(key))
        return result

    def _listings(self, keys: Mapping[str, None]) -> Mapping[str, Listing]:
        """Return the files that count now of every cell with a complete checkpoint."""
        if self._storage.is_remote and len(keys) > _FEW:
            return self._listings_at_once(keys)
        eras = self._eras(keys)
        found = each(self._storage, keys, lambda key: self._listing(key, eras.get(key, 0)))
        listed = dict(zip(keys, found, strict=True))
        return {key: listing for key, listing in listed.items() if listing}

    def _listing(self, key: str, era: int) -> Listing:
        folders = [name.removesuffix("/") for name in self._storage.names(f"results/{key}") if name.endswith("/")]
        listed = {name: self._storage.names(f"results/{key}/{name}") for name in folders if _era_of(name) == era}
        return self._complete(key, listed)

    def _complete(self, key: str, listed: Listing) -> Listing:
        """Return the folders that a training is recorded in; reports in others are remembered as orphans."""
        others = {name: files for name, files in listed.items() if _TRAINING not in files}
        self._orphans[key] = tuple(
            f"results/{key}/{name}/{file}" for name, files in others.items() for file in record_names(files)
        )
        return {name: files for name, files in listed.items() if name not in others}

    def _listings_at_once(self, keys: Mapping[str, None]) -> Mapping[str, Listing]:
        eras = self._eras(keys)
        found: dict[str, dict[str, list[str]]] = {}
        for info in self._storage.list("results"):
            _, key, *inside = info.path.split("/")
            # Records are two levels down; anything else was left by somebody else.
            if len(inside) != 2:
                continue
            folder, name = inside
            if key in keys and _era_of(folder) == eras.get(key, 0):
                found.setdefault(key, {}).setdefault(folder, []).append(name)
        complete = {
            key: self._complete(key, {folder: tuple(names) for folder, names in folders.items()})
            for key, folders in found.items()
        }
        return {key: complete[key] for key in keys if complete.get(key)}

    def _eras(self, keys: Iterable[str]) -> Mapping[str, int]:
        # One listing finds the few cells that were ever invalidated.
        names = {name.removesuffix("/") for name in self._storage.names("tombstones")}
        buried = [key for key in keys if key in names]
        return dict(zip(buried, each(self._storage, buried, self.era), strict=True))

    def _from_files(self, key: str, listing: Listing) -> RawCell:
        """Return the newest training, and the reports on its weights, also those that are stored with an earlier training."""
        bundles = {folder: self.bundle(folder) for folder in (f"results/{key}/{name}" for name in listing)}
        trainings = {folder: self._training(folder, training) for folder, (training, _) in bundles.items()}
        # The clocks of two drivers may agree: the name of the folder makes all readers choose the same.
        by_age = sorted(trainings, key=lambda folder: (trainings[folder].provenance.recorded_at, folder))
        newest = by_age[-1]
        weights = trainings[newest].summary.weights
        # Of equal weights there may be several folders: earlier versions named them by the hash of the file.
        same = [folder for folder in by_age if trainings[folder].summary.weights & weights]
        reports: dict[str, bytes] = {}
        for folder in same:
            # Oldest first, so that newer records win; a report with a file of its own wins over the bundle's.
            reports |= {**bundles[folder][1], **self._own_reports(folder, listing)}
        others = tuple(folder for folder in same if folder != newest)
        return RawCell(folder=newest, training=bundles[newest][0], reports=reports, others=others)

    def _own_reports(self, folder: str, listing: Listing) -> Mapping[str, bytes]:
        names = [name for name in record_names(listing[folder.rpartition("/")[2]]) if name != _TRAINING]
        return {name.removesuffix(".json"): self._report(f"{folder}/{name}") for name in names}

    def bundle(self, folder: str) -> tuple[bytes, Mapping[str, bytes]]:
        """Return the texts of a training record and of the reports that were recorded with it."""
        path = f"{folder}/{_TRAINING}"
        data = self._storage.read_bytes(path)
        try:
            return unbundled(data, f"{self._storage.uri}/{path}")
        except CorruptRecordError as error:
            raise CorruptRecordError(error.fault, _fix_of_training(folder.split("/")[1])) from error

    def _report(self, path: str) -> bytes:
        data = self._storage.read_bytes(path)
        check_seal(data, "report", VERSION, f"{self._storage.uri}/{path}")
        return data

    def _training(self, folder: str, data: bytes) -> TrainingRecord:
        where = f"{self._storage.uri}/{folder}/{_TRAINING}"
        record = decode_training(data, where)
        placed = f"results/{record.train_key}/{record.summary.checkpoint_sha256}"
        # Without the era, which is in no record.
        if folder.partition("~")[0] != placed:
            raise _misplaced(where, placed)
        return record

    def _decoded(self, key: str, raw: RawCell) -> CellResult:
        training = self._training(raw.folder, raw.training)
        # `_training` compares with the folder, which may come from the index too; the key is the caller's.
        if training.train_key != key:
            raise corrupt(
                f"{self._storage.uri}/{raw.folder}", f"a record of cell {key} was expected, but this is another"
            )
        reports = LazyMapping(raw.reports, lambda benchmark_key: _decoded_report(self._storage, raw, benchmark_key))
        return CellResult(train_key=key, training=training, reports=reports)

    def _compact(self, fresh: Mapping[str, tuple[str, RawCell]]) -> None:
        """The index is a convenience: a store that may only be read, or is full, works without."""
        if len(fresh) >= (INDEX_FROM_REMOTE if self._storage.is_remote else INDEX_FROM):
            try:
                self._index.add(fresh)
            except StorageError:
                return


def _decoded_report(storage: Storage, raw: RawCell, benchmark_key: str) -> MetricReport:
    where = f"{storage.uri}/{raw.folder}/{benchmark_key}.json"
    stored = decode_report(raw.reports[benchmark_key], where)
    placed = f"results/{stored.train_key}/{stored.checkpoint_sha256}"
    # A report may come from an earlier record of the same weights, and its arrays are next to it there.
    folder = next((each for each in (raw.folder, *raw.others) if each.partition("~")[0] == placed), "")
    if not folder or stored.benchmark_key != benchmark_key:
        raise _misplaced(where, placed)
    return report_of(stored, where, _arrays(storage, folder, stored.arrays))


def _arrays(storage: Storage, folder: str, file: ArraysFile | None) -> Mapping[str, np.typing.NDArray[np.generic]]:
    """Return the arrays of a report, whose file is read when one of them is looked up."""
    if file is None:
        return MappingProxyType({})
    # One file has all arrays of a report: it is read once, whichever is looked up first.
    load = cache(lambda: load_arrays(storage, folder, file))
    return LazyMapping(file.names, lambda name: load()[name])


def _misplaced(where: str, placed: str) -> CorruptRecordError:
    return corrupt(where, f"a record must be stored where it belongs, but this one is of {placed}")


def _fix_of_training(key: str) -> str:
    """Return what to do about a training record; without its file an earlier training of the cell would count again."""
    forget = command("cells invalidate", key[:12], options=("--reason", "damaged"))
    return f"put that file back, or forget the cell with `{forget}`, then run the sweep again"


def _unless_damaged(make: Callable[[str, T], U], key: str, source: T, on_damage: OnDamage | None) -> U | None:
    """Return what is made of a cell, or None where its records are not whole and `on_damage` was handed the error."""
    try:
        return make(key, source)
    except CorruptRecordError as error:
        if on_damage is None:
            raise
        error.train_key = key
        on_damage(error)
        return None


def _last(names: Iterable[str]) -> int:
    stems = (name.removesuffix(".json") for name in names)
    return max((int(stem) for stem in stems if stem.isdecimal()), default=0)


def _era_of(folder: str) -> int:
    era = folder.partition("~")[2]
    return int(era) if era.isdecimal() else 0


def _fingerprint(listing: Listing) -> str:
    names = "\n".join(f"{folder}/{name}" for folder in sorted(listing) for name in sorted(listing[folder]))
    return hashlib.blake2b(names.encode(), digest_size=12).hexdigest()
