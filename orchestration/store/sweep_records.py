"""The sweeps that were run on a storage: one immutable record per distinct content; the first writer wins.

    sweeps/<digest of all but the time>.json

A sweep is another one when its file, its options, its data root or the keys of its cells differ. `cells gc` keeps the cells of
every record, so that a file that was edited or removed since does not take results with it.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from clusters.storage.contract import MissingObjectError, Storage
from orchestration.store.contract import CorruptRecordError, OnDamage, SweepRecord, Sweeps
from orchestration.store.format.documents import record_names, seal, to_json, unseal
from orchestration.store.parallel import each

_FOLDER: Final = "sweeps"
_VERSION: Final = 1
_FIX: Final = (
    "the cells of that sweep are unknown, so `cells gc` deletes nothing; run the sweep again here with the same options to "
    "rewrite the record; without the file, `cells gc` may delete cells that only that sweep needs"
)


class FileSweeps(Sweeps):
    """Sweep records in a storage."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def record_sweep(self, record: SweepRecord) -> bool:
        """Write a record, also over one that is not whole; return False if one of the same content is there."""
        path = _path(record)
        data = seal("sweep", _VERSION, {**_content(record), "recorded_at": record.recorded_at})
        if self.storage.write_exclusive(path, data):
            return True
        try:
            _read(self.storage, path)
        except CorruptRecordError:
            self.storage.write_bytes(path, data)
            return True
        except MissingObjectError:  # forgotten at this very moment
            return self.storage.write_exclusive(path, data)
        return False

    def sweeps(self, on_damage: OnDamage | None = None) -> tuple[SweepRecord, ...]:
        def read(name: str) -> SweepRecord | None:
            try:
                return _read(self.storage, f"{_FOLDER}/{name}")
            except MissingObjectError:  # forgotten since it was listed
                return None
            except CorruptRecordError as error:
                if on_damage is None:
                    raise
                on_damage(error)
                return None

        names = record_names(self.storage.names(_FOLDER))
        found = [record for record in each(self.storage, names, read) if record is not None]
        return tuple(sorted(found, key=lambda record: (record.recorded_at, record.name)))

    def forget_sweep(self, record: SweepRecord) -> None:
        self.storage.delete(_path(record))


def _read(storage: Storage, path: str) -> SweepRecord:
    data, where = storage.read_bytes(path), f"{storage.uri}/{path}"
    try:
        return unseal(data, "sweep", _VERSION, where, SweepRecord)
    except CorruptRecordError as error:
        raise CorruptRecordError(error.fault, _FIX) from error


def _content(record: SweepRecord) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.to_builtins(record)
    del content["recorded_at"]
    return content


def _path(record: SweepRecord) -> str:
    return f"{_FOLDER}/{hashlib.sha256(to_json(_content(record)).encode()).hexdigest()[:32]}.json"
