"""The results store over files or `s3://`: small immutable JSON records, arrays next to them.

    results/<train_key>/<checkpoint sha256>/training.json           the training that made this checkpoint
                                                                    (on object stores with the reports that came with it)
    results/<train_key>/<checkpoint sha256>/<benchmark_key>.json    a report on it (its arrays: <benchmark_key>.<digest>.npz)
    attempts/<train_key>/<era>-<time>-<digest>.json                 a failed attempt
    tombstones/<train_key>/<era>.json                               all records of earlier eras no longer count
    leases/<train_key>/<generation>.json                            who works on the cell
    control/<sweep>.json                                            a standing request to pause or stop
    sweeps/<digest>.json                                            a sweep that was run: its file, its options, its cells
    reports/<sweep>.html                                            its report as of its last run; can be deleted
    calibrations/<machine>/<hardware>.json                          what a short run taught of costs; can be deleted
    drivers/<owner>.json                                            what a driver does now; deleted when its run ends
    index/                                                          compacted segments; can be deleted

<checkpoint sha256> is the hash of the weights; earlier versions wrote that of the checkpoint file. Reports in several folders
whose trainings name the same weights are all results of the cell.

An era begins with each tombstone; records of era n > 0 are stored in `<checkpoint sha256>~n`, so that a checkpoint that
comes out the same after an invalidation counts again. No clock is needed to know which records count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from clusters.storage.contract import Storage
from clusters.storage.memory import MemoryStorage
from orchestration.store.contract import Lease, ResultsStore, StoreError
from orchestration.store.drivers import FileDrivers
from orchestration.store.leases import FileLeases
from orchestration.store.measured import FileMeasurements
from orchestration.store.requests import FileRequests
from orchestration.store.results import FileResults, checked_key
from orchestration.store.sweep_records import FileSweeps

DEFAULT_LEASE_EXPIRY_S: Final = 60.0


class FileStore(FileResults, FileSweeps, FileLeases, FileRequests, FileMeasurements, FileDrivers, ResultsStore):
    """All of the results store over one `Storage`. Threads and processes may share the files; each opens its own store.

    Args:
        lease_expiry_s: Seconds without a heartbeat after which another driver takes a lease over.
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
        FileResults.__init__(self, storage)
        FileLeases.__init__(self, storage, expiry_s=lease_expiry_s, clock=clock)

    @property
    def uri(self) -> str:
        """Where the store is."""
        return self.storage.uri

    def exists(self) -> bool:
        """Return whether the folder, or anything under the prefix, is there: nothing was ever recorded otherwise."""
        if self.storage.is_remote:
            return bool(self.storage.names())
        # A store in memory has no folder.
        return not self.uri.startswith("/") or Path(self.uri).is_dir()

    def acquire(self, train_key: str, owner: str) -> Lease | None:
        """Take a lease; what is recorded of the cell under it belongs to the era of now."""
        lease = super().acquire(checked_key(train_key), owner)
        if lease is not None:
            # After the lease: forgetting a cell takes its lease too, so that no era begins while this one is held.
            self._eras[train_key] = self._reader.era(train_key)
        return lease

    def release(self, lease: Lease) -> None:
        """Give a lease back."""
        self._eras.pop(lease.train_key, None)
        super().release(lease)

    def holders(self, train_keys: Iterable[str]) -> Mapping[str, str]:
        """Return who works on which of these cells."""
        return super().holders([checked_key(key) for key in train_keys])


class MemoryStore(FileStore):
    """A store that lives as long as its process; threads may share it, processes cannot."""

    def __init__(
        self, *, lease_expiry_s: float = DEFAULT_LEASE_EXPIRY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(MemoryStorage(), lease_expiry_s=lease_expiry_s, clock=clock)
