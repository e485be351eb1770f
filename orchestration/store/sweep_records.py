"""The sweeps that were run on a storage: one immutable record per distinct content; the first writer wins.

    sweeps/<digest of all but the time>.json

A sweep is another one when its file, its options, its data root or the keys of its cells differ. `cells gc` keeps the cells of
every record, so that a file that was edited or removed since does not take results with it.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any, Final

from clusters.storage.contract import MissingObjectError, Storage
from orchestration.store.contract import SweepRecord, SweptCell
from orchestration.store.errors import CorruptRecordError, OnDamage
from orchestration.store.format.codec import Fields
from orchestration.store.format.plain import corrupt, record_names, seal, to_json, unseal
from orchestration.store.requests import each

FOLDER: Final = "sweeps"
VERSION: Final = 1
_FIX: Final = (
    "what that sweep wants is unknown, so `cells gc` deletes nothing until it is run again here with the same options, "
    "which writes the record again; without the file `cells gc` may delete what only that sweep wants"
)


def write_sweep(storage: Storage, record: SweepRecord) -> bool:
    """Write a record, also over one that is not whole; return False if one of the same content is there."""
    path = _path(record)
    data = seal("sweep", VERSION, {**_content(record), "recorded_at": record.recorded_at})
    if storage.write_exclusive(path, data):
        return True
    try:
        _read(storage, path)
    except CorruptRecordError:
        storage.write_bytes(path, data)
        return True
    except MissingObjectError:  # forgotten at this very moment
        return storage.write_exclusive(path, data)
    return False


def read_sweeps(storage: Storage, on_damage: OnDamage | None = None) -> tuple[SweepRecord, ...]:
    """Return all records, oldest first.

    Args:
        storage: Where the store is.
        on_damage: Is handed each record that is not whole, which is left out then.

    Raises:
        CorruptRecordError: If one is not whole and nobody is to hear of it.
    """

    def read(name: str) -> SweepRecord | None:
        try:
            return _read(storage, f"{FOLDER}/{name}")
        except MissingObjectError:  # forgotten since it was listed
            return None
        except CorruptRecordError as error:
            if on_damage is None:
                raise
            on_damage(error)
            return None

    found = [record for record in each(storage, record_names(storage.names(FOLDER)), read) if record is not None]
    return tuple(sorted(found, key=lambda record: (record.recorded_at, record.name)))


def delete_sweep(storage: Storage, record: SweepRecord) -> None:
    """Delete a record if it is there."""
    storage.delete(_path(record))


def _content(record: SweepRecord) -> dict[str, Any]:
    content = asdict(record)
    del content["recorded_at"]
    return {**content, "cells": [[cell.train_key, cell.row, cell.seed] for cell in record.cells]}


def _path(record: SweepRecord) -> str:
    return f"{FOLDER}/{hashlib.sha256(to_json(_content(record)).encode()).hexdigest()[:32]}.json"


def _read(storage: Storage, path: str) -> SweepRecord:
    data, where = storage.read_bytes(path), f"{storage.uri}/{path}"
    try:
        return _decoded(data, where)
    except CorruptRecordError as error:
        raise CorruptRecordError(error.fault, _FIX) from error


def _decoded(data: bytes, where: str) -> SweepRecord:
    body = Fields(unseal(data, "sweep", VERSION, where), where)
    record = SweepRecord(
        name=body.take("name", str),
        size=body.take("size", str),
        files=_texts(body.take("files", dict), where),
        overrides=tuple(map(str, body.take("overrides", list))),
        data_root=body.take("data_root", str),
        cells=tuple(_cell(row, where) for row in body.take("cells", list)),
        recorded_at=body.take("recorded_at", float),
    )
    body.end()
    return record


def _texts(found: dict[str, object], where: str) -> dict[str, str]:
    if not all(isinstance(text, str) for text in found.values()):
        raise corrupt(where, "the files of a sweep record must be texts")
    return {name: str(text) for name, text in found.items()}


def _cell(row: object, where: str) -> SweptCell:
    match row:
        case [str(key), str(label), int(seed)]:
            return SweptCell(train_key=key, row=label, seed=seed)
    raise corrupt(where, f"a sweep record must hold cells as key, row and seed, but one is {row!r:.60}")
