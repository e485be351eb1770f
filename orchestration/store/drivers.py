"""Reports of drivers as files: `drivers/<owner>.json`, rewritten every few seconds, deleted at the end of the run.

One file for a whole run, however many cells it has: on an object store a report is one request.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import msgspec

from clusters.storage.contract import MissingObjectError, Storage
from orchestration.store.contract import CorruptRecordError
from orchestration.store.driver_report import DriverReport, Drivers
from orchestration.store.format.documents import record_names, seal, unseal
from orchestration.store.parallel import each

_FOLDER: Final = "drivers"
_VERSION: Final = 1


class FileDrivers(Drivers):
    """Reports in a storage."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def report_driver(self, report: DriverReport) -> None:
        body: dict[str, Any] = msgspec.to_builtins(report)
        self.storage.write_bytes(_path(report.owner), seal("driver", _VERSION, body), durable=False)

    def drivers(self) -> tuple[DriverReport, ...]:
        names = record_names(self.storage.names(_FOLDER))
        found = each(self.storage, names, lambda name: _read(self.storage, f"{_FOLDER}/{name}"))
        return tuple(report for report in found if report is not None)

    def forget_driver(self, owner: str) -> None:
        self.storage.delete(_path(owner))


def _read(storage: Storage, path: str) -> DriverReport | None:
    try:
        return unseal(storage.read_bytes(path), "driver", _VERSION, path, DriverReport)
    # Withdrawn since it was listed, or of another version: nobody computes with it.
    except (MissingObjectError, CorruptRecordError):
        return None


def _path(owner: str) -> str:
    return f"{_FOLDER}/{quote(owner, safe='')}.json"
