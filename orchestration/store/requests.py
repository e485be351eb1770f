"""Requests to the drivers of a sweep: `control/<sweep>.json` asks them to pause or to stop."""

from __future__ import annotations

import time
from typing import Any, Final
from urllib.parse import quote

from clusters.storage.contract import MissingObjectError, Storage
from orchestration.errors import command
from orchestration.store.contract import Action, CorruptRecordError, OnDamage, Requests
from orchestration.store.format.documents import Document, seal, unseal

_VERSION: Final = 1


class _Request(Document, frozen=True):
    sweep: str
    action: Action
    at: float


class FileRequests(Requests):
    """Requests in a storage."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def request(self, sweep: str, action: Action | None) -> None:
        if action is None:
            self.storage.delete(_path(sweep))
            return
        body: dict[str, Any] = {"sweep": sweep, "action": action, "at": time.time()}
        self.storage.write_bytes(_path(sweep), seal("control", _VERSION, body), durable=False)

    def requested(self, sweep: str, on_damage: OnDamage) -> Action | None:
        try:
            data = self.storage.read_bytes(_path(sweep))
        except MissingObjectError:
            return None
        try:
            return unseal(data, "control", _VERSION, f"{self.storage.uri}/{_path(sweep)}", _Request).action
        except CorruptRecordError as error:
            on_damage(CorruptRecordError(error.fault, f"it counts as no request; remove it with: {command('resume')}"))
            return None


def _path(sweep: str) -> str:
    return f"control/{quote(sweep, safe='')}.json"
